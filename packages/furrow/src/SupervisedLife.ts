/**
 * One life of a supervised child, of an actor or of a supervisor below: how it is begun, ended, and what its end was.
 *
 * Answers for a life being there when it is given, or nothing of it being left, and for what it failed with being told
 * once. Bringing an actor up and down is `launch`'s; what follows from an end is `Supervision`'s.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { ActorExit } from "./Actor.ts"
import type { AnyChildSpec } from "./ChildSpec.ts"
import { reasonsOf } from "./Exits.ts"
import type { Launched } from "./launch.ts"
import { bringUp } from "./Nursery.ts"
import type { Nursery } from "./NurseryKey.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import type { Spawner } from "./Spawner.ts"
import { ActorCrashed } from "./TreeError.ts"
import type { Crash, SpawnError } from "./TreeError.ts"

/** How a life ended. Normally, if it `Finished`; `crash` is the same as a crash, for a child that is to be there. */
export type End =
  | { readonly _tag: "Stopped" }
  | { readonly _tag: "Finished"; readonly crash: ActorCrashed | undefined }
  | { readonly _tag: "Crashed"; readonly crash: Crash }
  | { readonly _tag: "Died"; readonly reasons: Reasons }

/** What something failed with: errors, and defects. */
export type Reasons = ReadonlyArray<Cause.Reason<Crash>>

/** What actors failed with as they were ended. A bug is none of them: it is told with the end that it is part of. */
export type LastWords = ReadonlyArray<Cause.Fail<ActorCrashed>>

/** One life of a child: that of an actor, which was `launched`, or of a supervisor `below`. */
export interface Living<Below> {
  readonly launched: Launched | undefined
  readonly below: Below | undefined
  readonly ended: Effect.Effect<End>
  /** Ends it, in its share of the time if `several` are ended one after the other: what it failed with as it ended. */
  readonly stop: (several: number) => Effect.Effect<LastWords>
}

/** Whether something was failed with by an actor that was ended, and not by a beginning, or for having given up. */
export const isLastWord = (reason: Cause.Reason<Crash>): reason is Cause.Fail<ActorCrashed> =>
  Cause.isFailReason(reason) && reason.error instanceof ActorCrashed

// ---------------------------------------------------------------------------------------------------------------------
// An actor
// ---------------------------------------------------------------------------------------------------------------------

/** Begins the life of an actor, which is called as its child unless its spec says otherwise; `by` ends it. */
export const ofActor = (
  name: string,
  { actor, options }: AnyChildSpec,
  by: ActorRef
): Effect.Effect<Living<never>, SpawnError, Nursery | Spawner> =>
  Effect.map(
    bringUp(actor, { ...options, name: options.name ?? name }, "one-shot", Effect.interruptible),
    (launched) => ({
      launched,
      below: undefined,
      ended: Effect.map(launched.portal.exit, (exit) => endOf(launched, exit)),
      stop: (several) =>
        Effect.map(launched.stop(by, several), (cause) =>
          cause === undefined
            ? []
            : [Cause.makeFailReason(new ActorCrashed({ actor: launched.ref, cause }))]
        )
    })
  )

const endOf = (launched: Launched, exit: ActorExit): End => {
  if (exit._tag === "Stopped" || launched.wasAsked()) return { _tag: "Stopped" }
  const crash = new ActorCrashed({ actor: launched.ref, cause: exit.cause })
  const { cause, detail, exit: how, stage } = exit.cause
  const normally =
    how?.code === 0 && cause === undefined && detail === undefined && stage === undefined
  return { _tag: normally ? "Finished" : "Crashed", crash }
}

// ---------------------------------------------------------------------------------------------------------------------
// A supervisor
// ---------------------------------------------------------------------------------------------------------------------

/** A supervisor, as far as whoever is above has to know it. */
export interface Supervising {
  /** From its first start to its last end. */
  readonly live: Effect.Effect<void, never, Nursery | Spawner>
  /** Waits until it is there, or is ending. */
  readonly ready: Effect.Effect<void>
  readonly isReady: boolean
  /** What it has failed with, once it has ended. */
  readonly failures: Reasons
  /** What its end is to the supervisor above. */
  readonly howItEnded: End
  /** Asks it to end, in its share of the time. */
  stop(several?: number): void
}

/** Begins the life of a supervisor, in fibers that `fork` makes. */
export const ofSupervisor = <Below extends Supervising>(
  below: Below,
  fork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
): Effect.Effect<Living<Below>, Crash, Nursery | Spawner> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Nursery | Spawner>()
    const running = fork(Effect.provideContext(below.live, context))
    const came = yield* Effect.exit(Effect.interruptible(below.ready))
    // One that shut itself down before it was ready has had its life.
    if (Exit.isFailure(came) || (!below.isReady && below.failures.length > 0)) {
      below.stop()
      yield* Fiber.await(running)
      return yield* Effect.failCause(Cause.fromReasons([...reasonsOf(came), ...below.failures]))
    }
    return {
      launched: undefined,
      below,
      ended: Effect.map(Fiber.await(running), () => below.howItEnded),
      stop: (several) =>
        Effect.suspend(() => {
          below.stop(several)
          // That it had given up concerns nobody any more.
          return Effect.map(Fiber.await(running), () => below.failures.filter(isLastWord))
        })
    } satisfies Living<Below>
  })
