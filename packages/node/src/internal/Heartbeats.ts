/**
 * Whether the other ends of links live, asked and answered by a small thread: a process that computes is not a dead one.
 *
 * Answers for one thread a process, there from the first link that needs it to the last. What it does is
 * `HeartbeatThread`'s, what crosses is specified in furrow's `protocol/Link`.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { run } from "./HeartbeatThread.ts"
import type { Order, Place, Report } from "./HeartbeatThread.ts"

/** Why the thread cannot listen, as the system says it. */
export interface ListenFailed {
  readonly code: string | undefined
  readonly message: string
}

/** A link that is to be guarded. */
export interface Guard {
  readonly key: string
  /** Milliseconds between two pings. */
  readonly interval: number
  /** Milliseconds of silence after which the link is lost. */
  readonly bound: number
  /** Milliseconds to wait for the first sign of life. */
  readonly first: number
  /** Where to connect; without it, the other end does. */
  readonly dial: Place | undefined
  /** Called, once, at the first sign of life. */
  readonly onHeard: () => void
  /** Called, once, when nothing was heard for as long as the bound. */
  readonly onLost: (why: string) => void
}

/** Some compilers wrap every function in one that they define elsewhere. */
const program = `const __name = (f) => f;(${run.toString()})(require("node:worker_threads").parentPort, require("node:net"))`

/** In MiB: what it holds is a few numbers a link. */
const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }

class Thread {
  users = 0
  private readonly worker: Worker
  private ended = false
  private last = 0
  private readonly listening = new Map<
    number,
    Deferred.Deferred<number | undefined, ListenFailed>
  >()
  private readonly guards = new Map<number, Guard>()

  constructor() {
    this.worker = new Worker(program, {
      eval: true,
      name: "heartbeats",
      execArgv: [],
      env: {},
      resourceLimits
    })
    this.worker.unref()
    this.worker.on("message", (report: Report) => this.onReport(report))
    // It cannot fail by itself; were it to, nobody would be guarded.
    this.worker.on("error", () => {})
    this.worker.on("exit", () => this.onExit())
  }

  order(order: Order): void {
    if (!this.ended) this.worker.postMessage(order)
  }

  listen(place: Place): Effect.Effect<number | undefined, ListenFailed, Scope.Scope> {
    const listener = ++this.last
    return Effect.acquireRelease(
      Effect.sync(() => {
        const told = Deferred.makeUnsafe<number | undefined, ListenFailed>()
        this.listening.set(listener, told)
        // Nobody else may be there to keep the process until it answers.
        this.worker.ref()
        this.order({ do: "listen", listener, place })
        if (this.ended) this.onExit()
        return told
      }),
      () =>
        Effect.sync(() => {
          this.listening.delete(listener)
          this.order({ do: "unlisten", listener })
        })
    ).pipe(Effect.flatMap(Deferred.await))
  }

  guard(guard: Guard): Effect.Effect<void, never, Scope.Scope> {
    const { bound, dial, first, interval, key } = guard
    const link = ++this.last
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.guards.set(link, guard)
        this.order({ do: "guard", link, key, interval, bound, first, dial })
        if (this.ended) this.onExit()
      }),
      () =>
        Effect.sync(() => {
          if (this.guards.delete(link)) this.order({ do: "drop", link })
        })
    )
  }

  end(): Effect.Effect<void> {
    return Effect.promise(() => this.worker.terminate())
  }

  private onReport(report: Report): void {
    if (report.told === "heard") return this.guards.get(report.link)?.onHeard()
    if (report.told === "lost") {
      const guard = this.guards.get(report.link)
      this.guards.delete(report.link)
      return guard?.onLost(`no sign of life for ${report.silent / 1000} s`)
    }
    const told = this.listening.get(report.listener)
    this.listening.delete(report.listener)
    if (this.listening.size === 0) this.worker.unref()
    if (told === undefined) return
    Deferred.doneUnsafe(
      told,
      report.told === "listening" ? Exit.succeed(report.port) : Exit.fail(report)
    )
  }

  private onExit(): void {
    this.ended = true
    if (current === this) current = undefined
    const why = "the thread that watches over its heartbeats has ended"
    for (const told of this.listening.values()) {
      Deferred.doneUnsafe(told, Exit.fail({ code: undefined, message: why }))
    }
    this.listening.clear()
    const guards = [...this.guards.values()]
    this.guards.clear()
    for (const guard of guards) guard.onLost(why)
  }
}

let current: Thread | undefined

/** The thread, as long as the scope is open. */
const thread: Effect.Effect<Thread, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    current ??= new Thread()
    current.users++
    return current
  }),
  (held) =>
    Effect.suspend(() => {
      held.users--
      if (held.users > 0) return Effect.void
      if (current === held) current = undefined
      return held.end()
    })
)

/** Takes heartbeats at a place until the scope is closed; gives the port, if it has one. */
export const listen = (
  place: Place
): Effect.Effect<number | undefined, ListenFailed, Scope.Scope> =>
  Effect.flatMap(thread, (held) => held.listen(place))

/** Guards a link until the scope is closed. */
export const guard = (link: Guard): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(thread, (held) => held.guard(link))
