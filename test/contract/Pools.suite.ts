/**
 * Pools of workers: whose turn it is, what a job that is cancelled leaves behind, and what becomes of workers that crash,
 * cannot be started, or have done their share. Faults F1, F2, F5 and F20,
 * for pools.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import * as ActorPool from "furrow/ActorPool"
import * as Deadline from "furrow/Deadline"
import * as Dialog from "furrow/Dialog"
import type * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import {
  Cancelled,
  DeadlineExceeded,
  Disconnected,
  Overloaded,
  PortalError
} from "furrow/PortalError"
import { NurseryClosed, SpawnError, StartFailed } from "furrow/TreeError"
import { Laborer } from "./fixtures/Laborer.ts"
import { events, only } from "./Watching.ts"
import type { World } from "./World.ts"

type Pool = ActorPool.ActorPool<Actor.OperationsOf<typeof Laborer>>

/** What a pool is asked for here, beside where its workers come from. */
type Asked = ActorPool.Size &
  ActorPool.Rules & { readonly grace?: number; readonly terminateGrace?: number }

/** Waits for a fact. */
const until = <E, R>(fact: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.asVoid(Effect.repeat(Effect.andThen(Effect.yieldNow, fact), { until: (holds) => holds }))

const isDisconnected = (error: unknown): boolean =>
  error instanceof PortalError && error.reason instanceof Disconnected

const refusalOf = (exit: Exit.Exit<unknown, unknown>) => {
  const error = only(exit)
  assert(error instanceof PortalError || error instanceof SpawnError)
  return error.reason
}

export default ({ crash, elapse, isGone, it, main, name, needing }: World): void => {
  /** A pool, what it notes, and whoever has started. */
  const given = Effect.fnUntraced(function* (asked: Asked, how?: "start" | "after") {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const notes = `${directory}/notes`
    const spoilt = `${directory}/spoilt`
    yield* fs.writeFileString(notes, "")
    if (how !== undefined) yield* fs.writeFileString(spoilt, how)
    const seen = yield* events
    const pool: Pool = yield* ActorPool.make(Laborer, {
      ...main,
      arguments: { notes, spoilt },
      ...asked
    })
    const lines = Effect.map(fs.readFileString(notes), (text) =>
      text.split("\n").filter((line) => line !== "")
    )
    return {
      pool,
      seen,
      lines,
      noted: (line: string) => until(Effect.map(lines, (all) => all.includes(line))),
      spoil: (how: "start" | "after") => fs.writeFileString(spoilt, how),
      mend: fs.remove(spoilt),
      /** Waits until so many workers are idle. */
      idle: (count: number) => until(Effect.map(pool.stats, ({ idle }) => idle === count))
    }
  })

  const doors = (seen: { readonly of: (tag: "Started") => ReadonlyArray<Door> }) =>
    seen.of("Started")
  type Door = Extract<Events.Event, { readonly _tag: "Started" }>

  describe(`pools (${name})`, () => {
    it("a pool has as many workers as its size, which share out the jobs and are gone after the block", () =>
      Effect.gen(function* () {
        const [born, answers] = yield* Nursery.run(
          Effect.gen(function* () {
            const { idle, pool, seen } = yield* given({ size: 2 })
            expect(pool.room).toBe(2)
            yield* idle(2)
            const together = yield* Deferred.make<void>()
            let there = 0
            const names = yield* Effect.all(
              [1, 2].map(() =>
                pool.use(({ Who }) =>
                  Effect.gen(function* () {
                    if (++there === 2) yield* Deferred.succeed(together, undefined)
                    yield* Deferred.await(together)
                    return yield* Who()
                  })
                )
              ),
              { concurrency: "unbounded" }
            )
            expect(new Set(names).size, "each had one of its own").toBe(2)
            const answers = yield* Effect.forEach(
              [1, 2, 3, 4, 5, 6, 7],
              (n) => pool.client.Square({ n }),
              { concurrency: "unbounded" }
            )
            expect(yield* pool.stats).toEqual({
              workers: 2,
              idle: 2,
              busy: 0,
              running: 0,
              waiting: 0,
              restarts: 0
            })
            return [doors(seen), answers] as const
          })
        )
        expect(answers).toEqual([1, 4, 9, 16, 25, 36, 49])
        expect(born.map(({ actor }) => actor.path).sort()).toEqual([
          "root/Laborer-1",
          "root/Laborer-2"
        ])
        for (const door of born) assert(yield* isGone(door))
      }))

    for (const [size, concurrency] of [
      [2, 4],
      [4, 2],
      [8, 1]
    ] as const) {
      // Eight processes would say no more than four, and take twice as long.
      const those = size === 8 ? needing("time") : { it }
      those.it(
        `cancelling one of 8 running jobs leaves 7 results right, and its finalizer has run (${size} workers, ${concurrency} jobs each)`,
        () =>
          Nursery.run(
            Effect.gen(function* () {
              const { lines, noted, pool } = yield* given({ size, concurrency })
              const go = yield* Deferred.make<void>()
              const fibers = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (n) =>
                Effect.forkChild(
                  n === 5
                    ? pool.client.Hang({ n, lingers: 0 })
                    : pool.use((client) => Effect.andThen(Deferred.await(go), client.Square({ n })))
                )
              )
              yield* noted("hang 5")
              yield* until(Effect.map(pool.stats, ({ running }) => running === 8))
              yield* Fiber.interrupt(fibers[4]!)
              expect(yield* lines, "it was joined").toContain("released 5")
              yield* Deferred.succeed(go, undefined)
              const results = yield* Effect.forEach(
                fibers.filter((_, at) => at !== 4),
                Fiber.join
              )
              expect(results).toEqual([1, 4, 9, 16, 36, 49, 64])
              const { restarts, workers } = yield* pool.stats
              expect([workers, restarts]).toEqual([size, 0])
            })
          )
      )
    }

    for (const [kind, hang] of [
      ["call", (pool: Pool) => pool.client.Hang({ n: 1, lingers: 50 })],
      ["stream", (pool: Pool) => Stream.runDrain(pool.client.HangOn({ n: 1, lingers: 50 }))],
      [
        "dialog",
        (pool: Pool) =>
          pool.client.HangIn({ n: 1, lingers: 50 }).pipe(Dialog.use(() => Effect.never))
      ]
    ] as const) {
      it(`a cancelled job is joined before its worker is lent again (a ${kind})`, () =>
        Nursery.run(
          Effect.gen(function* () {
            const { lines, noted, pool } = yield* given({ size: 1 })
            const first = yield* Effect.forkChild(hang(pool))
            yield* noted("hang 1")
            const next = yield* Effect.forkChild(pool.client.Square({ n: 2 }))
            yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 1))
            const left = yield* Effect.forkChild(Fiber.interrupt(first), { startImmediately: true })
            yield* elapse("50 millis")
            yield* Fiber.join(left)
            expect(yield* Fiber.join(next)).toBe(4)
            expect((yield* lines).slice(1)).toEqual(["hang 1", "released 1", "square 2"])
          })
        ))
    }

    it("a pool of a fixed size spreads its jobs, the next one to whoever has the fewest", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { idle, pool } = yield* given({ size: 2, concurrency: 3 })
          yield* idle(2)
          const go = yield* Deferred.make<void>()
          const start = Effect.gen(function* () {
            const name = yield* Deferred.make<string>()
            yield* Effect.forkChild(
              pool.use(
                Effect.fnUntraced(function* ({ Who }) {
                  yield* Deferred.succeed(name, yield* Who())
                  yield* Deferred.await(go)
                })
              )
            )
            return yield* Deferred.await(name)
          })
          const names = yield* Effect.all([start, start, start, start, start, start])
          for (const at of [0, 2, 4]) expect(names[at]).not.toBe(names[at + 1])
          expect(yield* pool.stats).toMatchObject({ busy: 2, running: 6, waiting: 0 })
          yield* Deferred.succeed(go, undefined)
          expect(yield* pool.client.Square({ n: 7 })).toBe(49)
        })
      ))

    it("a pool that grows fills a worker before it needs another", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { idle, pool } = yield* given({ min: 2, max: 3, concurrency: 2 })
          yield* idle(2)
          const names = yield* pool.use(({ Who }) =>
            Effect.all([Who(), pool.use(({ Who }) => Who())])
          )
          expect(new Set(names).size).toBe(1)
        })
      ))

    it("a pool of a fixed size spreads its jobs to whoever has come in the place of another, too", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { idle, pool, seen } = yield* given({ size: 2, concurrency: 2 })
          yield* idle(2)
          yield* pool.use(
            Effect.fnUntraced(function* ({ Who }) {
              const first = yield* Who()
              const other = doors(seen).find(({ actor }) => actor.incarnation !== first)
              yield* crash(other!)
              // It had done nothing yet: the next one comes after a pause.
              yield* until(Effect.map(pool.stats, ({ idle }) => idle === 0))
              yield* elapse("1 second")
              yield* idle(1)
              expect(yield* pool.client.Who()).not.toBe(first)
            })
          )
        })
      ))

    it("F5 a worker whose handler did not end in time is not lent again, its other jobs go on, and the ladder ends it", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { noted, pool, seen } = yield* given({
            size: 1,
            concurrency: 2,
            grace: 100,
            terminateGrace: 100
          })
          const go = yield* Deferred.make<void>()
          const before = yield* pool.client.Who()
          const neighbour = yield* Effect.forkChild(
            pool.use(({ Who }) => Effect.andThen(Deferred.await(go), Who()))
          )
          const hanging = yield* Effect.forkChild(
            pool.client
              .Hang({ n: 1, lingers: 600_000 })
              .pipe(Effect.provideService(Deadline.JoinBound, "100 millis"))
          )
          yield* noted("hang 1")
          const left = yield* Effect.forkChild(Fiber.interrupt(hanging), { startImmediately: true })
          yield* elapse("100 millis")
          yield* Fiber.join(left)
          expect(yield* pool.client.Who(), "another one").not.toBe(before)
          expect((yield* pool.stats).restarts).toBe(1)
          expect(seen.of("Stage"), "it still has a job").toEqual([])
          yield* Deferred.succeed(go, undefined)
          expect(yield* Fiber.join(neighbour)).toBe(before)
          yield* until(Effect.sync(() => seen.of("Stage").length === 1))
          // The one that is on its way out has nothing to do, and can be given nothing.
          expect(yield* pool.stats).toMatchObject({ workers: 1, idle: 1, busy: 0 })
          yield* elapse("100 millis")
          yield* elapse("100 millis")
          yield* until(Effect.sync(() => seen.of("Stopped").length === 1))
          expect(seen.of("Stopped")[0]?.actor.incarnation).toBe(before)
        })
      ))

    it("F1 a worker that crashes while it is idle is never lent again, and another takes its place", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { idle, pool, seen } = yield* given({ size: 2 })
          yield* idle(2)
          const [door] = doors(seen)
          assert(door !== undefined)
          yield* crash(door)
          yield* until(Effect.map(pool.stats, ({ idle }) => idle === 1))
          // It had done nothing yet: the next one comes after a pause.
          yield* elapse("1 second")
          yield* until(Effect.map(pool.stats, ({ restarts }) => restarts === 1))
          const names = yield* Effect.forEach(Array.from({ length: 20 }), () => pool.client.Who(), {
            concurrency: "unbounded"
          })
          expect(names).not.toContain(door.actor.incarnation)
          yield* idle(2)
          expect(doors(seen)).toHaveLength(3)
          assert(yield* isGone(door))
        })
      ))

    it("F1 a worker that crashes is replaced also while a job keeps what is left of it", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { pool, seen } = yield* given({ size: 1 })
          yield* pool.use(
            Effect.fnUntraced(function* ({ Who }) {
              yield* Who()
              yield* crash(doors(seen)[0]!)
              yield* until(Effect.sync(() => seen.of("Crashed").length === 1))
              yield* elapse("1 second")
              yield* until(Effect.map(pool.stats, ({ restarts }) => restarts === 1))
              expect(refusalOf(yield* Effect.exit(Who()))).toBeInstanceOf(Disconnected)
            })
          )
          expect(yield* pool.stats).toMatchObject({ idle: 1, restarts: 1 })
        })
      ))

    it("F1 a worker that crashes under its job is replaced once, and one that is started for others is no restart", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { pool, seen } = yield* given({ min: 1, max: 2 })
          yield* pool.use(
            Effect.fnUntraced(function* ({ Square }) {
              yield* Square({ n: 1 })
              yield* crash(doors(seen)[0]!)
              yield* until(Effect.sync(() => seen.of("Crashed").length === 1))
              yield* elapse("1 second")
              yield* until(Effect.map(pool.stats, ({ restarts }) => restarts === 1))
            })
          )
          const names = yield* pool.use(({ Who }) =>
            Effect.all([Who(), pool.use(({ Who }) => Who())])
          )
          expect(new Set(names).size).toBe(2)
          expect(yield* pool.stats).toMatchObject({ workers: 2, restarts: 1 })
        })
      ))

    it("F1 the jobs of a worker that crashes end with Disconnected, others do not, and nothing is done twice", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { idle, lines, pool } = yield* given({ size: 2, concurrency: 2 })
          yield* idle(2)
          const go = yield* Deferred.make<void>()
          /** Where each job is. */
          const names: Array<string> = []
          const jobs = yield* Effect.forEach([0, 1, 2, 3], (n) =>
            Effect.forkChild(
              pool.use(
                Effect.fnUntraced(function* (client) {
                  names[n] = yield* client.Who()
                  yield* Deferred.await(go)
                  if (names[n] !== names[0]) return yield* client.Square({ n })
                  return yield* n === 0 ? client.Poison() : client.Hang({ n: 1, lingers: 0 })
                })
              )
            )
          )
          yield* until(Effect.sync(() => names.filter(() => true).length === 4))
          yield* Deferred.succeed(go, undefined)
          for (const [n, job] of jobs.entries()) {
            const end = yield* Fiber.await(job)
            if (names[n] !== names[0]) expect(end).toEqual(Exit.succeed(n * n))
            else expect(refusalOf(end)).toBeInstanceOf(Disconnected)
          }
          expect(names.filter((name) => name === names[0])).toHaveLength(2)
          yield* elapse("1 second")
          yield* idle(2)
          expect((yield* pool.stats).restarts).toBe(1)
          const began = (yield* lines).filter((line) => /^hang|^square/.test(line))
          expect(began.toSorted()[0]).toBe("hang 1")
          expect(began).toHaveLength(3)
        })
      ))

    it("F1 a worker that dies takes along the jobs that it has, and none of those that wait", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { lines, noted, pool } = yield* given({ size: 1, concurrency: 2 })
          expect(yield* pool.client.Square({ n: 100 })).toBe(10_000)
          const neighbour = yield* Effect.forkChild(pool.client.Hang({ n: 1, lingers: 0 }))
          yield* noted("hang 1")
          const poison = yield* Effect.forkChild(pool.client.Poison(), { startImmediately: true })
          const waiting = yield* Effect.forEach(
            Array.from({ length: 20 }, (_, n) => n),
            (n) => Effect.forkChild(pool.client.Square({ n }), { startImmediately: true })
          )
          expect((yield* pool.stats).waiting).toBe(20)
          for (const lost of [poison, neighbour]) {
            expect(refusalOf(yield* Fiber.await(lost))).toBeInstanceOf(Disconnected)
          }
          const squares = yield* Effect.forEach(waiting, Fiber.join)
          expect(squares).toEqual(squares.map((_, n) => n * n))
          expect((yield* lines).filter((line) => line.startsWith("square"))).toHaveLength(21)
          expect((yield* pool.stats).restarts).toBe(1)
        })
      ))

    it("F1 a job is done again only if whoever asked for it says so", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { noted, pool, seen } = yield* given({ size: 1 })
          expect(yield* pool.client.Square({ n: 1 })).toBe(1)
          const job = yield* Effect.forkChild(
            pool.client.Hang({ n: 1, lingers: 0 }).pipe(
              Effect.as(0),
              Effect.catchIf(isDisconnected, () => pool.client.Square({ n: 2 }))
            )
          )
          yield* noted("hang 1")
          yield* crash(doors(seen)[0]!)
          expect(yield* Fiber.join(job)).toBe(4)
        })
      ))

    it("F2 who borrows while no worker can be started gets the SpawnError, and the pool mends itself", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { mend, pool, spoil } = yield* given({
            min: 0,
            max: 1,
            backoff: Schedule.spaced("10 millis")
          })
          yield* spoil("start")
          expect(refusalOf(yield* Effect.exit(pool.client.Who()))).toBeInstanceOf(StartFailed)
          const again = yield* Effect.forkChild(Effect.exit(pool.client.Who()), {
            startImmediately: true
          })
          yield* elapse("10 millis")
          expect(refusalOf(yield* Fiber.join(again))).toBeInstanceOf(StartFailed)
          yield* mend
          const mended = yield* Effect.forkChild(pool.client.Square({ n: 5 }), {
            startImmediately: true
          })
          yield* elapse("10 millis")
          expect(yield* Fiber.join(mended)).toBe(25)
        })
      ))

    for (const how of ["start", "after"] as const) {
      needing("time").it(
        how === "start"
          ? "F20 starts that fail are tried again after the pauses of the schedule, and no sooner"
          : "F20 workers that crash before they have done a job follow after the pauses of the schedule",
        () =>
          Nursery.run(
            Effect.gen(function* () {
              const backoff = Schedule.min([
                Schedule.exponential("100 millis"),
                Schedule.spaced("400 millis")
              ])
              const { lines, mend, pool, spoil } = yield* given({ min: 0, max: 1, backoff })
              const begun = Effect.map(
                lines,
                (all) => all.filter((line) => line === "start").length
              )
              /**
               * The first pauses between starts that come after so many, in milliseconds, while there is something to
               * do all the time.
               */
              const pauses = Effect.fnUntraced(function* (count: number, before: number) {
                const wanting = yield* Effect.forkChild(
                  pool.client
                    .Hang({ n: 1, lingers: 0 })
                    .pipe(Effect.exit, Effect.andThen(Effect.yieldNow), Effect.forever)
                )
                yield* elapse(0)
                const starts: Array<number> = []
                for (let time = 0; starts.length <= count; time += 10) {
                  while (starts.length < (yield* begun) - before) starts.push(time)
                  yield* elapse("10 millis")
                }
                yield* Fiber.interrupt(wanting)
                // It takes 10 ms to crash after the start.
                const life = how === "start" ? 0 : 10
                return starts.slice(1).map((time, at) => time - starts[at]! - life)
              })
              yield* spoil(how)
              expect(yield* pauses(5, 0)).toEqual([100, 200, 400, 400, 400])
              yield* mend
              const mended = yield* Effect.forkChild(pool.client.Square({ n: 2 }), {
                startImmediately: true
              })
              yield* elapse("400 millis")
              expect(yield* Fiber.join(mended)).toBe(4)
              // It has done a job: what comes next comes at once, and pauses begin anew.
              const before = yield* begun
              yield* Effect.exit(pool.client.Poison())
              expect(yield* pool.client.Square({ n: 3 })).toBe(9)
              expect(yield* begun).toBe(before + 1)
              yield* spoil(how)
              yield* Effect.exit(pool.client.Poison())
              // The next one may have come up already.
              expect(yield* pauses(2, before + 1)).toEqual([100, 200])
            })
          )
      )
    }

    needing("time").it(
      "F20 what a worker does that was there before a failure makes no pause shorter",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const { idle, lines, noted, pool, seen, spoil } = yield* given({
              size: 2,
              backoff: Schedule.exponential("100 millis")
            })
            yield* idle(2)
            yield* spoil("start")
            yield* crash(doors(seen)[0]!)
            yield* idle(1)
            expect(yield* pool.client.Square({ n: 2 })).toBe(4)
            const busy = yield* Effect.forkChild(pool.client.Hang({ n: 1, lingers: 0 }))
            yield* noted("hang 1")
            const wanting = yield* Effect.forkChild(
              Effect.forever(Effect.andThen(Effect.exit(pool.client.Who()), Effect.yieldNow))
            )
            const begun = Effect.map(lines, (all) => all.filter((line) => line === "start").length)
            yield* elapse("100 millis")
            expect(yield* begun).toBe(3)
            yield* elapse("199 millis")
            expect(yield* begun).toBe(3)
            yield* elapse("1 millis")
            expect(yield* begun).toBe(4)
            yield* Fiber.interrupt(wanting)
            yield* Fiber.interrupt(busy)
          })
        )
    )

    needing("time").it("F20 a schedule of pauses that comes to its end keeps the last one", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { lines, pool } = yield* given(
            {
              size: 1,
              backoff: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 2 }))
            },
            "start"
          )
          const wanting = yield* Effect.forkChild(
            Effect.forever(Effect.andThen(Effect.exit(pool.client.Who()), Effect.yieldNow))
          )
          for (const [at, pause] of [100, 200, 200, 200].entries()) {
            yield* elapse(pause - 1)
            expect(yield* lines).toHaveLength(at + 1)
            yield* elapse("1 millis")
            expect(yield* lines).toHaveLength(at + 2)
          }
          yield* Fiber.interrupt(wanting)
        })
      )
    )

    needing("time").it("F20 starts that fail together are one failure", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { lines, pool } = yield* given(
            { size: 3, backoff: Schedule.exponential("100 millis") },
            "start"
          )
          const wanting = yield* Effect.forkChild(
            Effect.forever(Effect.andThen(Effect.exit(pool.client.Who()), Effect.yieldNow))
          )
          yield* elapse("99 millis")
          expect(yield* lines).toHaveLength(3)
          yield* elapse("1 millis")
          expect(yield* lines).toHaveLength(4)
          yield* Fiber.interrupt(wanting)
        })
      )
    )

    it("who comes when all are busy waits, and more than the queue takes are refused, with the numbers", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { noted, pool } = yield* given({ size: 1, queue: 1 })
          const busy = yield* Effect.forkChild(pool.client.Hang({ n: 1, lingers: 0 }))
          yield* noted("hang 1")
          const waiting = yield* Effect.forkChild(pool.client.Square({ n: 2 }), {
            startImmediately: true
          })
          const refused = yield* Effect.exit(pool.client.Square({ n: 3 }))
          expect(refusalOf(refused)).toBeInstanceOf(Overloaded)
          expect(String(only(refused))).toContain(
            `Square of "root/Laborer" was refused: the pool is full, with 1 running and 1 waiting, which is as many as it takes.`
          )
          expect(yield* pool.stats).toMatchObject({ running: 1, waiting: 1 })
          yield* Fiber.interrupt(busy)
          expect(yield* Fiber.join(waiting)).toBe(4)
          expect(yield* pool.client.Square({ n: 5 })).toBe(25)
        })
      ))

    it("a queue of 0 refuses whenever nobody is free", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { noted, pool } = yield* given({ size: 1, queue: 0 })
          const busy = yield* Effect.forkChild(pool.client.Hang({ n: 1, lingers: 0 }))
          yield* noted("hang 1")
          for (const refused of [
            yield* Effect.exit(pool.client.Square({ n: 3 })),
            yield* Effect.exit(pool.use(() => Effect.void)),
            yield* Effect.exit(Stream.runDrain(pool.client.Names({ times: 1 }))),
            yield* Effect.exit(pool.client.Talk().pipe(Dialog.use(() => Effect.void)))
          ]) {
            expect(refusalOf(refused)).toBeInstanceOf(Overloaded)
          }
          yield* Fiber.interrupt(busy)
          expect(yield* pool.client.Square({ n: 3 })).toBe(9)
        })
      ))

    it("of those who wait the highest priority is next, and within one whoever came first", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { lines, noted, pool } = yield* given({ size: 1 })
          const busy = yield* Effect.forkChild(pool.client.Hang({ n: 0, lingers: 0 }))
          yield* noted("hang 0")
          const jobs = yield* Effect.forEach(
            [
              [1, 0],
              [2, 5],
              [3, -1],
              [4, 5],
              [5, 0],
              [6, 7]
            ] as const,
            ([n, priority]) =>
              Effect.forkChild(pool.client.Square({ n }).pipe(ActorPool.priority(priority)), {
                startImmediately: true
              })
          )
          yield* Fiber.interrupt(busy)
          yield* Effect.forEach(jobs, Fiber.join)
          expect((yield* lines).filter((line) => line.startsWith("square"))).toEqual([
            "square 6",
            "square 2",
            "square 4",
            "square 1",
            "square 5",
            "square 3"
          ])
        })
      ))

    it("who stops waiting leaves no trace, and holds up nobody", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { lines, noted, pool } = yield* given({ size: 1 })
          const busy = yield* Effect.forkChild(pool.client.Hang({ n: 0, lingers: 0 }))
          yield* noted("hang 0")
          const [first, second, third] = yield* Effect.forEach([1, 2, 3], (n) =>
            Effect.forkChild(pool.client.Square({ n }), { startImmediately: true })
          )
          expect((yield* pool.stats).waiting).toBe(3)
          yield* Fiber.interrupt(second!)
          expect((yield* pool.stats).waiting).toBe(2)
          // One leaves at the very moment in which its turn comes.
          yield* Effect.all([Fiber.interrupt(busy), Fiber.interrupt(first!)], {
            concurrency: "unbounded"
          })
          expect(yield* Fiber.join(third!)).toBe(9)
          expect(yield* lines).not.toContain("square 2")
          expect(yield* pool.stats).toMatchObject({ idle: 1, running: 0, waiting: 0 })
        })
      ))

    it("a deadline counts for the waiting, too", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { noted, pool } = yield* given({ size: 1 })
          const busy = yield* Effect.forkChild(pool.client.Hang({ n: 0, lingers: 0 }))
          yield* noted("hang 0")
          const late = yield* Effect.forkChild(
            Effect.exit(pool.client.Square({ n: 1 }).pipe(Deadline.within("50 millis"))),
            { startImmediately: true }
          )
          yield* elapse("50 millis")
          expect(refusalOf(yield* Fiber.join(late))).toBeInstanceOf(DeadlineExceeded)
          expect((yield* pool.stats).waiting).toBe(0)
          yield* Fiber.interrupt(busy)
        })
      ))

    it("use keeps one worker for several operations, and its errors are the job's own", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { pool } = yield* given({ size: 2 })
          const names = yield* pool.use(({ Who }) => Effect.all([Who(), Who(), Who()]))
          expect(new Set(names).size).toBe(1)
          const own = new Error("own")
          expect(only(yield* Effect.exit(pool.use(() => Effect.fail(own))))).toBe(own)
          const thrown = yield* Effect.exit(
            pool.use((): Effect.Effect<void> => {
              throw own
            })
          )
          expect(only(thrown)).toBe(own)
          expect(yield* pool.stats).toMatchObject({ running: 0, restarts: 0 })
        })
      ))

    it("a stream and a dialog have their worker until they have ended", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { pool } = yield* given({ size: 1 })
          const running = Effect.map(pool.stats, (stats) => stats.running)
          const seen = yield* pool.client.Names({ times: 3 }).pipe(
            Stream.mapEffect(() => running),
            Stream.runCollect
          )
          expect(seen).toEqual([1, 1, 1])
          expect(yield* running).toBe(0)
          yield* pool.client.Talk().pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                yield* talk.send(1)
                expect(yield* running).toBe(1)
                yield* talk.end
              })
            )
          )
          expect(yield* running).toBe(0)
        })
      ))

    it("draining waits for what runs and what waits, takes no more, and ends the workers", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { pool, seen } = yield* given({ size: 1 })
          const go = yield* Deferred.make<void>()
          const inside = yield* Deferred.make<void>()
          const running = yield* Effect.forkChild(
            pool.use(({ Square }) =>
              Deferred.succeed(inside, undefined).pipe(
                Effect.andThen(Deferred.await(go)),
                Effect.andThen(Square({ n: 1 }))
              )
            )
          )
          yield* Deferred.await(inside)
          const waiting = yield* Effect.forkChild(pool.client.Square({ n: 2 }), {
            startImmediately: true
          })
          const draining = yield* Effect.forkChild(pool.drain, { startImmediately: true })
          expect(refusalOf(yield* Effect.exit(pool.client.Square({ n: 3 })))).toBeInstanceOf(
            NurseryClosed
          )
          yield* Deferred.succeed(go, undefined)
          expect(yield* Fiber.join(running)).toBe(1)
          expect(yield* Fiber.join(waiting)).toBe(4)
          yield* Fiber.join(draining)
          for (const door of doors(seen)) assert(yield* isGone(door))
          expect(seen.of("Crashed")).toEqual([])
          yield* pool.drain
          yield* pool.stop
          expect(refusalOf(yield* Effect.exit(pool.client.Who()))).toBeInstanceOf(NurseryClosed)
          return "the block goes on"
        })
      ))

    it("a job that drains its own pool is told that it would wait for itself, and the pool goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { pool } = yield* given({ size: 2 })
          const inside = yield* Effect.exit(pool.use(() => pool.use(() => pool.drain)))
          expect(String(only(inside))).toContain(
            `a job of the pool "root/Laborer" would wait for its own end; drain it outside of its jobs`
          )
          expect(yield* pool.client.Square({ n: 2 })).toBe(4)
          // Nobody waits for a drain that somebody else waits for.
          const elsewhere = yield* pool.use(() => Effect.forkDetach(pool.drain))
          yield* Fiber.join(elsewhere)
          expect(refusalOf(yield* Effect.exit(pool.client.Who()))).toBeInstanceOf(NurseryClosed)
          // Whoever has done jobs may.
          yield* pool.drain
        })
      ))

    it("stopping a pool cancels what runs, refuses what waits, and leaves no worker", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { lines, noted, pool, seen } = yield* given({ size: 1 })
          const running = yield* Effect.forkChild(pool.client.Hang({ n: 1, lingers: 0 }))
          yield* noted("hang 1")
          const waiting = yield* Effect.forkChild(pool.client.Square({ n: 2 }), {
            startImmediately: true
          })
          yield* pool.stop
          expect(refusalOf(yield* Fiber.await(running))).toBeInstanceOf(Cancelled)
          expect(refusalOf(yield* Fiber.await(waiting))).toBeInstanceOf(NurseryClosed)
          expect(yield* lines).toEqual(["start", "hang 1", "released 1"])
          for (const door of doors(seen)) assert(yield* isGone(door))
        })
      ))

    it("who waits for a worker that comes up when the pool ends is refused, and nothing is left", () =>
      Effect.gen(function* () {
        const seen = yield* Nursery.run(
          Effect.gen(function* () {
            const { pool, seen } = yield* given({ min: 0, max: 1 })
            const waiting = yield* Effect.forkChild(pool.client.Who(), { startImmediately: true })
            yield* Effect.yieldNow
            expect(yield* pool.stats).toMatchObject({ running: 0, waiting: 1 })
            yield* pool.stop
            expect(refusalOf(yield* Fiber.await(waiting))).toBeInstanceOf(NurseryClosed)
            return seen
          })
        )
        for (const door of doors(seen)) assert(yield* isGone(door))
      }))

    it("interrupting the block cancels the jobs of the pool, whose finalizers run", () =>
      Effect.gen(function* () {
        const told = yield* Deferred.make<{
          readonly lines: Effect.Effect<ReadonlyArray<string>, unknown>
          readonly seen: { readonly of: (tag: "Started") => ReadonlyArray<Door> }
        }>()
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.gen(function* () {
              const { lines, noted, pool, seen } = yield* given({ size: 2 })
              yield* Effect.forkChild(pool.client.Hang({ n: 1, lingers: 0 }))
              yield* Nursery.fork(pool.client.Hang({ n: 2, lingers: 0 }))
              yield* noted("hang 1")
              yield* noted("hang 2")
              yield* Deferred.succeed(told, { lines, seen })
              return yield* Effect.never
            })
          )
        )
        const { lines, seen } = yield* Deferred.await(told)
        yield* Fiber.interrupt(block)
        expect((yield* lines).slice(-2).sort()).toEqual(["released 1", "released 2"])
        for (const door of doors(seen)) assert(yield* isGone(door))
      }))

    it("a block can be cancelled from inside of a job, and ends", () =>
      Effect.gen(function* () {
        const value = yield* Nursery.run(
          Effect.gen(function* () {
            const { pool } = yield* given({ size: 1 })
            return yield* pool.use(
              Effect.fnUntraced(function* ({ Who }) {
                yield* Who()
                yield* Nursery.cancel
                return refusalOf(yield* Effect.exit(Who()))._tag
              })
            )
          })
        )
        expect(value).toBe("Disconnected")
      }))

    needing("time").it(
      "an elastic pool grows to its most as it is needed, and shrinks to its least",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const { idle, pool } = yield* given({ min: 1, max: 3, idle: "10 seconds" })
            yield* idle(1)
            const go = yield* Deferred.make<void>()
            const jobs = yield* Effect.forEach([1, 2, 3, 4, 5], (n) =>
              Effect.forkChild(
                pool.use(({ Square }) => Effect.andThen(Deferred.await(go), Square({ n }))),
                { startImmediately: true }
              )
            )
            yield* until(Effect.map(pool.stats, ({ busy, waiting }) => busy === 3 && waiting === 2))
            yield* Deferred.succeed(go, undefined)
            expect(yield* Effect.forEach(jobs, Fiber.join)).toEqual([1, 4, 9, 16, 25])
            yield* idle(3)
            yield* elapse("20 seconds")
            yield* idle(1)
            yield* elapse("60 seconds")
            expect(yield* pool.stats).toMatchObject({ workers: 1, restarts: 0 })
          })
        )
    )

    it("a worker is given so many jobs, and not one more, then another takes its place", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { pool } = yield* given({ size: 1, concurrency: 2, maxCalls: 3 })
          const names = yield* Effect.forEach(Array.from({ length: 8 }), () => pool.client.Who(), {
            concurrency: "unbounded"
          })
          const counts = new Map<string, number>()
          for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
          expect([...counts.values()].toSorted((a, b) => a - b)).toEqual([2, 3, 3])
        })
      ))

    needing("time").it(
      "a worker that is too old ends what it does, and another takes its place",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const { idle, pool, seen } = yield* given({ size: 2, maxAge: "1 minute" })
            yield* idle(2)
            const go = yield* Deferred.make<void>()
            const inside = yield* Deferred.make<void>()
            const job = yield* Effect.forkChild(
              pool.use(({ Square }) =>
                Deferred.succeed(inside, undefined).pipe(
                  Effect.andThen(Deferred.await(go)),
                  Effect.andThen(Square({ n: 3 }))
                )
              )
            )
            yield* Deferred.await(inside)
            yield* elapse("1 minute")
            yield* until(Effect.map(pool.stats, ({ restarts }) => restarts === 1))
            expect((yield* pool.stats).busy, "the other one is still at work").toBe(1)
            yield* Deferred.succeed(go, undefined)
            expect(yield* Fiber.join(job)).toBe(9)
            yield* until(Effect.map(pool.stats, ({ restarts }) => restarts === 2))
            yield* idle(2)
            expect(doors(seen)).toHaveLength(4)
            expect(seen.of("Crashed")).toEqual([])
          })
        )
    )

    it("map gives results in the order of the items, or as they come, and reads no further than it has room", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { idle, pool } = yield* given({ size: 2 })
          yield* idle(2)
          let read = 0
          const items = Stream.range(1, 100).pipe(
            Stream.rechunk(1),
            Stream.tap(() =>
              Effect.sync(() => {
                read++
              })
            )
          )
          const gates = yield* Effect.forEach([0, 1, 2], () => Deferred.make<void>())
          /** The first item waits until the second is done. */
          const job = (n: number, { Square }: Actor.Client<Actor.OperationsOf<typeof Laborer>>) =>
            Effect.gen(function* () {
              if (n === 1) yield* Deferred.await(gates[2]!)
              const square = yield* Square({ n })
              if (n === 2) yield* Deferred.succeed(gates[2]!, undefined)
              return square
            })
          const inOrder = yield* items.pipe(
            ActorPool.map(pool, job),
            Stream.take(4),
            Stream.runCollect
          )
          expect(inOrder).toEqual([1, 4, 9, 16])
          expect(read, "four, and what two workers had begun meanwhile").toBeLessThanOrEqual(8)
          expect(yield* pool.stats).toMatchObject({ running: 0, waiting: 0 })
          gates[2] = yield* Deferred.make<void>()
          const asTheyCome = yield* ActorPool.map(Stream.take(items, 2), pool, job, {
            ordered: false
          }).pipe(Stream.runCollect)
          expect(asTheyCome).toEqual([4, 1])
        })
      ))

    it("the first failure of a map ends it, and what still ran was cancelled and joined", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { lines, noted, pool } = yield* given({ size: 2 })
          const own = new Error("own")
          const exit = yield* Stream.make(1, 2).pipe(
            ActorPool.map(pool, (n, client) =>
              n === 1
                ? client.Hang({ n, lingers: 0 })
                : Effect.andThen(noted("hang 1"), Effect.fail(own))
            ),
            Stream.runDrain,
            Effect.exit
          )
          expect(only(exit)).toBe(own)
          expect(yield* lines).toContain("released 1")
          expect(yield* pool.stats).toMatchObject({ running: 0, waiting: 0 })
        })
      ))

    it("a pool as a Layer ends with the Layer's scope", () =>
      Nursery.run(
        Effect.gen(function* () {
          class Squares extends Context.Service<Squares, Pool>()("test/Squares") {}
          const fs = yield* FileSystem.FileSystem
          const notes = `${yield* fs.makeTempDirectoryScoped()}/notes`
          const seen = yield* events
          const SquaresLive = ActorPool.layer(Squares, Laborer, {
            ...main,
            arguments: { notes },
            size: 1
          })
          const square = yield* Effect.flatMap(Squares, ({ client }) =>
            client.Square({ n: 4 })
          ).pipe(Effect.provide(Layer.fresh(SquaresLive)))
          expect(square).toBe(16)
          expect(doors(seen)).toHaveLength(1)
          for (const door of doors(seen)) assert(yield* isGone(door))
        })
      ))
  })
}
