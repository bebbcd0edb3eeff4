/** What a pool takes and needs, and what its client may fail with. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import * as ActorPool from "furrow/ActorPool"
import type * as Nursery from "furrow/Nursery"
import type { PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import type { SpawnError } from "furrow/TreeError"
import { describe, expectTypeOf, it } from "vitest"
import { Counter, Plain } from "./fixtures.ts"
import type { RoomClosed } from "./fixtures.ts"

type PlainOps = Actor.OperationsOf<typeof Plain>
declare const pool: ActorPool.ActorPool<Actor.OperationsOf<typeof Counter>>

describe("a pool", () => {
  it("needs a nursery and a world, and fails with nothing", () => {
    expectTypeOf(ActorPool.make(Plain, { size: 1 })).toEqualTypeOf<
      Effect.Effect<ActorPool.ActorPool<PlainOps>, never, Nursery.Nursery | Spawner>
    >()
  })

  it("has a size, or two bounds, and not both", () => {
    ActorPool.make(Plain, { min: 0, max: 2, idle: "1 minute" })
    // @ts-expect-error -- how many?
    ActorPool.make(Plain, {})
    // @ts-expect-error -- both
    ActorPool.make(Plain, { size: 1, max: 2 })
    // @ts-expect-error -- no most
    ActorPool.make(Plain, { min: 1 })
    // @ts-expect-error -- nobody is ever one too many
    ActorPool.make(Plain, { size: 1, idle: "1 minute" })
  })

  it("takes the arguments of its actor", () => {
    ActorPool.make(Counter, { size: 1, arguments: { from: 1 } })
    // @ts-expect-error -- none
    ActorPool.make(Counter, { size: 1 })
  })

  it("has operations that may fail with what a spawn fails with, too", () => {
    expectTypeOf(pool.client.Increment({ by: 1 })).toEqualTypeOf<
      Effect.Effect<number, RoomClosed | PortalError | SpawnError>
    >()
    expectTypeOf(pool.client.Ticks({ every: 1 })).toEqualTypeOf<
      Stream.Stream<number, RoomClosed | PortalError | SpawnError>
    >()
    expectTypeOf(pool.use(({ Get }) => Get())).toEqualTypeOf<
      Effect.Effect<number, PortalError | SpawnError>
    >()
  })

  it("maps a stream, either way round", () => {
    const words = Stream.make("a", "b")
    const mapped = ActorPool.map(words, pool, (word, { Get }) => Effect.map(Get(), (n) => word + n))
    expectTypeOf(mapped).toEqualTypeOf<Stream.Stream<string, PortalError | SpawnError>>()
    const piped = words.pipe(
      ActorPool.map(pool, (word: string, { Get }) => Effect.map(Get(), (n) => word + n))
    )
    expectTypeOf(piped).toEqualTypeOf<Stream.Stream<string, PortalError | SpawnError>>()
    // @ts-expect-error -- they are no numbers
    words.pipe(ActorPool.map(pool, (n: number, { Increment }) => Increment({ by: n })))
  })
})
