/**
 * A user's own actor under virtual time. In the test world an actor is a fiber of this process, built from the Layer
 * that its real process runs. Every value still crosses the real codec, an actor can be made to crash, and half an hour
 * takes as long as `TestClock.adjust` does.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Nursery } from "furrow"
import { TestWorld } from "furrow/testing"
import { LeaseLive } from "./lease.layer.ts"
import { Held, Lease } from "./lease.ts"

const world = TestWorld.layer([Lease.program(LeaseLive)])

const spawnLease = Nursery.spawn(Lease, { arguments: { minutes: 30 } })

it.effect("a lease runs out after its time, and not before", () =>
  Nursery.run(
    Effect.gen(function* () {
      const { client } = yield* spawnLease
      yield* client.Take({ who: "Ada" })

      yield* TestClock.adjust("29 minutes")
      const refused = yield* Effect.flip(client.Take({ who: "Grace" }))
      expect(refused).toEqual(new Held({ by: "Ada" }))

      yield* TestClock.adjust("1 minute")
      yield* client.Take({ who: "Grace" })
    })
  ).pipe(Effect.provide(world))
)

it.effect("who asks every ten minutes has the lease after thirty", () =>
  Nursery.run(
    Effect.gen(function* () {
      const { client } = yield* spawnLease
      yield* client.Take({ who: "Ada" })
      const asking = yield* client
        .Take({ who: "Grace" })
        .pipe(Effect.retry(Schedule.spaced("10 minutes")), Effect.forkChild)

      yield* TestClock.adjust("20 minutes")
      expect(asking.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(asking)
    })
  ).pipe(Effect.provide(world))
)

it.effect("a lease that crashes ends the block that needs it", () =>
  Effect.gen(function* () {
    const block = Nursery.run(
      Effect.gen(function* () {
        const lease = yield* spawnLease
        yield* TestWorld.crash(lease)
        return yield* Effect.never
      })
    )
    expect(yield* Effect.flip(block)).toMatchObject({
      _tag: "ActorCrashed",
      actor: { path: "root/Lease" }
    })
  }).pipe(Effect.provide(world))
)

// Output:
// Test Files  1 passed (1)
// Tests  3 passed (3)
