/**
 * The options of a pool: what makes no sense is refused, by its name and value, before anything is started.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ActorPool from "furrow/ActorPool"
import * as Nursery from "furrow/Nursery"
import { TestWorld } from "furrow/testing"
import { Laborer } from "../contract/fixtures/Laborer.ts"
import { programs } from "../contract/fixtures/programs.ts"
import { events, only } from "../contract/Watching.ts"

const refused: ReadonlyArray<readonly [ActorPool.Size & ActorPool.Rules, string]> = [
  [{ size: 0 }, `"size" of a pool must be a whole number of at least 1, and it is 0.`],
  [{ size: -2 }, `"size" of a pool must be a whole number of at least 1, and it is -2.`],
  [{ size: NaN }, `"size" of a pool must be a whole number of at least 1, and it is NaN.`],
  [{ size: 1.5 }, `"size" of a pool must be a whole number of at least 1, and it is 1.5.`],
  [
    { size: Infinity },
    `"size" of a pool must be a whole number of at least 1, and it is Infinity.`
  ],
  [{ min: 0, max: 0 }, `"max" of a pool must be a whole number of at least 1, and it is 0.`],
  [{ min: -1, max: 2 }, `"min" of a pool must be a whole number of at least 0, and it is -1.`],
  [{ min: 3, max: 2 }, `"min" of a pool is 3, which is more than its "max", 2.`],
  [{ min: 1, max: 2, idle: 0 }, `"idle" of a pool must be a time of more than 0, and it is 0.`],
  [{ size: 1, concurrency: 0 }, `"concurrency" of a pool must be a whole number of at least 1`],
  [{ size: 1, queue: -1 }, `"queue" of a pool must be a whole number of at least 0, and it is -1.`],
  [
    { size: 1, queue: NaN },
    `"queue" of a pool must be a whole number of at least 0, and it is NaN.`
  ],
  [{ size: 1, maxCalls: 0 }, `"maxCalls" of a pool must be a whole number of at least 1`],
  [{ size: 1, maxAge: -5 }, `"maxAge" of a pool must be a time of more than 0, and it is -5.`]
]

describe("the options of a pool", () => {
  for (const [options, message] of refused) {
    it.effect(`refuses ${Object.entries(options).map(String).join(" ")}`, () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const exit = yield* Effect.exit(
            ActorPool.make(Laborer, { arguments: { notes: "" }, ...options })
          )
          const error = only(exit)
          assert(error instanceof RangeError)
          expect(error.message).toContain(message)
          expect(seen.all).toEqual([])
        })
      ).pipe(Effect.provide(TestWorld.layer(programs)))
    )
  }

  it.effect("refuses a priority that is no number, and no job is left", () =>
    Nursery.run(
      Effect.gen(function* () {
        const pool = yield* ActorPool.make(Laborer, { arguments: { notes: "" }, min: 0, max: 1 })
        const exit = yield* Effect.exit(pool.client.Who().pipe(ActorPool.priority(NaN)))
        expect(String(only(exit))).toContain("it is NaN")
        expect(yield* pool.stats).toMatchObject({ running: 0, waiting: 0 })
      })
    ).pipe(Effect.provide(TestWorld.layer(programs)))
  )

  it.effect("refuses to map a stream with no jobs at once", () =>
    Nursery.run(
      Effect.gen(function* () {
        const pool = yield* ActorPool.make(Laborer, { arguments: { notes: "" }, min: 0, max: 1 })
        const mapped = Stream.make(1).pipe(
          ActorPool.map(pool, Effect.succeed, { concurrency: 0 }),
          Stream.runDrain
        )
        const error = only(yield* Effect.exit(mapped))
        assert(error instanceof RangeError)
        expect(error.message).toContain(
          `"concurrency" of a pool must be a whole number of at least 1`
        )
      })
    ).pipe(Effect.provide(TestWorld.layer(programs)))
  )
})
