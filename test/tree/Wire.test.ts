/** The wire between real processes, with somebody at the other end who breaks it, is slow, or does not read. */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import { SpawnError } from "furrow/TreeError"
import { Fragile } from "../contract/fixtures/Fragile.ts"
import { patience, processes } from "../contract/World.ts"
import { start } from "../node/Program.ts"
import { measure } from "../soak/Memory.ts"

const { isGone, it, main } = processes

/** The contract that the rude one pretends to keep. */
class Rude extends Actor.make("Rude", [
  Rpc.make("Echo", { payload: Schema.Int, success: Schema.Int }),
  Rpc.make("Hang"),
  Rpc.make("Break", { success: Schema.Json, stream: true })
]) {}

/** How long it may take to say hello, in milliseconds, where it says none. */
const HelloTimeout = 500

const spawnRude = (mode: string, options?: { readonly helloTimeout?: number }) =>
  Nursery.spawn(Rude, {
    main: new URL("./fixtures/rude.ts", import.meta.url),
    env: { RUDE: mode },
    grace: "200 millis",
    terminateGrace: "2 seconds",
    helloTimeout: options?.helloTimeout
  })

/** Runs a block of its own beside an actor that must notice nothing of it; the exit of the block. */
const besideAnother = <A, E, R>(block: Effect.Effect<A, E, R>) =>
  Nursery.run(
    Effect.gen(function* () {
      const other = yield* Nursery.spawn(Fragile, main)
      const exit = yield* Effect.exit(Nursery.run(block))
      expect(yield* other.client.Echo(7)).toBe(7)
      return exit
    })
  )

const failure = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert(Exit.isFailure(exit))
  const [first, ...more] = exit.cause.reasons
  expect(more).toEqual([])
  assert(first !== undefined && !Cause.isInterruptReason(first))
  return Cause.isFailReason(first) ? first.error : first.defect
}

describe("one who does not get as far as Hello", () => {
  for (const [mode, reason, says] of [
    ["garbageFirst", "HandshakeRefused", /MalformedFrame/],
    ["bombFirst", "HandshakeRefused", /FrameTooLong.*4294967295 bytes/],
    ["silent", "HandshakeTimeout", /500/],
    ["halfHello", "HandshakeTimeout", /500/]
  ] as const) {
    it(`FLT-8 FLT-9 F15 F16 (${mode}) ends as ${reason}, with its process; another actor notices nothing`, () =>
      Effect.gen(function* () {
        const exit = yield* besideAnother(
          spawnRude(mode, reason === "HandshakeTimeout" ? { helloTimeout: HelloTimeout } : {})
        )
        const error = failure(exit)
        assert(error instanceof SpawnError)
        expect(error.reason._tag).toBe(reason)
        expect(error.message).toMatch(says)
      }))
  }
})

describe("one who breaks the protocol later", () => {
  for (const [mode, rule] of [
    ["garbage", "MalformedFrame"],
    ["bomb", "FrameTooLong"],
    ["unknown", "NeverOpened"],
    ["greedy", "ItemWithoutCredit"]
  ] as const) {
    it(`F15 F16 (${mode}) is told the rule, ${rule}, and is gone; callers learn it, another actor notices nothing`, () =>
      Effect.gen(function* () {
        let met: unknown
        let door: Pick<Actor.Portal<never>, "pid" | "actor"> | undefined
        const exit = yield* besideAnother(
          Effect.gen(function* () {
            const rude = yield* spawnRude(mode)
            door = rude
            expect(yield* rude.client.Echo(1)).toBe(1)
            yield* rude.client.Hang().pipe(
              Effect.raceFirst(Stream.runForEach(rude.client.Break(), () => Effect.never)),
              Effect.onExit((exit) =>
                Effect.sync(() => {
                  met = Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit
                })
              )
            )
          })
        )
        assert(met instanceof PortalError)
        expect(met.message).toContain(rule)
        expect(String(failure(exit))).toContain(rule)
        assert(door !== undefined)
        expect(yield* isGone(door)).toBe(true)
      }))
  }

  it("F15 (deep) fails its own dialog alone", () =>
    besideAnother(
      Effect.gen(function* () {
        const rude = yield* spawnRude("deep")
        const exit = yield* Effect.exit(Stream.runDrain(rude.client.Break()))
        expect(String(failure(exit))).toContain("nested deeper than 200 levels")
        expect(yield* rude.client.Echo(1)).toBe(1)
      })
    ))

  it("FLT-11 (half) a frame that stays half holds nobody beyond his deadline; the end of the process frees the rest", () =>
    Effect.gen(function* () {
      const exit = yield* besideAnother(
        Effect.gen(function* () {
          const rude = yield* spawnRude("half")
          expect(yield* rude.client.Echo(1)).toBe(1)
          const now = { startImmediately: true }
          yield* Effect.forkChild(Stream.runDrain(rude.client.Break()), now)
          const pending = yield* Effect.forkDetach(Effect.exit(rude.client.Echo(2)), now)
          const late = yield* rude.client
            .Echo(3)
            .pipe(
              Deadline.within("200 millis"),
              Effect.provideService(Deadline.JoinBound, "100 millis"),
              Effect.flip
            )
          expect(late).toMatchObject({ reason: { _tag: "DeadlineExceeded" } })
          expect(pending.pollUnsafe()).toBeUndefined()
          process.kill(rude.pid!, "SIGKILL")
          expect(failure(yield* Fiber.join(pending))).toMatchObject({
            reason: { _tag: "Disconnected" }
          })
          return yield* Effect.never
        })
      )
      expect(String(failure(exit))).toContain("SIGKILL")
    }))

  it("FLT-11 (half) and stopping it takes no longer than its ladder", () =>
    besideAnother(
      Effect.gen(function* () {
        const rude = yield* spawnRude("half")
        const stuck = yield* Effect.forkDetach(Effect.exit(Stream.runDrain(rude.client.Break())))
        expect(yield* Effect.exit(Effect.timeoutOption(rude.client.Echo(1), 0))).toBeDefined()
        yield* rude.stop
        expect(failure(yield* Fiber.join(stuck))).toMatchObject({ reason: { _tag: "Cancelled" } })
      })
    ))
})

describe("one who is slow", () => {
  it("F13 a consumer that takes nothing holds no more than a window at either end, and delays nobody", () =>
    Nursery.run(
      Effect.gen(function* () {
        const { client } = yield* Nursery.spawn(Fragile, main)
        const length = 50_000
        yield* Stream.runDrain(Stream.take(client.Feed(length), 100))
        const before = {
          parent: measure(),
          child: yield* client.Measure(),
          fed: yield* client.Fed()
        }
        const taken = yield* Latch.make(false)
        const consumer = yield* Effect.forkChild(
          Stream.runForEach(client.Feed(length), () => Effect.andThen(taken.open, Effect.never))
        )
        yield* taken.await
        let fed = -1
        // The sender has come to rest, and everybody else is served.
        for (let last = -2; fed !== last;) {
          last = fed
          for (let n = 0; n < 20; n++) expect(yield* client.Echo(n)).toBe(n)
          fed = yield* client.Fed()
        }
        // 256 KiB and one item are on their way; the rest has been taken.
        expect(fed - before.fed).toBeLessThan(100)
        const after = { parent: measure(), child: yield* client.Measure() }
        expect(after.child.bytes - before.child.bytes).toBeLessThan(3_000_000)
        expect(after.parent.bytes - before.parent.bytes).toBeLessThan(100 * length)
        yield* Fiber.interrupt(consumer)
        expect(yield* client.Echo(1)).toBe(1)
      })
    ))

  it(
    "F14 the last words of an actor wait for a parent that is busy for two seconds",
    () =>
      Effect.gen(function* () {
        let received = 0
        yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              const { client } = yield* Nursery.spawn(Fragile, main)
              const words = yield* Effect.forkChild(client.LastWords(8_000_000))
              yield* client.Echo(1)
              Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
              received = (yield* Fiber.join(words)).length
              return yield* Effect.never
            })
          )
        )
        expect(received).toBe(8_000_000)
      }),
    { timeout: patience(5000) }
  )
})

describe("what is told at the end of a program", () => {
  for (const [who, args] of [
    ["the root", []],
    ["an actor below it", ["below"]]
  ] as const) {
    it(`F15 ${who} fails with an error that has 100 000 causes: it is printed as far as it can be`, () =>
      Effect.gen(function* () {
        const root = yield* start("../../tree/fixtures/deep.ts", args)
        const { code, stderr } = yield* root.ended
        expect(code).toBe(1)
        expect(stderr).toContain("the outermost")
      }))
  }
})
