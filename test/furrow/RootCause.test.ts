/** What an actor's root failed with reaches whoever spawned it, however long it is. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Rpc from "effect/rpc/Rpc"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"
import { Codec } from "furrow/protocol"
import * as RootCause from "furrow/RootCause"
import * as TestWorld from "furrow/testing/TestWorld"
import { ActorCrashed, SpawnError, StartFailed } from "furrow/TreeError"

const Crash = Rpc.make("Crash", {})
class Wordy extends Actor.make("Wordy", [Crash]) {}

/** The room in a frame of the default length. */
const limit = 1_048_576 - 65_536

/** An error of about `size` bytes, most of them only on the wire. */
const long = (n: number, size: number) =>
  new RangeError(`error ${n} ${"x".repeat(400)}`, { cause: "\u0001".repeat(size / 6) })

const many = (count: number, size = 90_000) =>
  Cause.fromReasons(Array.from({ length: count }, (_, n) => Cause.makeDieReason(long(n, size))))

const defects = (cause: Cause.Cause<unknown>) =>
  cause.reasons.map((reason) => (Cause.isDieReason(reason) ? (reason.defect as Error) : undefined))

describe("what an actor's root failed with", () => {
  it.effect("is told whole when it fits, by each codec", () =>
    Effect.gen(function* () {
      for (const codec of [Codec.json, Codec.binary]) {
        const bytes = yield* RootCause.encode(codec, "root/a", many(1), limit)
        const [error] = defects(yield* RootCause.decode(codec, "root/a", bytes))
        expect(error?.message).toBe(long(0, 0).message)
      }
    })
  )

  it.effect(
    "is told with every reason when it does not: the first ones whole, the others in short",
    () =>
      Effect.gen(function* () {
        for (const codec of [Codec.json, Codec.binary]) {
          const bytes = yield* RootCause.encode(codec, "root/a", many(30), limit)
          expect(bytes.length).toBeLessThan(limit)
          const errors = defects(yield* RootCause.decode(codec, "root/a", bytes))
          expect(errors.length).toBe(30)
          for (const [n, error] of errors.entries()) {
            expect(error?.name).toBe("RangeError")
            expect(error?.message).toContain(`error ${n} `)
          }
          expect(errors[0]?.message).toBe(long(0, 0).message)
          expect(errors[29]?.message).toMatch(/\[cut\]$/)
        }
      })
  )

  it.effect("tells how many more there are when they are too many to tell", () =>
    Effect.gen(function* () {
      const bytes = yield* RootCause.encode(Codec.binary, "root/a", many(250, 6000), limit)
      const errors = defects(yield* RootCause.decode(Codec.binary, "root/a", bytes))
      expect(errors.length).toBe(201)
      expect(errors[200]?.message).toBe("and 50 more")
    })
  )

  it.effect("reaches whoever spawns an actor that does not start", () =>
    Nursery.run(
      Effect.gen(function* () {
        const error = yield* Effect.flip(Nursery.spawn(Wordy))
        assert(error instanceof SpawnError && error.reason instanceof StartFailed)
        expect(error.reason.cause.reasons.length).toBe(20)
        expect(error.message).toContain("RangeError: error 0")
      })
    ).pipe(
      Effect.provide(TestWorld.layer([Wordy.program(Wordy.toLayer(Effect.failCause(many(20))))]))
    )
  )

  it.effect("reaches the nursery of an actor that crashes", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* Nursery.spawn(Wordy)
            yield* client.Crash()
            return yield* Effect.never
          })
        )
      )
      assert(Exit.isFailure(exit))
      const crash = Cause.squash(exit.cause)
      assert(crash instanceof ActorCrashed)
      expect(crash.message).toContain("error 0")
      expect(crash.cause.cause?.reasons.length).toBe(1)
    }).pipe(
      Effect.provide(
        TestWorld.layer([
          Wordy.program(
            Wordy.toLayer(
              Effect.gen(function* () {
                const told = yield* Deferred.make<void>()
                yield* Nursery.fork(
                  Effect.andThen(Deferred.await(told), Effect.failCause(many(20)))
                )
                return Wordy.of({ Crash: () => Effect.asVoid(Deferred.succeed(told, undefined)) })
              })
            )
          )
        ])
      )
    )
  )
})
