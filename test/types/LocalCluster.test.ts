/** What a cluster is known by, and what its members are started with. */
import type * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as RpcModule from "effect/rpc/Rpc"
import * as Actor from "furrow/Actor"
import * as LocalCluster from "furrow/LocalCluster"
import type { Nursery } from "furrow/Nursery"
import type { PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import type { SpawnError } from "furrow/TreeError"
import { describe, expectTypeOf, it } from "vitest"
import { Auth, Counter, Plain, RoomClosed } from "./fixtures.ts"

type PortalOf<D> = Actor.Portal<Actor.OperationsOf<D>>

describe("a cluster", () => {
  it("needs what spawning needs, and fails as spawning fails", () => {
    const open = LocalCluster.open(Plain, { names: ["a", "b"] })
    expectTypeOf<Effect.Error<typeof open>>().toEqualTypeOf<SpawnError>()
    expectTypeOf<Effect.Services<typeof open>>().toEqualTypeOf<Nursery | Spawner>()
    const guarded = LocalCluster.open(Plain.middleware(Auth), { count: 2 })
    expectTypeOf<Effect.Services<typeof guarded>>().toEqualTypeOf<
      | Nursery
      | Spawner
      | Rpc.MiddlewareClient<Actor.OperationsOf<ReturnType<typeof Plain.middleware<typeof Auth>>>>
    >()
    const serving = LocalCluster.open(Plain, { count: 2, serve: Counter })
    expectTypeOf<Effect.Services<typeof serving>>().toEqualTypeOf<
      Nursery | Spawner | Actor.Service<"Counter">
    >()
  })

  it("has a portal by each of its names, and no other", () => {
    type Opened = Effect.Success<ReturnType<typeof open>>
    const open = () => LocalCluster.open(Plain, { names: ["a", "b"] })
    expectTypeOf<Opened["portals"]>().toEqualTypeOf<{
      readonly a: PortalOf<typeof Plain>
      readonly b: PortalOf<typeof Plain>
    }>()
    expectTypeOf<Opened["names"]>().toEqualTypeOf<ReadonlyArray<"a" | "b">>()
    expectTypeOf<Opened["client"]>().toEqualTypeOf<Actor.Client<Actor.OperationsOf<typeof Plain>>>()
    const all = (cluster: Opened) => cluster.forEach(({ client }) => client.Get())
    expectTypeOf<ReturnType<typeof all>>().toEqualTypeOf<
      Effect.Effect<{ readonly a: number; readonly b: number }, PortalError>
    >()
  })

  it("that is only counted has names of which each may be missing", () => {
    type Opened = Effect.Success<ReturnType<typeof open>>
    const open = () => LocalCluster.open(Plain, { count: 4 })
    expectTypeOf<Opened["names"]>().toEqualTypeOf<ReadonlyArray<`Plain-${number}`>>()
    expectTypeOf<Opened["portals"]>().toEqualTypeOf<{
      readonly [Name in `Plain-${number}`]: PortalOf<typeof Plain>
    }>()
  })

  it("is told who its members are, by names or by a count", () => {
    // @ts-expect-error -- neither
    LocalCluster.open(Plain, {})
    // @ts-expect-error -- each member has a name of its own
    LocalCluster.open(Plain, { names: ["a"], name: "a" })
  })

  it("takes arguments for all, or for each by its name and number, if the actor takes any", () => {
    LocalCluster.open(Counter, { names: ["a", "b"], arguments: { from: 1 } })
    LocalCluster.open(Counter, {
      names: ["a", "b"],
      arguments: (name, index) => {
        expectTypeOf(name).toEqualTypeOf<"a" | "b">()
        expectTypeOf(index).toEqualTypeOf<number>()
        return { from: index }
      }
    })
    // @ts-expect-error -- no arguments
    LocalCluster.open(Counter, { names: ["a", "b"] })
    // @ts-expect-error -- a string
    LocalCluster.open(Counter, { count: 2, arguments: { from: "1" } })
    // @ts-expect-error -- a string
    LocalCluster.open(Counter, { count: 2, arguments: () => ({ from: "1" }) })
    // @ts-expect-error -- Plain takes none
    LocalCluster.open(Plain, { count: 2, arguments: { from: 1 } })
  })
})

describe("a cluster's balance", () => {
  it("by key sees each operation with its payload", () => {
    LocalCluster.open(Counter, {
      count: 2,
      arguments: { from: 0 },
      balance: {
        by: (operation, payload) => {
          expectTypeOf(operation).toEqualTypeOf<"Increment" | "Get" | "Ticks" | "Chat">()
          switch (operation) {
            case "Increment":
              expectTypeOf(payload).toEqualTypeOf<{ readonly by: number }>()
              return `${payload.by}`
            case "Get":
              expectTypeOf(payload).toEqualTypeOf<void>()
              return ""
            case "Ticks":
              return `${payload.every}`
            case "Chat":
              return payload.room
          }
        }
      }
    })
    // @ts-expect-error -- a number is no key
    LocalCluster.open(Plain, { count: 2, balance: { by: () => 1 } })
    // @ts-expect-error -- no such balance
    LocalCluster.open(Plain, { count: 2, balance: "random" })
  })

  it("by key sees what the client's method takes", () => {
    class Item extends Schema.Class<Item>("Item")({ id: Schema.String }) {}
    const Put = RpcModule.make("Put", { payload: Item, error: RoomClosed })
    class Store extends Actor.make("Store", [Put]) {}
    type Payload = Parameters<Actor.Client<Actor.OperationsOf<typeof Store>>["Put"]>[0]
    LocalCluster.open(Store, {
      count: 2,
      balance: {
        by: (_operation, payload) => {
          expectTypeOf(payload).toEqualTypeOf<Payload>()
          return payload.id
        }
      }
    })
  })
})
