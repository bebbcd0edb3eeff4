/**
 * What an actor shares with its world, and what it does not: rules I1, W2 and W3.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Nursery from "furrow/Nursery"
import { Disconnected, PortalError } from "furrow/PortalError"
import { ActorCrashed } from "furrow/TreeError"
import { TestWorld } from "furrow/testing"
import { Mood, Secret, Worker } from "./fixtures/Worker.ts"
import * as Observer from "./Observer.ts"
import { events, only } from "./Watching.ts"
import type { World } from "./World.ts"
import { spawnSync } from "node:child_process"

export default (world: World): void => {
  const { elapse, isGone, it, main, name, needing } = world
  const plain = { ...main, arguments: {} }

  describe(`what an actor shares with its world (${name})`, () => {
    it("W2 two actors of one Layer share nothing", () =>
      Nursery.run(
        Effect.gen(function* () {
          const one = yield* Nursery.spawn(Worker, plain)
          const two = yield* Nursery.spawn(Worker, plain)
          expect(yield* one.client.Tally()).toBe(0)
          expect(yield* one.client.Tally()).toBe(1)
          expect(yield* two.client.Tally()).toBe(0)
        })
      ))

    it("W2 an actor sees none of the services and references of whoever spawns and calls it", () =>
      Nursery.run(
        Effect.gen(function* () {
          const worker = yield* Nursery.spawn(Worker, plain)
          expect(yield* worker.client.Sees()).toEqual([])
        })
      ).pipe(Effect.provideService(Secret, "the test's"), Effect.provideService(Mood, "merry")))

    it("I1 two lives of one actor, one after the other, are never equal", () =>
      Nursery.run(
        Effect.gen(function* () {
          const one = yield* Nursery.call(Worker, ({ Who }) => Who(), plain)
          const two = yield* Nursery.call(Worker, ({ Who }) => Who(), plain)
          expect(one.path).toBe(two.path)
          expect(one.incarnation).not.toBe(two.incarnation)
        })
      ))

    needing("table").it(
      "OPS-1 the list of processes shows an actor by its path and role, and nobody else like that",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const worker = yield* Nursery.spawn(Worker, { ...plain, name: "shown" })
            const shown = (pid: number) =>
              spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout
            expect(shown(worker.pid!)).toContain("furrow:root/shown")
            expect(shown(process.pid)).not.toContain("furrow:")
          })
        )
    )

    needing("options").it("an actor can be given a working directory, which has to be there", () =>
      Nursery.run(
        Effect.gen(function* () {
          yield* Nursery.call(Worker, ({ Nothing }) => Nothing(), { ...plain, cwd: "/" })
          const error = yield* Effect.flip(Nursery.spawn(Worker, { ...plain, cwd: "/nowhere" }))
          expect(error.message).toContain("/nowhere")
        })
      )
    )

    const timed = needing("time")
    const faulty = needing("time", "faults")

    timed.it(
      "W2 time in an actor is the test's: what sleeps there wakes by a plain TestClock.adjust, and not before",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const worker = yield* Nursery.spawn(Worker, plain)
            let ticks = 0
            const reading = yield* Effect.forkChild(
              Stream.runForEach(worker.client.Ticks(), () => Effect.sync(() => void ticks++)),
              { startImmediately: true }
            )
            yield* elapse(0)
            const before = ticks
            for (let n = 1; n <= 100; n++) {
              yield* elapse("10 millis")
              expect(ticks - before).toBe(n)
            }
            yield* Fiber.interrupt(reading)
          })
        )
    )

    timed.it("W2 a run is the same every time: what happens, and in which order", () =>
      Effect.gen(function* () {
        const run = Effect.scoped(
          Effect.gen(function* () {
            const seen = yield* events
            const observer = yield* Observer.make(world)
            const { file } = observer
            const block = yield* Effect.forkChild(
              Nursery.run(
                Effect.gen(function* () {
                  const workers = yield* Effect.forEach(
                    ["a", "b", "c"],
                    (name) =>
                      Nursery.spawn(Worker, {
                        ...main,
                        name,
                        arguments: { file, lingers: 400, children: { below: { file } } }
                      }),
                    { concurrency: "unbounded" }
                  )
                  yield* Effect.forEach(
                    workers,
                    ({ client }) => Effect.ignore(client.Break({ why: "on purpose", after: 100 })),
                    { concurrency: "unbounded" }
                  )
                  return yield* Effect.never
                })
              ),
              { startImmediately: true }
            )
            yield* elapse("100 millis")
            yield* elapse("400 millis")
            yield* Fiber.await(block)
            return [
              ...seen.all.map((event) => [
                event._tag,
                typeof event.actor === "string" ? event.actor : event.actor.path
              ]),
              observer.lines()
            ]
          })
        )
        const first = yield* run
        expect(first.length).toBeGreaterThan(6)
        expect(yield* run).toEqual(first)
        expect(yield* run).toEqual(first)
      })
    )

    faulty.it("a severed connection is a crash for the owner, and the end of the actor", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const observer = yield* Observer.make(world)
        const body: Array<string> = []
        const block = yield* Effect.forkChild(
          Effect.exit(
            Nursery.run(
              Effect.gen(function* () {
                const worker = yield* Nursery.spawn(Worker, {
                  ...main,
                  arguments: { file: observer.file, lingers: 1000 }
                })
                const hang = yield* Effect.forkChild(Effect.exit(worker.client.Hang()))
                yield* observer.until("Worker hangs")
                yield* TestWorld.sever(worker)
                const error = only(yield* Fiber.join(hang))
                assert(error instanceof PortalError && error.reason instanceof Disconnected)
                return yield* Effect.never
              }).pipe(Effect.onInterrupt(() => Effect.sync(() => void body.push("interrupted"))))
            )
          )
        )
        yield* observer.until("Worker hangs")
        // So long, calls wait for the exit. Nobody waits for the end of the actor.
        yield* elapse("100 millis")
        expect(body).toEqual(["interrupted"])
        expect(observer.lines().at(-1)).toBe("Worker ends")
        yield* elapse("1 second")
        const error = only(yield* Fiber.join(block))
        assert(error instanceof ActorCrashed)
        expect(error.message).toContain("its connection was lost while its process lived")
        expect(error.cause.stage).toBe("terminated")
        expect(observer.lines()).toEqual([
          "Worker hangs",
          "Worker was interrupted",
          "Worker ends",
          "Worker has ended"
        ])
        for (const door of seen.of("Started")) assert(yield* isGone(door))
        expect(yield* TestWorld.lives).toEqual([])
      })
    )

    faulty.it("the world tells who lives in it, down to the last level", () =>
      Effect.gen(function* () {
        yield* Nursery.run(
          Effect.gen(function* () {
            yield* Nursery.spawn(Worker, {
              ...main,
              name: "a",
              arguments: { children: { b: { children: { c: {} } } } }
            })
            const lives = yield* TestWorld.lives
            expect(lives.map(({ path }) => path)).toEqual(["root/a", "root/a/b", "root/a/b/c"])
          })
        )
        expect(yield* TestWorld.lives).toEqual([])
      })
    )

    faulty.it("an actor of an actor can be made to crash by the test", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              yield* Nursery.spawn(Worker, {
                ...main,
                name: "a",
                arguments: { children: { b: {} } }
              })
              const [, below] = yield* TestWorld.lives
              yield* TestWorld.crash({ actor: below! }, { code: 9 })
              return yield* Effect.never
            })
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.actor.path).toBe("root/a")
        expect(error.message).toContain('"root/a/b" crashed')
        expect(error.message).toContain("code 9")
      })
    )
  })
}
