/**
 * The programs that threads start, and whose processes nobody would end, or even reap, after their thread.
 *
 * Answers for whoever started a thread knowing them, whatever they were started with, and for their groups being ended
 * when the thread is gone. Ending a program in order is its own scope's.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import {
  ChildProcessSpawner,
  make as makeChildProcessSpawner
} from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { readFileSync } from "node:fs"
import type { MessagePort } from "node:worker_threads"
import { nobodyRuns } from "./GroupMembers.ts"
import * as Guardian from "./Guardian.ts"

/** A word about a program: it runs, or it was reaped. */
interface Word {
  readonly program: number
  readonly runs: boolean
}

const isWord = (message: unknown): message is Word =>
  typeof message === "object" && message !== null && "program" in message && "runs" in message

/** The port to whoever has started this thread, if that is known: what it says of programs is passed on. */
let above: MessagePort | undefined

const say = (word: Word): void => above?.postMessage(word)

/**
 * From now on, whoever has started this thread is told of every program that it starts, whatever with, and of those of
 * its threads. Its own are watched over by a guardian, who is there from the first of them on, and ends their groups when
 * this thread, or the whole process, is gone. Gives a spawner whose programs are watched over when they are handed out.
 */
export const layer = (
  orders: MessagePort
): Layer.Layer<ChildProcessSpawner, never, ChildProcessSpawner> =>
  Layer.effect(
    ChildProcessSpawner,
    Effect.gen(function* () {
      above = orders
      const stock = yield* ChildProcessSpawner
      const scope = yield* Effect.scope
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const guardian = yield* Effect.cached(
        Guardian.isPossible() ? Scope.provide(Guardian.make(stock, 0), scope) : Effect.undefined
      )
      const telling = new Set<Fiber.Fiber<void, PlatformError>>()
      const own = (word: Word) => {
        say(word)
        const fiber = run(
          Effect.flatMap(guardian, (guardian) =>
            word.runs
              ? (guardian?.watch(word.program) ?? Effect.void)
              : (guardian?.forget(word.program) ?? Effect.void)
          )
        )
        telling.add(fiber)
        fiber.addObserver(() => telling.delete(fiber))
      }
      const onChild = (message: unknown) => {
        const { process: child } = message as { readonly process: ChildProcess }
        child.once("spawn", () => {
          const { pid, spawnargs } = child
          if (pid === undefined || spawnargs.includes(Guardian.Name)) return
          own({ program: pid, runs: true })
          child.once("exit", () => own({ program: pid, runs: false }))
        })
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => subscribe("child_process", onChild)),
        () => Effect.sync(() => unsubscribe("child_process", onChild))
      )
      return makeChildProcessSpawner((command) =>
        guardian.pipe(
          Effect.andThen(stock.spawn(command)),
          Effect.tap(() => Effect.forEach([...telling], Fiber.join, { discard: true }))
        )
      )
    })
  )

/** A process as the system tells of it. */
interface Found {
  /** Begins with `Z` if it has ended. */
  readonly state: string
  readonly parent: number
  readonly group: number
}

/** How the system tells of a process; nothing if there is none of this number. */
const find = (pid: number): Found | undefined => {
  try {
    // The name, in brackets, may contain anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    const [state = "", parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return { state, parent: Number(parent), group: Number(group) }
  } catch {
    if (process.platform === "linux") return undefined
    const { stdout } = spawnSync("ps", ["-o", "stat=,ppid=,pgid=", "-p", String(pid)], {
      encoding: "utf8"
    })
    const [state = "", parent, group] = (stdout ?? "").trim().split(/\s+/)
    return group === undefined ? undefined : { state, parent: Number(parent), group: Number(group) }
  }
}

/** The programs of one thread, as far as it has told of them. */
export class Programs {
  private readonly running = new Set<number>()
  private ended: ReadonlyArray<{ readonly program: number; readonly leads: boolean }> = []

  /** Takes a word of the thread, and passes it on. */
  readonly note = (message: unknown): void => {
    if (!isWord(message)) return
    if (message.runs) this.running.add(message.program)
    else this.running.delete(message.program)
    say(message)
  }

  /** Sends SIGKILL to what the thread has left behind, and to the groups that are led by it. */
  end(): void {
    // Nobody else reaps it: it is still our child, or was reaped without a word, and its number may be anybody's.
    this.ended = [...this.running].flatMap((program) => {
      const found = find(program)
      return found?.parent === process.pid ? [{ program, leads: found.group === program }] : []
    })
    for (const { leads, program } of this.ended) {
      try {
        process.kill(leads ? -program : program, "SIGKILL")
      } catch {
        // It has just ended.
      }
    }
    for (const program of this.running) say({ program, runs: false })
    this.running.clear()
  }

  /**
   * Whether what was ended is dead. Whoever leads a group may be so before the others of it are; these are seen where
   * there is a `/proc`.
   */
  isGone(): boolean {
    return this.ended.every(({ leads, program }) => {
      const found = find(program)
      const isDead = found?.parent !== process.pid || found.state.startsWith("Z")
      return isDead && (!leads || process.platform !== "linux" || nobodyRuns(program))
    })
  }
}
