/** What a program without Effect has of an actor: promises, async iterables, and the services it has to give. */
import * as Furrow from "@furrow/node/Furrow"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import type * as Actor from "furrow/Actor"
import { describe, expectTypeOf, it } from "vitest"
import { type Accounts, Auth, Counter, Get, Plain } from "./fixtures.ts"

declare const tree: Furrow.Tree

describe("a client without Effect", () => {
  it("has promises for calls, async iterables for streams, and an object for a dialog", () => {
    type Client = Furrow.Client<Actor.OperationsOf<typeof Counter>>
    expectTypeOf<ReturnType<Client["Increment"]>>().toEqualTypeOf<Promise<number>>()
    expectTypeOf<ReturnType<Client["Get"]>>().toEqualTypeOf<Promise<number>>()
    expectTypeOf<ReturnType<Client["Ticks"]>>().toEqualTypeOf<AsyncIterable<number>>()
    expectTypeOf<ReturnType<Client["Chat"]>>().toEqualTypeOf<
      Promise<Furrow.Dialog<string, string, number, boolean>>
    >()
  })

  it("takes the payload that the operation takes, and a signal", async () => {
    const { client } = await tree.spawn(Counter, { arguments: { from: 1 } })
    const { signal } = new AbortController()
    void client.Increment({ by: 1 }, { signal })
    void client.Get()
    void client.Get(undefined, { signal })
    // @ts-expect-error -- a string
    void client.Increment({ by: "1" })
    // @ts-expect-error -- no payload
    void client.Increment()
    // @ts-expect-error -- a slip
    void client.Get(undefined, { single: signal })
    // @ts-expect-error -- no such operation
    void client.Decrement({ by: 1 })
  })

  it("is no client of Effect, and each kind of operation is used as what it is", async () => {
    const { client } = await tree.spawn(Counter, { arguments: { from: 1 } })
    // @ts-expect-error -- a promise
    void Effect.runPromise(client.Get())
    // @ts-expect-error -- a stream is iterated
    void client.Ticks({ every: 1 }).then(() => {})
    expectTypeOf(client.Get()).not.toExtend<AsyncIterable<unknown>>()
    // @ts-expect-error -- a dialog is opened first
    void client.Chat({ room: "lobby" }).send("hello")
  })

  it("sends what the callee takes, and nothing else", async () => {
    const { client } = await tree.spawn(Counter, { arguments: { from: 1 } })
    await using chat = await client.Chat({ room: "lobby" })
    expectTypeOf(chat.started).toEqualTypeOf<string>()
    expectTypeOf(chat.messages).toEqualTypeOf<AsyncIterable<number>>()
    expectTypeOf(chat.result()).toEqualTypeOf<Promise<boolean>>()
    void chat.send("hello")
    // @ts-expect-error -- a number
    void chat.send(1)
  })
})

describe("spawning without Effect", () => {
  it("takes the arguments that the actor takes", () => {
    void tree.spawn(Counter, { arguments: { from: 1 } })
    void tree.spawn(Plain)
    // @ts-expect-error -- no arguments
    void tree.spawn(Counter)
    // @ts-expect-error -- a string
    void tree.spawn(Counter, { arguments: { from: "1" } })
    // @ts-expect-error -- a slip
    void tree.spawn(Plain, { graze: "1 second" })
  })

  it("gives what the one operation of a one-shot gives", () => {
    expectTypeOf(
      tree.call(Counter, ({ Increment }) => Increment({ by: 1 }), { arguments: { from: 1 } })
    ).toEqualTypeOf<Promise<number>>()
  })

  it("takes definitions, and one operation at a time of those that it knows", () => {
    // @ts-expect-error -- an operation is no actor
    void tree.spawn(Get)
    // @ts-expect-error -- no such operation
    void tree.call(Plain, (client) => client.Increment({ by: 1 }))
    // @ts-expect-error -- no promise
    void tree.call(Plain, () => 1)
  })

  it("with what is served, or with middleware, needs a tree that was given the service", async () => {
    class Guarded extends Plain.middleware(Auth) {}
    // @ts-expect-error -- nobody serves it
    void tree.spawn(Plain, { serve: Counter })
    // @ts-expect-error -- nobody gives the client's side of the middleware
    void tree.spawn(Guarded)
    const served = await Furrow.open({
      services: {} as Layer.Layer<Actor.Service<"Counter">>
    })
    void served.spawn(Plain, { serve: Counter })
    const guarded = await Furrow.open({
      services: {} as Layer.Layer<RpcMiddleware.ForClient<Auth>>
    })
    void guarded.spawn(Guarded)
  })

  it("is opened with services that can be built, and with options that are its own", () => {
    // Nobody gives what the Layer needs.
    expectTypeOf<{
      services: Layer.Layer<never, never, Accounts>
    }>().not.toExtend<Furrow.Options>()
    expectTypeOf<{ services: Layer.Layer<never> }>().toExtend<Furrow.Options>()
    // @ts-expect-error -- its body is the program's own
    void Furrow.open({ onBodyEnd: "wait" })
    // @ts-expect-error -- a slip
    void Furrow.open({ signal: true })
    // @ts-expect-error -- whoever closes it waits as long as that takes
    void Furrow.open({ patience: "1 second" })
    // @ts-expect-error -- no promise
    void Furrow.run(() => 1)
  })

  it("outlives no function that it was opened for", () => {
    expectTypeOf(Furrow.run(async (_tree) => 1)).toEqualTypeOf<Promise<number>>()
    // @ts-expect-error -- whoever has not opened it cannot close it
    void Furrow.run(async (tree) => tree.close())
  })
})
