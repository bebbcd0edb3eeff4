/**
 * The main fiber of a process, its signals, and its exit code.
 *
 * Answers for: the first signal ends the program in order, the second at once; the code says which signal it was; and
 * nothing that was written is lost. What the code is otherwise, and what is printed, its caller decides.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as ProcessGroups from "./ProcessGroups.ts"

/** The signals that end a program, with the code that shells expect of one that they ended. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const

/** Calls back when an output has passed on what was written to it. */
const flush = (output: NodeJS.WriteStream, done: () => void): void => {
  if (output.writableLength === 0 || !output.writable) return done()
  // Its reader may be gone by now; the program has ended, and nobody is left to tell.
  output.on("error", () => {})
  output.write("", () => done())
}

/** Ends the process when its outputs have passed on what was written to them. */
export const exitFlushed = (code: number): void =>
  flush(process.stdout, () => flush(process.stderr, () => process.exit(code)))

/**
 * Runs a program as the main fiber of this process. `exitCode` is called with its exit, also after a signal, and may
 * print. With `always`, the process exits with the program; else one that ended well ends when nothing keeps it alive.
 * No handler of a signal is left then.
 */
export const runMain = <A, E>(
  program: Effect.Effect<A, E>,
  options: {
    readonly exitCode: (exit: Exit.Exit<A, E>) => number
    readonly always: boolean
  }
): void => {
  const run = Runtime.makeRunMain(({ fiber, teardown }) => {
    let code: number | undefined
    const onSignal = (signal: keyof typeof codes): void => {
      if (code !== undefined) {
        ProcessGroups.killAll()
        process.exit(code)
      }
      code = codes[signal]
      fiber.interruptUnsafe(fiber.id)
    }
    for (const signal of signals) process.on(signal, onSignal)
    fiber.addObserver((exit) =>
      teardown(exit, (own) => {
        code ??= own
        // The handlers stay while the outputs are flushed: a reader that has stopped holds up nobody who asks twice.
        if (code !== 0 || options.always) return exitFlushed(code)
        for (const signal of signals) process.off(signal, onSignal)
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
