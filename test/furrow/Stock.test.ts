/** An actor's calls and streams with stock effect/rpc over a stock protocol: without Furrow one can talk to actors. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Ref from "effect/Ref"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import * as MemorySocket from "furrow/testing/MemorySocket"
import * as TestWorld from "furrow/testing/TestWorld"

class TooMuch extends Schema.TaggedError<TooMuch>()("TooMuch", { by: Schema.Int }) {}
class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {}) {}
class User extends Context.Service<User, string>()("test/User") {}

/** Knows who calls by a header. */
class Auth extends RpcMiddleware.Service<Auth, { provides: User }>()("test/Auth", {
  error: Forbidden
}) {}

const Increment = Rpc.make("Increment", {
  payload: { by: Schema.Int },
  success: Schema.Int,
  error: TooMuch
})
const UpTo = Rpc.make("UpTo", { payload: { n: Schema.Int }, success: Schema.Int, stream: true })
const WhoAmI = Rpc.make("WhoAmI", { success: Schema.String }).middleware(Auth)
const Talk = Dialog.make("Talk", { fromCaller: Schema.Int })

class Counter extends Actor.make("Counter", [Increment, UpTo, WhoAmI, Talk], {
  arguments: { from: Schema.Int }
}) {}

const CounterLive = Counter.toLayer(
  Effect.gen(function* () {
    const { from } = yield* Counter.Arguments
    const count = yield* Ref.make(from)
    return Counter.of({
      Increment: ({ by }) =>
        by > 100 ? Effect.fail(new TooMuch({ by })) : Ref.updateAndGet(count, (n) => n + by),
      UpTo: ({ n }) => Stream.range(1, n),
      WhoAmI: () => User,
      Talk: (_, dialog) => Effect.asVoid(dialog.accept())
    })
  })
).pipe(
  Layer.provide(
    Layer.succeed(Auth)((effect, { headers }) =>
      headers["user"] === undefined
        ? Effect.fail(new Forbidden())
        : Effect.provideService(effect, User, headers["user"])
    )
  )
)

/** A stock socket server and a stock socket, joined in memory. */
const wire = () => {
  const { accepted, dialled } = MemorySocket.make()
  return {
    server: Layer.succeed(SocketServer.SocketServer)({
      address: NetAddress.unixPathAddress("memory"),
      run: (handler) => Effect.andThen(Effect.exit(handler(accepted)), Effect.never)
    }),
    socket: Layer.succeed(Socket.Socket)(dialled)
  }
}

const { group, handlers } = Actor.stock(Counter)

/** What serves the actor's operations with nothing but stock effect/rpc. */
const serverOn = (server: Layer.Layer<SocketServer.SocketServer>) =>
  RpcServer.layer(group).pipe(
    Layer.provide([handlers, Layer.provide(RpcServer.layerProtocolSocketServer, server)])
  )

const clientOn = (socket: Layer.Layer<Socket.Socket>) =>
  Layer.provide(RpcClient.layerProtocolSocket(), socket)

const talk = Effect.gen(function* () {
  const client = yield* RpcClient.make(group)
  expect(yield* client.Increment({ by: 2 })).toBe(42)
  expect(yield* Stream.runCollect(client.UpTo({ n: 3 }))).toStrictEqual([1, 2, 3])
  const failed = yield* Effect.flip(client.Increment({ by: 101 }))
  expect(failed).toStrictEqual(new TooMuch({ by: 101 }))
  expect(failed).toBeInstanceOf(TooMuch)
  expect(yield* client.WhoAmI(undefined, { headers: { user: "ada" } })).toBe("ada")
  expect(yield* Effect.flip(client.WhoAmI())).toBeInstanceOf(Forbidden)
  return yield* client.Increment({ by: 0 })
})

describe("stock effect/rpc", () => {
  it.effect("serves an actor's calls and streams by its Layer alone", () => {
    const { server, socket } = wire()
    const served = serverOn(server).pipe(
      Layer.provide(Layer.provide(CounterLive, Layer.succeed(Counter.Arguments)({ from: 40 })))
    )
    return talk.pipe(
      Effect.map((n) => expect(n).toBe(42)),
      Effect.scoped,
      Effect.provide(
        Layer.provide(Layer.merge(served, clientOn(socket)), RpcSerialization.layerNdjson)
      )
    )
  })

  it.effect("serves them beside the actor's own sessions, over the same state", () => {
    const { server, socket } = wire()
    // The actor opens a door for strangers of its own.
    const program = Counter.program(
      Layer.provideMerge(serverOn(server), CounterLive).pipe(
        Layer.provide(RpcSerialization.layerNdjson)
      )
    )
    return Nursery.run(
      Effect.gen(function* () {
        const { client } = yield* Nursery.spawn(Counter, { arguments: { from: 40 } })
        expect(
          yield* talk.pipe(
            Effect.scoped,
            Effect.provide(Layer.provide(clientOn(socket), RpcSerialization.layerNdjson))
          )
        ).toBe(42)
        expect(yield* client.Increment({ by: 1 })).toBe(43)
      })
    ).pipe(Effect.provide(TestWorld.layer([program])))
  })

  it("has no dialogs: they need a session", () => {
    expect([...group.requests.keys()]).toStrictEqual(["Increment", "UpTo", "WhoAmI"])
  })

  it.effect("tells of a handler's bug as a defect, and serves on", () => {
    const { server, socket } = wire()
    class Buggy extends Actor.make("Buggy", [Increment, UpTo]) {}
    const buggy = Actor.stock(Buggy)
    const served = RpcServer.layer(buggy.group, { disableFatalDefects: true }).pipe(
      Layer.provide([buggy.handlers, Layer.provide(RpcServer.layerProtocolSocketServer, server)]),
      Layer.provide(
        Buggy.toLayer({
          Increment: () => Effect.die(new Error("a bug")),
          UpTo: () => Stream.make(1)
        })
      )
    )
    return Effect.gen(function* () {
      const client = yield* RpcClient.make(buggy.group)
      const exit = yield* Effect.exit(client.Increment({ by: 1 }))
      expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toBe("Error: a bug")
      expect(yield* Stream.runCollect(client.UpTo({ n: 1 }))).toStrictEqual([1])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.provide(Layer.merge(served, clientOn(socket)), RpcSerialization.layerNdjson)
      )
    )
  })
})
