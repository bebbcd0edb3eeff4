/** What follows from an actor's definition: its handlers, its Layer, its program. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import { Nursery } from "furrow/NurseryKey"
import type { PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import * as TestWorld from "furrow/testing/TestWorld"
import { describe, expectTypeOf, it } from "vitest"
import { Accounts, Auth, Counter, Get, handlers, Plain, RoomClosed, User } from "./fixtures.ts"
import type { Forbidden } from "./fixtures.ts"

describe("the handlers", () => {
  it("all have to be there", () => {
    // @ts-expect-error -- Get
    Plain.toLayer({})
    // @ts-expect-error -- Increment, Ticks, Chat
    Counter.of({ Get: () => Effect.succeed(1) })
    // @ts-expect-error -- the same, built
    Plain.toLayer(Effect.succeed({}))
  })

  it("get the payload, and answer with the success", () => {
    Plain.toLayer({ Get: () => Effect.succeed(1) })
    // @ts-expect-error -- a string
    Plain.toLayer({ Get: () => Effect.succeed("1") })
    Counter.toLayer({
      ...handlers,
      Increment: ({ by }) => Effect.succeed(by)
    })
    // @ts-expect-error -- there is no `amount` in the payload
    Counter.toLayer({ ...handlers, Increment: ({ amount }) => Effect.succeed(amount) })
  })

  it("fail with the operation's error and no other", () => {
    Counter.toLayer({ ...handlers, Increment: () => Effect.fail(new RoomClosed({ room: "a" })) })
    // @ts-expect-error -- Get has no error
    Counter.toLayer({ ...handlers, Get: () => Effect.fail(new RoomClosed({ room: "a" })) })
    Counter.toLayer({ ...handlers, Ticks: () => Stream.fail(new RoomClosed({ room: "a" })) })
    // @ts-expect-error -- not this error
    Counter.toLayer({ ...handlers, Ticks: () => Stream.fail("closed") })
  })

  it("of a stream are streams", () => {
    Counter.toLayer({ ...handlers, Ticks: () => Stream.make(1) })
    // @ts-expect-error -- an effect of a number
    Counter.toLayer({ ...handlers, Ticks: () => Effect.succeed(1) })
  })

  it("may be wrapped: fork, uninterruptible", () => {
    Plain.toLayer({ Get: () => Rpc.fork(Effect.succeed(1)) })
    Plain.toLayer({ Get: () => Rpc.uninterruptible(Effect.succeed(1)) })
  })
})

describe("an actor's Layer", () => {
  it("gives the actor's one service", () => {
    expectTypeOf(Plain.toLayer({ Get: () => Effect.succeed(1) })).toEqualTypeOf<
      Layer.Layer<Actor.Service<"Plain">>
    >()
  })

  it("fails with what its building fails with", () => {
    expectTypeOf(Plain.toLayer(Effect.fail("no disk" as const))).toEqualTypeOf<
      Layer.Layer<Actor.Service<"Plain">, "no disk">
    >()
  })

  it("needs what its building and its handlers need, apart from scopes", () => {
    const layer = Plain.toLayer(
      Effect.gen(function* () {
        yield* Effect.addFinalizer(() => Effect.void)
        yield* Nursery
        return Plain.of({
          Get: () =>
            Effect.map(
              Effect.acquireRelease(Accounts, () => Effect.void),
              ({ size }) => size
            )
        })
      })
    )
    expectTypeOf(layer).toEqualTypeOf<
      Layer.Layer<Actor.Service<"Plain">, never, Nursery | Accounts>
    >()
  })

  it("knows the arguments by their schema", () => {
    Effect.gen(function* () {
      expectTypeOf(yield* Counter.Arguments).toEqualTypeOf<{ readonly from: number }>()
      expectTypeOf(yield* Plain.Arguments).toEqualTypeOf<void>()
    })
  })
})

describe("a program", () => {
  it("is given the nursery, the arguments and itself; what else its Layer needs, it needs", () => {
    const layer = Counter.toLayer(
      Effect.gen(function* () {
        yield* Nursery
        yield* Actor.Self
        yield* Counter.Arguments
        return handlers
      })
    )
    // The declared handlers may need anything; those of a real actor are known.
    expectTypeOf(
      Plain.program(
        Plain.toLayer(
          Effect.gen(function* () {
            yield* Nursery
            yield* Actor.Self
            yield* Plain.Arguments
            return Plain.of({ Get: () => Effect.map(Accounts, ({ size }) => size) })
          })
        )
      )
    ).toEqualTypeOf<Actor.Program<Accounts>>()
    expectTypeOf(layer).toExtend<Layer.Layer<Actor.Service<"Counter">, never, unknown>>()
  })

  it("is not made of another actor's Layer", () => {
    const plain = Plain.toLayer({ Get: () => Effect.succeed(1) })
    expectTypeOf(Plain.program(plain)).toEqualTypeOf<Actor.Program>()
    // @ts-expect-error -- the Layer of Plain
    Counter.program(plain)
  })

  it("does not get another actor's arguments", () => {
    const confused = Plain.toLayer(
      Effect.map(Counter.Arguments, ({ from }) => ({ Get: () => Effect.succeed(from) }))
    )
    // @ts-expect-error -- nobody gives Counter's arguments to Plain
    TestWorld.layer([Plain.program(confused)])
  })

  it("may need a Spawner in the test world, and nothing else", () => {
    type Programs = Parameters<typeof TestWorld.layer>[0]
    expectTypeOf<Actor.Program<Spawner>>().toExtend<Programs[number]>()
    expectTypeOf<Actor.Program<Accounts>>().not.toExtend<Programs[number]>()
  })
})

describe("a client", () => {
  type Client = Actor.Client<Actor.OperationsOf<typeof Counter>>

  it("has one method per operation, whose errors are the operation's and PortalError", () => {
    expectTypeOf<keyof Client>().toEqualTypeOf<"Increment" | "Get" | "Ticks" | "Chat">()
    expectTypeOf<ReturnType<Client["Increment"]>>().toEqualTypeOf<
      Effect.Effect<number, RoomClosed | PortalError>
    >()
    expectTypeOf<ReturnType<Client["Get"]>>().toEqualTypeOf<Effect.Effect<number, PortalError>>()
    expectTypeOf<ReturnType<Client["Ticks"]>>().toEqualTypeOf<
      Stream.Stream<number, RoomClosed | PortalError>
    >()
  })

  it("takes the payload that the schema takes", () => {
    const all = (client: Client) => {
      client.Increment({ by: 1 })
      client.Get()
      client.Get(undefined, { headers: { authorization: "x" } })
      // @ts-expect-error -- a string
      client.Increment({ by: "1" })
      // @ts-expect-error -- nothing in it
      client.Increment({})
      // @ts-expect-error -- no payload
      client.Increment()
      // @ts-expect-error -- no such operation
      client.Decrement({ by: 1 })
    }
    expectTypeOf(all).toBeFunction()
  })
})

describe("a middleware", () => {
  const Guarded = Plain.middleware(Auth)

  it("adds its errors to every operation, the client's own included", () => {
    type Client = Actor.Client<Actor.OperationsOf<typeof Guarded>>
    expectTypeOf<ReturnType<Client["Get"]>>().toEqualTypeOf<
      Effect.Effect<number, PortalError | Forbidden | "no token">
    >()
  })

  it("gives its service to the handlers, and is needed by the Layer with what it needs", () => {
    const layer = Guarded.toLayer({ Get: () => Effect.map(User, ({ name }) => name.length) })
    expectTypeOf(layer).toEqualTypeOf<Layer.Layer<Actor.Service<"Plain">, never, Auth | Accounts>>()
  })

  it("is the same on a single operation", () => {
    class Single extends Actor.make("Single", [Get.middleware(Auth)]) {}
    type Client = Actor.Client<Actor.OperationsOf<typeof Single>>
    expectTypeOf<ReturnType<Client["Get"]>>().toEqualTypeOf<
      Effect.Effect<number, PortalError | Forbidden | "no token">
    >()
    expectTypeOf<Rpc.MiddlewareClient<Actor.OperationsOf<typeof Single>>>().toEqualTypeOf<
      RpcMiddleware.ForClient<Auth>
    >()
  })
})

describe("stock effect/rpc", () => {
  const { group, handlers } = Actor.stock(Counter)

  it("is given calls and streams, and the handlers of both out of the actor's Layer", () => {
    expectTypeOf<RpcGroup.Rpcs<typeof group>["_tag"]>().toEqualTypeOf<
      "Increment" | "Get" | "Ticks"
    >()
    expectTypeOf(handlers).toEqualTypeOf<
      Layer.Layer<
        Rpc.Handler<"Increment"> | Rpc.Handler<"Get"> | Rpc.Handler<"Ticks">,
        never,
        Actor.Service<"Counter">
      >
    >()
  })

  it("is given the middleware with them", () => {
    expectTypeOf(Actor.stock(Plain.middleware(Auth)).handlers).toEqualTypeOf<
      Layer.Layer<Rpc.Handler<"Get"> | Auth, never, Actor.Service<"Plain">>
    >()
  })

  it("cannot serve a dialog: its handler is not among them", () => {
    const server = RpcServer.layer(Counter.group).pipe(Layer.provide(handlers))
    expectTypeOf<Layer.Services<typeof server>>().toEqualTypeOf<
      Rpc.Handler<"Chat"> | Actor.Service<"Counter"> | RpcServer.Protocol
    >()
  })
})
