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
  Effect.map(Life.now, (now) => {
    if (life.stopping === undefined) return patience
    const left = Math.max(0, life.stopping.until - now)
    return {
      asked: Math.max(ShortestStage, Math.min(patience.asked, 0.5 * left)),
      terminated: Math.max(ShortestStage, Math.min(patience.terminated, 0.3 * left))
    }
  })

const least = (a: Patience, b: Patience): Patience => ({
  asked: Math.min(a.asked, b.asked),
  terminated: Math.min(a.terminated, b.terminated)
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
  /** Waits until the one who climbs is told to stop itself: from then on less time is left. */
  readonly hurry: Effect.Effect<Patience>
}

/** Asks, waits, terminates, waits, kills, and waits for the end; gives the stage that was needed. */
export const climb = (rungs: Rungs, by: ActorRef, given: Patience): Effect.Effect<LadderStage> =>
  Effect.gen(function* () {
    const { actor, ask, gone, hurry, kill, terminate } = rungs
    let patience = given
    const isGone = (stage: keyof Patience): Effect.Effect<boolean> =>
      Effect.gen(function* () {
        const seen = yield* Effect.raceFirst(
          Effect.as(gone, "gone" as const),
          Effect.raceFirst(Effect.as(Effect.sleep(patience[stage]), "late" as const), hurry)
        )
        if (typeof seen === "string") return seen === "gone"
        patience = least(patience, seen)
        return Option.isSome(yield* Effect.timeoutOption(gone, patience[stage]))
      })
    const tell = (stage: LadderStage, wait: number) =>
      Events.publish({ _tag: "Stage", actor, stage, by, patience: wait })

    if (ask !== undefined) {
      yield* tell("asked", patience.asked)
      yield* ask(patience.asked)
      if (yield* isGone("asked")) return "asked"
    }
    yield* tell("terminated", patience.terminated)
    yield* terminate
    if (yield* isGone("terminated")) return "terminated"
    yield* tell("killed", 0)
    yield* kill
    yield* gone
    return "killed"
  })
