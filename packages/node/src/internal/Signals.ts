/**
 * The main fiber of a process, what ends it from outside, and its exit code.
 *
 * Answers for: the first signal ends the program in order, the second at once; so does an exception that nobody caught,
 * and a reader of stdout that has gone; the code says which it was; nothing that was written is lost; and of several
 * programs in one process none cuts another's end short. What the code is otherwise, and what is printed, its caller
 * decides.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import type { MessagePort } from "node:worker_threads"
import * as Outputs from "./Outputs.ts"
import * as ProcessGroups from "./ProcessGroups.ts"
import { Terminate } from "./Thread.ts"

/** The signals that end a program, with the code that shells expect of one that they ended. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

type Signal = keyof typeof codes

/** Tells of each signal, until what it gives is called. */
export type Listen = (onSignal: (signal: Signal) => void) => () => void

/** The signals to this process. */
export const toProcess: Listen = (onSignal) => {
  const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}

/** What stands for signals to a thread, which hears none: orders that come over a port, and keep nobody alive. */
export const toThread =
  (orders: MessagePort): Listen =>
  (onSignal) => {
    const onOrder = (order: unknown): void => {
      if (order === Terminate) onSignal("SIGTERM")
    }
    orders.on("message", onOrder)
    orders.unref()
    return () => void orders.off("message", onOrder)
  }

/** The code of a program that nobody reads any more: what shells expect of one that SIGPIPE has ended. */
export const GoneCode = 141

/** The code after an exception that nobody caught. */
const ExceptionCode = 1

/**
 * The same signal twice within these milliseconds is one that was sent twice: `timeout` signals its child and then the
 * child's group, a terminal does so together with whoever passes its signals on.
 */
const OneAct = 100

/** How long a program may take to end that may not be able to, by default, in milliseconds. */
export const DefaultHurry = 6000

/** How long the outputs of a program that was ended from outside may take to pass on the rest, in milliseconds. */
const FlushTime = 2000

/** The listeners for exceptions of all programs in this process; the first of them prints. */
const exceptionListeners = new Set<(exception: unknown) => void>()

/** The programs in this process that are being ended from outside: the last of them ends the process. */
const programsEnding = new Set<object>()

/** Ends the process when its outputs have passed on what was written to them. */
export const exitFlushed = (code: number): void => {
  Outputs.guard(process.stdout)
  Outputs.guard(process.stderr)
  Outputs.whenFlushed(() => process.exit(code))
}

/**
 * Runs a program as the main fiber of this process. `exitCode` is called with its exit, also after a signal, and may
 * print; `tell` prints an exception that nobody caught. With `always`, the process exits with the program; else one that
 * ended well ends when nothing keeps it alive, and no listener is left then. `hurry` is how long one may take to end, in
 * milliseconds, that may not be able to: it did not catch an exception, or was sent a signal twice at once.
 */
export const runMain = <A, E>(
  program: Effect.Effect<A, E>,
  options: {
    readonly exitCode: (exit: Exit.Exit<A, E>) => number
    readonly tell: (exception: unknown) => void
    readonly always: boolean
    readonly hurry: number
    readonly listen: Listen
  }
): void => {
  const run = Runtime.makeRunMain(({ fiber, teardown }) => {
    /** The code that the program was ended with from outside, if it was. */
    let ending: number | undefined
    let first: { readonly signal: Signal; readonly at: number } | undefined
    let isOver = false

    const endInOrder = (code: number): void => {
      ending = code
      if (!isOver) programsEnding.add(fiber)
      fiber.interruptUnsafe(fiber.id)
    }
    const endNow = (): void => {
      ProcessGroups.killAll()
      process.exit(ending)
    }
    const leave = (code: number | undefined): void => {
      if (programsEnding.size === 0) process.exit(code)
    }
    const hurry = (): void => void setTimeout(endNow, options.hurry).unref()

    const onSignal = (signal: Signal): void => {
      const at = performance.now()
      if (isOver) {
        // A reader that has stopped reading holds up nobody who asks.
        ending ??= codes[signal]
        return endNow()
      }
      if (first === undefined) {
        first = { signal, at }
        if (ending === undefined || ending === GoneCode) endInOrder(codes[signal])
      } else if (signal === first.signal && at - first.at < OneAct) hurry()
      else endNow()
    }

    const onException = (exception: unknown): void => {
      // Somebody else's handler decides, as it would without this one.
      if (process.listenerCount("uncaughtException") > exceptionListeners.size) return
      const [first] = exceptionListeners
      if (onException === first) options.tell(exception)
      if (ending === undefined) endInOrder(ExceptionCode)
      if (isOver) return endNow()
      hurry()
    }

    const stdout = Outputs.guard(process.stdout, () => {
      if (ending === undefined) endInOrder(GoneCode)
    })
    const stderr = Outputs.guard(process.stderr)
    const unlisten = options.listen(onSignal)
    exceptionListeners.add(onException)
    process.on("uncaughtException", onException)

    fiber.addObserver((exit) =>
      teardown(exit, (own) => {
        isOver = true
        programsEnding.delete(fiber)
        if (ending !== undefined) setTimeout(() => leave(ending), FlushTime).unref()
        Outputs.whenFlushed(() => {
          const code = ending ?? own
          if (code !== 0 || options.always) return leave(code)
          stdout.release()
          stderr.release()
          unlisten()
          exceptionListeners.delete(onException)
          process.off("uncaughtException", onException)
        })
      })
    )
  })
  // The exit is seen here, where its type is known.
  let ended: number = codes.SIGINT
  run(
    Effect.onExit(program, (exit) =>
      Effect.sync(() => {
        ended = options.exitCode(exit)
      })
    ),
    { disableErrorReporting: true, teardown: (_, onExit) => onExit(ended) }
  )
}
