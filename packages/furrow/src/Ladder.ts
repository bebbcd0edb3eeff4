/**
 * The ladder: how an actor is brought to its end, stage by stage, each with a bounded wait.
 *
 * Answers for the order and the times of the stages, and for telling of each. Asking, signalling and noticing the end
 * are given to it.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Events from "./Events.ts"
import * as Life from "./Life.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import type { LadderStage } from "./TreeError.ts"
import * as Waits from "./Waits.ts"

/** How long each stage may take, in milliseconds. */
export interface Patience {
  readonly asked: number
  readonly terminated: number
}

/** The default patience: 3 s to end when asked, 2 s more after SIGTERM. */
export const defaultPatience: Patience = { asked: 3000, terminated: 2000 }

/** However little time is left, it makes no stage shorter than this, in milliseconds. */
const ShortestStage = 100

/** What of the time that is left each stage may take: half, and three tenths, so that the rest is enough to be done. */
const share: Patience = { asked: 0.5, terminated: 0.3 }

/** Whether so many, one after the other, have time for the shortest stages at least. */
export const areInTime = (left: number, several: number): boolean =>
  left * share.asked >= several * ShortestStage

/**
 * How long a stage may take when so much time is left to whoever climbs, and so many ladders share it one after the
 * other: never more than the actor's own patience.
 */
export const stageOf = (
  stage: keyof Patience,
  patience: Patience,
  left: number,
  several: number
): number => Math.min(patience[stage], Math.max(ShortestStage, (share[stage] * left) / several))

/** What the program writes to stdout is its own. */
const warning = (text: string): Effect.Effect<void> =>
  Effect.provideService(Effect.logWarning(text), Logger.LogToStderr, true)

/** What the ladder works on. */
export interface Rungs {
  readonly actor: ActorRef
  /** How patient one may be with this actor if there is time. */
  readonly patience: Patience
  /** What bounds the time of whoever climbs. */
  readonly graces: Life.Graces
  /**
   * Asks over the connection; `grace` is the time given, in milliseconds. It may be asked again, with less. Absent if
   * there is no connection.
   */
  readonly ask: ((grace: number) => Effect.Effect<void>) | undefined
  readonly terminate: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
  /** Waits until it is gone and reaped. */
  readonly gone: Effect.Effect<unknown>
  /** What it has last said that it waits for; nothing if it has not said a word since it was asked. */
  readonly lastWaits: Effect.Effect<Waits.Waits | undefined>
}

/**
 * Asks, waits, terminates, waits, kills, and waits for the end; gives the stage that was needed. `several` ladders, this
 * one among them, are to be climbed one after the other in the time that is left.
 */
export const climb = (rungs: Rungs, by: ActorRef, several = 1): Effect.Effect<LadderStage> =>
  Effect.gen(function* () {
    const { actor, ask, gone, graces, kill, lastWaits, patience, terminate } = rungs
    let since = yield* Life.now
    /** It is not ended for nothing: says why, and what with. */
    const warn = (what: string, signal: string) =>
      Effect.gen(function* () {
        const time = yield* Life.now
        const waits = yield* lastWaits
        const why =
          ask === undefined
            ? "and its connection is lost"
            : waits === undefined
              ? "and has said nothing since it was asked to: its thread may be blocked"
              : waits.waits.length === 0
                ? "and waits for nothing that it knows of"
                : `and waits for ${Waits.describe(waits)}`
        yield* warning(
          `The actor "${actor.path}" has not ended ${Waits.seconds(time - since)} after ${what}, ${why}. It gets ${signal}.`
        )
        since = time
      })
    const tell = (stage: LadderStage, wait: number) =>
      Events.publish({ _tag: "Stage", actor, stage, by, patience: wait })
    /** Both stages are shares of one time: what was left when less was left than ever before. */
    let known = { until: Infinity, left: Infinity }
    const timeOf = (stage: keyof Patience) => (left: number) => {
      const until = Life.untilOf(graces)
      if (until < known.until) known = { until, left }
      return stageOf(stage, patience, known.left, several)
    }
    /** One stage; whether it was the last that was needed. */
    const passed = (stage: keyof Patience, act: (wait: number) => Effect.Effect<void>) =>
      // Whoever has less time than it had says so below, on every level.
      Life.waitFor(gone, graces, timeOf(stage), (wait, again) =>
        again ? (ask?.(wait) ?? Effect.void) : Effect.andThen(tell(stage, wait), act(wait))
      )
    // One that was too busy to read reads both at once, and has to know that little time is left.
    const terminateIn = (wait: number) => Effect.andThen(ask?.(wait) ?? Effect.void, terminate)

    if (ask !== undefined && (yield* passed("asked", ask))) return "asked"
    yield* warn(ask === undefined ? "it was lost" : "it was asked to", "SIGTERM")
    if (yield* passed("terminated", terminateIn)) return "terminated"
    yield* warn("SIGTERM", "SIGKILL")
    yield* tell("killed", 0)
    yield* kill
    yield* gone
    return "killed"
  })
