/**
 * The ladder: how an actor is brought to its end, stage by stage, each with a bounded wait.
 *
 * Answers for the order and the times of the stages, and for telling of each. Asking, signalling and noticing the end
 * are given to it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Events from "./Events.ts"
import * as Life from "./Life.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import type { LadderStage } from "./TreeError.ts"

/** How long each stage may take, in milliseconds. */
export interface Patience {
  readonly asked: number
  readonly terminated: number
}

/** The default patience: 3 s to end when asked, 2 s more after SIGTERM. */
export const defaultPatience: Patience = { asked: 3000, terminated: 2000 }

/** No stage is shorter than this, in milliseconds, however little time is left. */
const ShortestStage = 100

/**
 * The patience that is left to this actor for its children: all of it, or, while it is being stopped itself with `g`
 * left, 0.5 g and then 0.3 g, so that it is done before its own parent loses patience.
 */
export const patienceLeft = (patience: Patience, life: Life.Life): Effect.Effect<Patience> =>
  life.stopping === undefined
    ? Effect.succeed(patience)
    : Effect.map(Life.now, (now) => {
        const left = Math.max(0, (life.stopping?.until ?? now) - now)
        return {
          asked: Math.max(ShortestStage, Math.min(patience.asked, 0.5 * left)),
          terminated: Math.max(ShortestStage, Math.min(patience.terminated, 0.3 * left))
        }
      })

/** What the ladder works on. */
export interface Rungs {
  readonly actor: ActorRef
  /** Asks over the connection; `grace` is the time given, in milliseconds. Absent if there is no connection. */
  readonly ask: ((grace: number) => Effect.Effect<void>) | undefined
  readonly terminate: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
  /** Waits until it is gone and reaped. */
  readonly gone: Effect.Effect<unknown>
}

/** Asks, waits, terminates, waits, kills, and waits for the end; gives the stage that was needed. */
export const climb = (rungs: Rungs, by: ActorRef, patience: Patience): Effect.Effect<LadderStage> =>
  Effect.gen(function* () {
    const { actor, ask, gone, kill, terminate } = rungs
    const isGone = (wait: number) => Effect.map(Effect.timeoutOption(gone, wait), Option.isSome)
    const tell = (stage: LadderStage, wait: number) =>
      Events.publish({ _tag: "Stage", actor, stage, by, patience: wait })

    if (ask !== undefined) {
      yield* tell("asked", patience.asked)
      yield* ask(patience.asked)
      if (yield* isGone(patience.asked)) return "asked"
    }
    yield* tell("terminated", patience.terminated)
    yield* terminate
    if (yield* isGone(patience.terminated)) return "terminated"
    yield* tell("killed", 0)
    yield* kill
    yield* gone
    return "killed"
  })
