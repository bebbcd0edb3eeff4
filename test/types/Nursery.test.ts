/** Where actors may be spawned, and what spawning takes, needs and fails with. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import type * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"
import * as Portal from "furrow/Portal"
import type { Spawner } from "furrow/Spawner"
import type { ActorCrashed, ForkFailed, SpawnError } from "furrow/TreeError"
import { describe, expectTypeOf, it } from "vitest"
import { Accounts, Auth, Counter, Plain } from "./fixtures.ts"

type PlainPortal = Actor.Portal<Actor.OperationsOf<typeof Plain>>

describe("spawning", () => {
  it("outside of a nursery does not compile", () => {
    // @ts-expect-error -- nobody gives a Nursery
    const daemon: Effect.Effect<unknown, unknown, Spawner> = Nursery.spawn(Plain)
    // @ts-expect-error -- nor here
    const oneShot: Effect.Effect<unknown, unknown, Spawner> = Nursery.call(Plain, ({ Get }) =>
      Get()
    )
    expectTypeOf([daemon, oneShot]).toBeArray()
  })

  it("inside of one needs a world to run in, and nothing else", () => {
    expectTypeOf(Nursery.spawn(Plain)).toEqualTypeOf<
      Effect.Effect<PlainPortal, SpawnError, Nursery.Nursery | Spawner>
    >()
    expectTypeOf(Nursery.run(Nursery.spawn(Plain))).toEqualTypeOf<
      Effect.Effect<PlainPortal, SpawnError | ActorCrashed | ForkFailed, Spawner>
    >()
    expectTypeOf(Nursery.spawn(Plain).pipe(Nursery.run({ onBodyEnd: "wait" }))).toEqualTypeOf<
      Effect.Effect<PlainPortal, SpawnError | ActorCrashed | ForkFailed, Spawner>
    >()
  })

  it("takes the arguments that the actor takes", () => {
    Nursery.spawn(Counter, { arguments: { from: 1 } })
    // @ts-expect-error -- a string
    Nursery.spawn(Counter, { arguments: { from: "1" } })
    // @ts-expect-error -- no arguments
    Nursery.spawn(Counter, {})
    // @ts-expect-error -- no options, so no arguments
    Nursery.spawn(Counter)
  })

  it("ONE-11 the wrong number of arguments is a type error, also for a one-shot", () => {
    Nursery.call(Counter, ({ Get }) => Get(), { arguments: { from: 1 } })
    // @ts-expect-error -- one too few
    Nursery.call(Counter, ({ Get }) => Get(), { arguments: {} })
    // @ts-expect-error -- one too many
    Nursery.call(Counter, ({ Get }) => Get(), { arguments: { from: 1, to: 2 } })
    // @ts-expect-error -- none at all
    Nursery.call(Counter, ({ Get }) => Get())
  })

  it("takes no arguments for an actor without any", () => {
    Nursery.spawn(Plain)
    Nursery.spawn(Plain, { name: "other" })
    // @ts-expect-error -- Plain takes none
    Nursery.spawn(Plain, { arguments: { from: 1 } })
  })

  it("knows its options", () => {
    // @ts-expect-error -- a slip
    Nursery.spawn(Plain, { graze: "1 second" })
    // @ts-expect-error -- no such way to treat output
    Nursery.spawn(Plain, { stdout: "print" })
  })

  it("with `serve` needs the service that is served", () => {
    expectTypeOf(Nursery.spawn(Plain, { serve: Plain })).toEqualTypeOf<
      Effect.Effect<PlainPortal, SpawnError, Nursery.Nursery | Spawner | Actor.Service<"Plain">>
    >()
    expectTypeOf(Nursery.spawn(Counter, { arguments: { from: 1 }, serve: Plain })).toExtend<
      Effect.Effect<unknown, SpawnError, Nursery.Nursery | Spawner | Actor.Service<"Plain">>
    >()
  })

  it("needs the client's side of a middleware that asks for it", () => {
    const Guarded = Plain.middleware(Auth)
    expectTypeOf<Effect.Services<ReturnType<typeof spawnGuarded>>>().toEqualTypeOf<
      Nursery.Nursery | Spawner | RpcMiddleware.ForClient<Auth>
    >()
    const spawnGuarded = () => Nursery.spawn(Guarded)
    expectTypeOf<Effect.Services<ReturnType<typeof callParent>>>().toEqualTypeOf<
      Actor.Self | RpcMiddleware.ForClient<Auth>
    >()
    const callParent = () => Portal.parent(Guarded)
  })
})

describe("a one-shot", () => {
  it("gives the operation's value, and fails with its errors and SpawnError", () => {
    const call = Nursery.call(Plain, ({ Get }) => Effect.map(Get(), (n) => `${n}`))
    expectTypeOf<Effect.Success<typeof call>>().toEqualTypeOf<string>()
    expectTypeOf<Effect.Services<typeof call>>().toEqualTypeOf<Nursery.Nursery | Spawner>()
  })

  it("keeps the requirements of what is done with it", () => {
    const call = Nursery.call(Plain, () => Accounts)
    expectTypeOf<Effect.Services<typeof call>>().toEqualTypeOf<
      Nursery.Nursery | Spawner | Accounts
    >()
  })
})

describe("a child as a Layer", () => {
  it("gives its portal, fails with SpawnError, and needs a nursery", () => {
    expectTypeOf(Nursery.layer(Counter, { arguments: { from: 1 } })).toEqualTypeOf<
      Layer.Layer<Actor.PortalOf<"Counter">, SpawnError, Nursery.Nursery | Spawner>
    >()
    expectTypeOf<Effect.Success<typeof Plain.Portal>>().toEqualTypeOf<PlainPortal>()
    // @ts-expect-error -- no arguments
    Nursery.layer(Counter)
  })
})

describe("a nursery's other words", () => {
  it("need a nursery", () => {
    expectTypeOf(Nursery.cancel).toEqualTypeOf<Effect.Effect<void, never, Nursery.Nursery>>()
    // @ts-expect-error -- nobody gives a Nursery
    Effect.runFork(Nursery.fork(Effect.void))
  })

  it("give the fork's fiber, with its error", () => {
    Effect.gen(function* () {
      const fiber = yield* Nursery.fork(Effect.fail("x" as const))
      expectTypeOf(fiber).toExtend<Fiber.Fiber<never, "x">>()
    })
  })
})
