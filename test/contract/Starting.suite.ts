/**
 * Tasks of a block: a fiber that says a first word, and is kept as an actor is kept. Area TASK, and the rules S1 to S3 for
 * tasks.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Actor from "furrow/Actor"
import { ContractBroken } from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { ForkFailed } from "furrow/TreeError"
import { Counter } from "./fixtures/Counter.ts"
import { only, reasonsOf } from "./Watching.ts"
import type { World } from "./World.ts"

type PortalOf<D> = Actor.Portal<Actor.OperationsOf<D>>

/** A task's own error. */
class Own extends Error {
  readonly _tag = "Own"
}

export default ({ isGone, it, main, name }: World): void => {
  describe(`tasks of a block (${name})`, () => {
    it("TASK-5 whoever starts a task gets its first word, and it goes on until the block ends", () =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const task = (suffix: string) => (started: Nursery.FirstWord<string>) =>
          Effect.andThen(started(`hello ${suffix}`), Effect.never).pipe(
            Effect.ensuring(Effect.sync(() => told.push(`${suffix} ended`)))
          )
        const value = yield* Nursery.run(
          Effect.gen(function* () {
            const one = yield* Nursery.start(task("one"))
            const two = yield* Nursery.start(task("two"))
            expect(told).toEqual([])
            return [one.value, two.value]
          })
        )
        expect(value).toEqual(["hello one", "hello two"])
        expect(told, "the last started ends first").toEqual(["two ended", "one ended"])
      }))

    it("tasks and actors are ended in one order, the last started first", () =>
      Effect.gen(function* () {
        const told: Array<string> = []
        yield* Nursery.run(
          Effect.gen(function* () {
            const task = (label: string) =>
              Nursery.start((started) =>
                Effect.andThen(started(undefined), Effect.never).pipe(
                  Effect.ensuring(Effect.sync(() => told.push(label)))
                )
              )
            yield* task("below")
            const counter = yield* Nursery.spawn(Counter, { ...main, arguments: { from: 0 } })
            yield* Effect.forkDetach(
              Effect.andThen(
                counter.exit,
                Effect.sync(() => told.push("the actor"))
              ),
              { startImmediately: true }
            )
            yield* task("above")
          })
        )
        expect(told).toEqual(["above", "the actor", "below"])
      }))

    it("what a task fails with before its first word, whoever starts it meets, and the block goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const own = new Own()
          const exit = yield* Effect.exit(Nursery.start(() => Effect.fail(own)))
          expect(only(exit)).toBe(own)
        })
      ))

    it("a task that fails after its first word ends the block, which keeps what it failed with", () =>
      Effect.gen(function* () {
        const own = new Own()
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              const fail = yield* Deferred.make<void>()
              yield* Nursery.start((started) =>
                Effect.gen(function* () {
                  yield* started(undefined)
                  yield* Deferred.await(fail)
                  return yield* Effect.fail(own)
                })
              )
              yield* Deferred.succeed(fail, undefined)
              return yield* Effect.never
            })
          )
        )
        const error = only(exit)
        assert(error instanceof ForkFailed)
        expect(only(Exit.failCause(error.cause))).toBe(own)
      }))

    it("TASK-1 a sibling that fails ends a task before its first word, and is all that is told", () =>
      Effect.gen(function* () {
        const own = new Own()
        let met: Exit.Exit<unknown, unknown> | undefined
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              yield* Nursery.fork(
                Effect.exit(Nursery.start(() => Effect.never)).pipe(
                  Effect.tap((exit) =>
                    Effect.sync(() => {
                      met = exit
                    })
                  )
                )
              )
              yield* Effect.yieldNow
              return yield* Effect.fail(own)
            })
          )
        )
        expect(only(exit)).toBe(own)
        assert(met !== undefined, "whoever started it was told")
        expect(reasonsOf(met)).toEqual(["interrupt"])
      }))

    it("TASK-2 a block that is interrupted before a task's first word ends with nothing but that", () =>
      Effect.gen(function* () {
        let begun = false
        let ended = false
        const block = yield* Effect.forkChild(
          Nursery.run(
            Nursery.start(() =>
              Effect.suspend(() => {
                begun = true
                return Effect.never
              }).pipe(
                Effect.onInterrupt(() =>
                  Effect.sync(() => {
                    ended = true
                  })
                )
              )
            )
          )
        )
        while (!begun) yield* Effect.yieldNow
        yield* Fiber.interrupt(block)
        const exit = yield* Fiber.await(block)
        assert(Exit.isFailure(exit))
        expect(Cause.hasInterruptsOnly(exit.cause)).toBe(true)
        expect(ended, "its finalizers have run").toBe(true)
      }))

    it("TASK-3 a task that returns without its first word is a defect that says so", () =>
      Nursery.run(
        Effect.gen(function* () {
          const exit = yield* Effect.exit(Nursery.start(() => Effect.void))
          const error = only(exit)
          assert(error instanceof ContractBroken)
          expect(error.message).toContain("first word")
        })
      ))

    it("a task can be stopped, which is no failure, and one that has ended is asked in vain", () =>
      Nursery.run(
        Effect.gen(function* () {
          let ended = 0
          const task = yield* Nursery.start((started) =>
            Effect.andThen(started(1), Effect.never).pipe(
              Effect.ensuring(Effect.sync(() => ended++))
            )
          )
          yield* task.stop
          expect(ended).toBe(1)
          yield* task.stop
          expect(ended).toBe(1)
        })
      ))

    it("actors of a task's own block are gone when the task has been stopped", () =>
      Nursery.run(
        Effect.gen(function* () {
          const task = yield* Nursery.start(
            (started: Nursery.FirstWord<PortalOf<typeof Counter>>) =>
              Nursery.run(
                Effect.gen(function* () {
                  const counter = yield* Nursery.spawn(Counter, { ...main, arguments: { from: 1 } })
                  yield* started(counter)
                  return yield* Effect.never
                })
              )
          )
          const counter = task.value
          expect(yield* counter.client.Increment({ by: 1 })).toBe(2)
          yield* task.stop
          assert(yield* isGone(counter))
        })
      ))

    it("a scope that a task uses closes when it has ended, and a failure of that ends the block", () =>
      Effect.gen(function* () {
        const own = new Own()
        const told: Array<string> = []
        const exit = yield* Effect.exit(
          Nursery.run(
            Nursery.start((started) =>
              Effect.gen(function* () {
                yield* Effect.addFinalizer(() =>
                  Effect.andThen(
                    Effect.sync(() => told.push("scope")),
                    Effect.die(own)
                  )
                )
                yield* started(undefined)
                return yield* Effect.never
              }).pipe(Effect.ensuring(Effect.sync(() => told.push("task"))))
            )
          )
        )
        expect(told).toEqual(["task", "scope"])
        expect(only(exit)).toBe(own)
      }))

    it("a task that ends its own block is not waited for there, and the block ends", () =>
      Effect.gen(function* () {
        const value = yield* Nursery.run(
          Effect.gen(function* () {
            const cancelled = yield* Deferred.make<void>()
            yield* Nursery.start((started) =>
              Effect.gen(function* () {
                yield* started(undefined)
                yield* Nursery.cancel
                yield* Deferred.succeed(cancelled, undefined)
              })
            )
            yield* Deferred.await(cancelled)
            return 7
          })
        )
        expect(value).toBe(7)
      }))

    it("a block that has ended starts no task: whoever asks is interrupted", () =>
      Effect.gen(function* () {
        let ran = false
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              yield* Nursery.cancel
              return yield* Effect.exit(
                Nursery.start((started) =>
                  Effect.suspend(() => {
                    ran = true
                    return started(undefined)
                  })
                )
              )
            })
          )
        )
        assert(Exit.isSuccess(exit))
        expect(reasonsOf(exit.value)).toEqual(["interrupt"])
        expect(ran).toBe(false)
      }))

    it("tasks count as no actors for the limits of their block", () =>
      Nursery.run(
        Effect.gen(function* () {
          yield* Nursery.start((started) => Effect.andThen(started(undefined), Effect.never))
          yield* Nursery.start((started) => Effect.andThen(started(undefined), Effect.never))
          const counter = yield* Nursery.spawn(Counter, { ...main, arguments: { from: 0 } })
          expect(yield* counter.client.Increment({ by: 1 })).toBe(1)
        }),
        { limits: { actors: 1, spawnsPerSecond: 1 } }
      ))
  })
}
