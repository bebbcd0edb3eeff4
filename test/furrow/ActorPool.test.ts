/**
 * The options of a pool: what makes no sense is refused, by its name and value, before anything is started. And what is
 * left of jobs that are interrupted, and of a pool that has ended.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import * as ActorPool from "furrow/ActorPool"
import * as Dialog from "furrow/Dialog"
import * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import { TestWorld } from "furrow/testing"
import { Laborer } from "../contract/fixtures/Laborer.ts"
import { programs } from "../contract/fixtures/programs.ts"
import { events, only } from "../contract/Watching.ts"

type Pool = ActorPool.ActorPool<Actor.OperationsOf<typeof Laborer>>

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

describe("a pool that has ended", () => {
  it.effect("listens to nothing any more", () =>
    Nursery.run(
      Effect.gen(function* () {
        const { watchers } = yield* Events.CurrentHub
        const before = watchers.size
        const pool = yield* ActorPool.make(Laborer, {
          arguments: { notes: "/dev/null" },
          size: 1
        })
        yield* pool.client.Who()
        expect(watchers.size).toBeGreaterThan(before)
        yield* pool.stop
        expect(watchers.size).toBe(before)
      })
    ).pipe(Effect.provide(TestWorld.layer(programs)))
  )
})

describe("a pool whose callers are interrupted", () => {
  for (const [kind, ask] of [
    ["call", (pool: Pool) => pool.client.Square({ n: 3 })],
    ["job of several operations", (pool: Pool) => pool.use(({ Square }) => Square({ n: 3 }))],
    ["stream", (pool: Pool) => Stream.runDrain(pool.client.Names({ times: 2 }))],
    ["dialog", (pool: Pool) => pool.client.Talk().pipe(Dialog.use(({ end }) => end))]
  ] as const) {
    it.effect(`has its worker and its place back, whenever that was (a ${kind})`, () =>
      Nursery.run(
        Effect.gen(function* () {
          const pool: Pool = yield* ActorPool.make(Laborer, {
            arguments: { notes: "/dev/null" },
            size: 1
          })
          yield* pool.client.Who()
          let ended = false
          for (let steps = 0; !ended; steps++) {
            const job = yield* ask(pool).pipe(
              // It rests often, and can be interrupted there.
              Effect.provideService(Scheduler.MaxOpsBeforeYield, 3),
              Effect.forkChild({ startImmediately: true })
            )
            for (let step = 0; step < steps; step++) yield* Effect.yieldNow
            ended = job.pollUnsafe() !== undefined
            yield* Fiber.interrupt(job)
            expect(yield* pool.stats).toMatchObject({ running: 0, waiting: 0, restarts: 0 })
            expect(yield* pool.client.Square({ n: 4 })).toBe(16)
          }
        })
      ).pipe(Effect.provide(TestWorld.layer(programs)))
    )
  }
})
