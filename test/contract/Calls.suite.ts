/**
 * Calls: the rows of area RPC, and the rules that make a cancel a join (D1, D7, D13, D16).
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import { Cancelled, Disconnected, PortalError, Unimplemented } from "furrow/PortalError"
import { Bed, BedLive, Caller, LaterCaller, Refused } from "./fixtures/Calls.ts"
import type { World } from "./World.ts"

/** A file that observers write to. */
const observerFile = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  Effect.map(fs.makeTempDirectoryScoped(), (dir) => `${dir}/observed`)
)

/** What observers wrote. */
const observed = (file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.map(
      Effect.catch(fs.readFileString(file), () => Effect.succeed("")),
      (text) => text.split("\n").filter((line) => line !== "")
    )
  )

/** Waits for a fact that another process makes, looking again as often as the world turns. */
const eventually = (fact: Effect.Effect<boolean, never, FileSystem.FileSystem>) =>
  Effect.repeat(Effect.andThen(Effect.yieldNow, fact), { until: (holds) => holds })

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert(Exit.isFailure(exit), "it should have failed")
  return Cause.squash(exit.cause)
}

export default ({ can, crash, elapse, it, main, name }: World): void => {
  describe(`calls (${name})`, () => {
    it("RPC-1 an operation that the other program does not know is Unimplemented, and the actor lives on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const later = yield* Nursery.spawn(LaterCaller, main)
          const error = errorOf(yield* Effect.exit(later.client.Unheard()))
          assert(error instanceof PortalError)
          assert(error.reason instanceof Unimplemented)
          expect(error.reason.operation).toBe("Unheard")
          expect(yield* later.client.Echo({ n: 1 })).toBe(1)
        })
      ))

    it("RPC-2 what the parent does not serve is Unimplemented for its child", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const error = errorOf(yield* Effect.exit(caller.client.SleepBack()))
          expect(error).toMatchObject({ name: "PortalError", reason: { _tag: "Unimplemented" } })
          expect(yield* caller.client.Echo({ n: 1 })).toBe(1)
        })
      ))

    it("RPC-3 a call is answered with its value", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          expect(yield* caller.client.Echo({ n: 42 })).toBe(42)
        })
      ))

    it("RPC-6 an actor lives on when the caller of a failing call has gone", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const file = yield* observerFile
          // Its caller leaves while it runs; then its release dies, and nobody is there to hear of it but the events.
          const heard = yield* Events.stream.pipe(
            Stream.filter((event) => event._tag === "FailedWhileEnding"),
            Stream.runHead,
            Effect.forkChild({ startImmediately: true })
          )
          const call = yield* Effect.forkChild(caller.client.HangHolding({ file, dies: true }), {
            startImmediately: true
          })
          yield* eventually(Effect.map(observed(file), (lines) => lines.includes("begun")))
          yield* Fiber.interrupt(call)
          expect(yield* Fiber.join(heard)).toMatchObject({
            value: { operation: "HangHolding" }
          })
          expect(yield* caller.client.Echo({ n: 1 })).toBe(1)
        })
      ))

    it("RPC-7 ten calls at once are answered each with its own value", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const calls = yield* Effect.forkChild(
            Effect.forEach(
              Array.from({ length: 10 }, (_, n) => n),
              (n) => caller.client.Echo({ n, after: 100 - 10 * n }),
              { concurrency: "unbounded" }
            ),
            { startImmediately: true }
          )
          yield* elapse("100 millis")
          expect(yield* Fiber.join(calls)).toStrictEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        })
      ))

    it("RPC-8 who a caller is, is what its handshake said: a Cancelled names the life that asked", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const other = yield* Nursery.spawn(Caller, { ...main, name: "Other" })
          expect(caller.actor.incarnation).not.toBe(other.actor.incarnation)
          const file = yield* observerFile
          const call = yield* Effect.forkChild(caller.client.Hang({ file, lingers: 0 }), {
            startImmediately: true
          })
          yield* eventually(Effect.map(observed(file), (lines) => lines.includes("begun")))
          yield* caller.stop
          const error = errorOf(yield* Fiber.await(call))
          assert(error instanceof PortalError && error.reason instanceof Cancelled)
          expect(error.reason.by.path).toBe("root")
          expect([caller.actor.incarnation, other.actor.incarnation]).not.toContain(
            error.reason.by.incarnation
          )
        })
      ))

    it("RPC-9 an argument that does not fit is a local defect, and the connection stays usable", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const exit = yield* Effect.exit(caller.client.Echo({ n: 1.5 }))
          expect(errorOf(exit)).toMatchObject({
            name: "EncodeError",
            operation: "Caller.Echo",
            lane: "payload"
          })
          expect(yield* caller.client.Echo({ n: 1 })).toBe(1)
        })
      ))

    it("RPC-10 stopping an actor twice, and one that is gone, does nothing more", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          yield* Effect.all([caller.stop, caller.stop], { concurrency: "unbounded" })
          yield* caller.stop
          expect(yield* caller.exit).toMatchObject({ _tag: "Stopped", stage: "asked" })
          const error = errorOf(yield* Effect.exit(caller.client.Echo({ n: 1 })))
          expect(error).toBeInstanceOf(PortalError)
        })
      ))

    it("RPC-11 an actor that does not answer its stop is terminated at the end of the first wait", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, { ...main, grace: "500 millis" })
          const file = yield* observerFile
          yield* Effect.forkChild(caller.client.Hang({ file, lingers: 1500 }), {
            startImmediately: true
          })
          yield* eventually(Effect.map(observed(file), (lines) => lines.includes("begun")))
          const stages = yield* Events.stream.pipe(
            Stream.filter((event) => event._tag === "Stage"),
            Stream.take(2),
            Stream.runCollect,
            Effect.forkChild({ startImmediately: true })
          )
          const stop = yield* Effect.forkChild(caller.stop, { startImmediately: true })
          yield* elapse("2 seconds")
          yield* Fiber.join(stop)
          expect(yield* Fiber.join(stages)).toMatchObject([
            { stage: "asked", patience: 500 },
            { stage: "terminated", patience: 2000 }
          ])
          expect(yield* observed(file)).toStrictEqual(["begun", "ended"])
        })
      ))

    it("RPC-12 interrupting a call returns when the callee's finalizer of 1.5 s has run (D1)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const file = yield* observerFile
          const call = yield* Effect.forkChild(caller.client.Hang({ file, lingers: 1500 }), {
            startImmediately: true
          })
          yield* eventually(Effect.map(observed(file), (lines) => lines.includes("begun")))
          const leaving = yield* Effect.forkChild(Fiber.interrupt(call), { startImmediately: true })
          yield* elapse("1499 millis")
          if (can.time) expect(leaving.pollUnsafe()).toBeUndefined()
          yield* elapse("1 millis")
          yield* Fiber.join(leaving)
          expect(yield* observed(file)).toStrictEqual(["begun", "ended"])
          const exit = yield* Fiber.await(call)
          assert(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        })
      ))

    it("RPC-12 a release of the request has run before the caller goes on, and one that dies reaches it (D16)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const file = yield* observerFile
          for (const dies of [false, true]) {
            const call = yield* Effect.forkChild(caller.client.HangHolding({ file, dies }), {
              startImmediately: true
            })
            const rounds = dies ? 2 : 1
            yield* eventually(
              Effect.map(
                observed(file),
                (lines) => lines.filter((line) => line === "begun").length === rounds
              )
            )
            yield* Fiber.interrupt(call)
            expect((yield* observed(file)).filter((line) => line === "released")).toHaveLength(
              rounds
            )
            const exit = yield* Fiber.await(call)
            assert(Exit.isFailure(exit))
            expect(exit.cause.reasons.map(({ _tag }) => _tag)).toStrictEqual(
              dies ? ["Interrupt", "Die"] : ["Interrupt"]
            )
          }
        })
      ))

    it("a call is answered when its request's release has run, and fails if that dies (D16)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, main)
          const file = yield* observerFile
          const call = yield* Effect.forkChild(
            caller.client.Hold({ file, lingers: 300, dies: false }),
            { startImmediately: true }
          )
          yield* elapse("300 millis")
          expect(yield* Fiber.join(call)).toBe("held")
          expect(yield* observed(file)).toStrictEqual(["released"])
          const exit = yield* Effect.exit(caller.client.Hold({ file, lingers: 0, dies: true }))
          expect(errorOf(exit)).toMatchObject({ message: "release" })
        })
      ))

    it("RPC-13 a callee whose caller was killed is interrupted, and so does not run on (D7)", () => {
      const begun = Deferred.makeUnsafe<void>()
      const interrupted = Deferred.makeUnsafe<void>()
      const Watched = Bed.toLayer({
        Nap: () =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      })
      return Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, { ...main, serve: Bed })
          const call = yield* Effect.forkChild(Effect.exit(caller.client.SleepBack()))
          yield* Deferred.await(begun)
          yield* crash(caller)
          yield* Deferred.await(interrupted)
          const error = errorOf(yield* Effect.flatten(Fiber.await(call)))
          assert(error instanceof PortalError && error.reason instanceof Disconnected)
          expect(error.reason.crash).toStrictEqual({ signal: "SIGKILL" })
        })
      ).pipe(
        Effect.provide(Watched),
        Effect.exit,
        Effect.map((exit) => {
          expect(errorOf(exit)).toMatchObject({
            _tag: "ActorCrashed",
            cause: { exit: { signal: "SIGKILL" } }
          })
          assert(Deferred.isDoneUnsafe(interrupted))
        })
      )
    })

    it("RPC-14 a child calls its parent, which sleeps and fails: the error goes down and comes back", () =>
      Nursery.run(
        Effect.gen(function* () {
          const caller = yield* Nursery.spawn(Caller, { ...main, serve: Bed })
          const call = yield* Effect.forkChild(caller.client.SleepBack(), {
            startImmediately: true
          })
          yield* elapse("50 millis")
          const error = errorOf(yield* Fiber.await(call))
          assert(error instanceof Refused)
          expect(error.why).toBe("woken after 50")
        })
      ).pipe(Effect.provide(BedLive)))
  })
}
