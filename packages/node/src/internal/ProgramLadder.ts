/**
 * How a program that is not ours is ended: it knows no connection over which it could be asked, and has one stage less than
 * an actor.
 *
 * Answers for the time it is given, which is short in an actor that is being stopped, and for nobody being left. When it is
 * ended is its owner's.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Ladder from "furrow/Ladder"
import * as Life from "furrow/Life"
import * as Waits from "furrow/Waits"
import type { GroupLeader } from "./GroupLeader.ts"
import * as ProcessGroups from "./ProcessGroups.ts"

/** Ends it: asks the group, waits as long as there is time, ends it by force; waits until nobody is left. */
export const climb = Effect.fnUntraced(function* (
  { group, nobodyLeft, reaped }: GroupLeader,
  path: string,
  patience: number,
  beforeKill: () => void
) {
  const life = yield* Life.CurrentLife
  const graces = life === undefined ? [] : yield* Life.gracesOf(life)
  const begun = yield* Life.now
  const ladder = Effect.gen(function* () {
    if (group.isRunning()) {
      const hasEnded = yield* Life.waitFor(
        reaped,
        graces,
        // It has one stage, which may take what the first of an actor's may.
        (left) => Ladder.stageOf("asked", { asked: patience, terminated: 0 }, left, 1),
        (_, again) =>
          again ? Effect.void : Effect.sync(() => ProcessGroups.signal(group, "SIGTERM"))
      )
      if (!hasEnded) {
        yield* Effect.logWarning(
          `The program "${path}" (pid ${group.pid}) has not ended ${Waits.seconds((yield* Life.now) - begun)} after SIGTERM. It gets SIGKILL.`
        ).pipe(Effect.provideService(Logger.LogToStderr, true))
        beforeKill()
        ProcessGroups.signal(group, "SIGKILL")
      }
    }
    yield* nobodyLeft
  })
  yield* life === undefined
    ? ladder
    : Life.telling(life, (time) =>
        Waits.same(1, { actor: path, for: "exit", millis: time - begun })
      )(ladder)
})
