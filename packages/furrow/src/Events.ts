/**
 * What happens in a tree, as values that anyone in the process can watch: births, deaths, stages of the ladder, and
 * what would otherwise pass unseen.
 *
 * Answers for the kinds of events and for handing them round. It keeps none: who comes late has missed it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type * as Cause from "effect/Cause"
import type { Guard } from "./Guard.ts"
import type { ProcessExit } from "./ProcessExit.ts"
import type { Difference } from "./protocol/Handshake.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import type { Crash, CrashCause, LadderStage, RestartIntensityExceeded } from "./TreeError.ts"
import type { Waits } from "./Waits.ts"

/** Something that happened to an actor of this process, or to one of its children. */
export type Event =
  /** A child is ready; `guard` is who ends it when this process is gone, absent if it lives in this process. */
  | {
      readonly _tag: "Started"
      readonly actor: ActorRef
      readonly pid: number | undefined
      readonly guard?: Guard | undefined
    }
  /** A child has reached a stage of the ladder; `patience` is how many milliseconds it has until the next. */
  | {
      readonly _tag: "Stage"
      readonly actor: ActorRef
      readonly stage: LadderStage
      readonly by: ActorRef
      readonly patience: number
    }
  /** A child that is ending says what it still waits for, itself and below it; `Waits.describe` has words for it. */
  | ({ readonly _tag: "Waiting"; readonly actor: ActorRef } & Waits)
  /** A child that had been asked to end is gone and reaped. */
  | {
      readonly _tag: "Stopped"
      readonly actor: ActorRef
      readonly stage: LadderStage
      readonly exit: ProcessExit
    }
  /** A child is gone that had not been asked to end, or that failed while it did. */
  | { readonly _tag: "Crashed"; readonly actor: ActorRef; readonly cause: CrashCause }
  /**
   * A supervisor will start a child again, `wait` milliseconds from now: `child` is what it calls it, `actor` the path of
   * its lives, `cause` what ended the last of them or kept it from coming up, and `restarts` how many restarts there are
   * within the window, this one included.
   */
  | {
      readonly _tag: "Restarting"
      readonly child: string
      readonly actor: string
      readonly cause: Crash
      readonly restarts: number
      readonly wait: number
    }
  /** A supervisor will start no child again: it ends them all, and then with this error. */
  | {
      readonly _tag: "GaveUp"
      readonly child: string
      readonly actor: string
      readonly error: RestartIntensityExceeded
    }
  /** A child knows operations in another shape than this process does. */
  | {
      readonly _tag: "ContractDiffers"
      readonly actor: string
      readonly differing: ReadonlyArray<Difference>
      readonly missing: ReadonlyArray<string>
    }
  /** A caller left without having seen the callee's end; `waited` is in milliseconds. */
  | {
      readonly _tag: "NotJoined"
      readonly actor: ActorRef
      readonly operation: string
      readonly fiber: number
      readonly waited: number
    }
  /**
   * Code that is not Effect had not ended when the wait for it did, and was left behind: it may still run. `waited` is
   * in milliseconds.
   */
  | {
      readonly _tag: "GuestLeft"
      readonly actor: ActorRef
      readonly guest: string
      readonly waited: number
    }
  /**
   * A callee failed whose caller had left, or did not ask, or a guest that was left behind: it may have no channel left
   * to hear of it. `operation` is the guest's name then.
   */
  | {
      readonly _tag: "FailedWhileEnding"
      readonly actor: ActorRef
      readonly operation: string
      readonly cause: Cause.Cause<unknown>
    }

/** Hands events round. */
export interface Hub {
  readonly watchers: Set<(event: Event) => void>
}

/** The hub that events go to; defaults to one for the process. In the test world each actor has its own. */
export const CurrentHub = Context.Reference<Hub>("furrow/Events/Hub", {
  defaultValue: () => makeHub()
})

/** A hub nobody watches yet. */
export const makeHub = (): Hub => ({ watchers: new Set() })

/** Tells everybody who watches. */
export const publish = (event: Event): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    publishTo(fiber.getRef(CurrentHub), event)
    return Effect.void
  })

/** The same, where there is no fiber. */
export const publishTo = (hub: Hub, event: Event): void => {
  for (const watcher of hub.watchers) watcher(event)
}

/**
 * Every event from now on, of this process or, in the test world, of this actor. Slow readers hold up nobody; what they
 * have not read yet is kept for them.
 *
 * **Example** (Watching the ladder)
 *
 * ```ts
 * yield* Events.stream.pipe(
 *   Stream.filter((event) => event._tag === "Stage"),
 *   Stream.runForEach((event) => Effect.log(`${event.actor.path}: ${event.stage}`)),
 *   Effect.forkScoped
 * )
 * ```
 */
export const stream: Stream.Stream<Event> = Stream.unwrap(
  Effect.gen(function* () {
    const hub = yield* CurrentHub
    const queue = yield* Queue.unbounded<Event>()
    const watcher = (event: Event) => void Queue.offerUnsafe(queue, event)
    yield* Effect.acquireRelease(
      Effect.sync(() => hub.watchers.add(watcher)),
      () => Effect.sync(() => hub.watchers.delete(watcher))
    )
    return Stream.fromQueue(queue)
  })
)
