/**
 * One-shots: area ONE. An actor for one operation belongs to the fiber that calls it, and is reaped when that goes on.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import { Disconnected, PortalError } from "furrow/PortalError"
import { Caller, Refused } from "./fixtures/Calls.ts"
import type { World } from "./World.ts"

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert(Exit.isFailure(exit), "it should have failed")
  return Cause.squash(exit.cause)
}

export default ({ can, crash, elapse, isGone, it, main, name }: World): void => {
  describe(`one-shots (${name})`, () => {
    /** Watches who started, for the length of a scope. */
    const births = Effect.gen(function* () {
      const seen: Array<Extract<Events.Event, { readonly _tag: "Started" }>> = []
      yield* Stream.runForEach(Events.stream, (event) =>
        Effect.sync(() => {
          if (event._tag === "Started") seen.push(event)
        })
      ).pipe(Effect.forkScoped({ startImmediately: true }))
      return seen
    })

    it("ONE-1 a one-shot runs in an actor of its own, answers, and is gone on return", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* births
          const echo = yield* Nursery.call(Caller, ({ Echo }) => Echo({ n: 7 }), main)
          expect(echo).toBe(7)
          expect(seen).toHaveLength(1)
          for (const door of seen) assert(yield* isGone(door))
        })
      ))

    it("ONE-3 its failure is raised where it was called, as the error that was declared", () =>
      Nursery.run(
        Effect.gen(function* () {
          const exit = yield* Effect.exit(
            Nursery.call(Caller, ({ Refuse }) => Refuse({ why: "no" }), main)
          )
          const error = errorOf(exit)
          assert(error instanceof Refused)
          expect(error.why).toBe("no")
        })
      ))

    it("ONE-4 SPAWN-6 nothing of it is left in a block that goes on, and its value can be read again", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* births
          const fiber = yield* Nursery.fork(
            Nursery.call(Caller, ({ Echo }) => Echo({ n: 1 }), main)
          )
          expect(yield* Fiber.join(fiber)).toBe(1)
          expect(yield* Fiber.join(fiber)).toBe(1)
          expect(seen).toHaveLength(1)
          for (const door of seen) assert(yield* isGone(door))
          // The block goes on, and takes others.
          expect(yield* Nursery.call(Caller, ({ Echo }) => Echo({ n: 2 }), main)).toBe(2)
        })
      ))

    it("ONE-5 its failure can be caught inside of the block, which goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const why = yield* Nursery.call(Caller, ({ Refuse }) => Refuse({ why: "no" }), main).pipe(
            Effect.catchTag("Refused", (refused) => Effect.succeed(refused.why))
          )
          expect(why).toBe("no")
          expect(yield* Nursery.call(Caller, ({ Echo }) => Echo({ n: 2 }), main)).toBe(2)
        })
      ))

    it("ONE-6 three calls through one portal are answered, and the actor lives on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const echoes = yield* Effect.forEach([1, 2, 3], (n) => caller.client.Echo({ n }))
          expect(echoes).toStrictEqual([1, 2, 3])
          assert(!(yield* isGone(caller)))
        })
      ))

    it("ONE-7 four at once in one block answer all", () =>
      Nursery.run(
        Effect.gen(function* () {
          const echoes = yield* Effect.forEach(
            [1, 2, 3, 4],
            (n) => Nursery.call(Caller, ({ Echo }) => Echo({ n }), main),
            { concurrency: "unbounded" }
          )
          expect(echoes).toStrictEqual([1, 2, 3, 4])
        })
      ))

    it("ONE-8 one that does not end when it is asked is ended by the ladder, and its value is returned", () =>
      Nursery.run(
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const file = `${yield* fs.makeTempDirectoryScoped()}/observed`
          const stages = yield* Events.stream.pipe(
            Stream.filter((event) => event._tag === "Stage"),
            Stream.take(3),
            Stream.map(({ stage }) => stage),
            Stream.runCollect,
            Effect.forkChild({ startImmediately: true })
          )
          const call = yield* Effect.forkChild(
            Nursery.call(
              Caller,
              Effect.fnUntraced(function* ({ Echo, Hang }) {
                // A handler that takes a minute to end is left behind in the actor.
                yield* Effect.forkDetach(Effect.exit(Hang({ file, lingers: 60_000 })))
                // It has begun by the time that a second call comes.
                yield* Echo({ n: 4 })
                return yield* Echo({ n: 5 })
              }),
              { ...main, grace: "200 millis", terminateGrace: "200 millis" }
            ),
            { startImmediately: true }
          )
          yield* elapse("200 millis")
          yield* elapse("200 millis")
          expect(yield* Fiber.join(call)).toBe(5)
          expect(yield* Fiber.join(stages)).toStrictEqual(["asked", "terminated", "killed"])
        })
      ))

    it("ONE-16 SPAWN-17 one whose process dies is its caller's Disconnected, and no failure of the block", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* births
          const fs = yield* FileSystem.FileSystem
          const file = `${yield* fs.makeTempDirectoryScoped()}/observed`
          const call = yield* Effect.forkChild(
            Effect.exit(Nursery.call(Caller, ({ Hang }) => Hang({ file, lingers: 0 }), main))
          )
          yield* Effect.repeat(Effect.andThen(Effect.yieldNow, fs.exists(file)), {
            until: (exists) => exists
          })
          const [door] = seen
          assert(door !== undefined)
          yield* crash(door)
          const error = errorOf(yield* Fiber.join(call))
          assert(error instanceof PortalError && error.reason instanceof Disconnected)
          expect(error.reason.crash).toStrictEqual({ signal: "SIGKILL" })
          // The fiber that stands for a killed process takes a moment to end.
          if (can.time) {
            yield* Effect.repeat(Effect.andThen(Effect.yieldNow, isGone(door)), {
              until: (gone) => gone
            })
          }
          assert(yield* isGone(door))
          return "the block goes on"
        })
      ).pipe(Effect.map((value) => expect(value).toBe("the block goes on"))))
  })
}
