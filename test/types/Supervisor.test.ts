/** What a supervisor is made of, and what its children's names and types then allow. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Actor from "furrow/Actor"
import * as ChildSpec from "furrow/ChildSpec"
import type * as Nursery from "furrow/Nursery"
import type { PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import * as Supervisor from "furrow/Supervisor"
import type { ActorCrashed, RestartIntensityExceeded, SpawnError } from "furrow/TreeError"
import { describe, expectTypeOf, it } from "vitest"
import { Auth, Counter, Plain } from "./fixtures.ts"

type CounterOperations = Actor.OperationsOf<typeof Counter>
type PlainOperations = Actor.OperationsOf<typeof Plain>

const children = {
  counter: ChildSpec.make(Counter, { arguments: { from: 1 } }),
  plain: ChildSpec.make(Plain),
  group: Supervisor.child({ children: { inner: ChildSpec.make(Plain, { serve: Plain }) } })
}

declare const supervisor: Supervisor.Supervisor<typeof children>

describe("a child's spec", () => {
  it("takes what the actor takes, and how it is kept", () => {
    expectTypeOf(ChildSpec.make(Plain)).toEqualTypeOf<ChildSpec.ChildSpec<PlainOperations>>()
    ChildSpec.make(Counter, { arguments: { from: 1 }, restart: "temporary", grace: "1 second" })
    // @ts-expect-error -- no arguments
    ChildSpec.make(Counter, { restart: "permanent" })
    // @ts-expect-error -- no options, so no arguments
    ChildSpec.make(Counter)
    // @ts-expect-error -- no such way to be kept
    ChildSpec.make(Plain, { restart: "always" })
  })

  it("that is permanent cannot be significant", () => {
    ChildSpec.make(Plain, { restart: "transient", significant: true })
    // @ts-expect-error -- it never ends for good
    ChildSpec.make(Plain, { restart: "permanent", significant: true })
    // @ts-expect-error -- nor by default
    ChildSpec.make(Plain, { significant: true })
  })

  it("says what its start needs", () => {
    expectTypeOf(ChildSpec.make(Plain, { serve: Plain })).toEqualTypeOf<
      ChildSpec.ChildSpec<PlainOperations, Actor.Service<"Plain">>
    >()
    const guarded = Supervisor.start({ children: { one: ChildSpec.make(Plain.middleware(Auth)) } })
    // @ts-expect-error -- the middleware's side in the client
    const open: Effect.Effect<unknown, unknown, Nursery.Nursery | Spawner> = guarded
    expectTypeOf(open).toBeObject()
  })
})

describe("a supervisor", () => {
  it("fails with what its children, and its body, may fail with, and needs what their starts need", () => {
    const run = Supervisor.run({ children }, ({ portal }) => portal("plain").client.Get())
    expectTypeOf(run).toEqualTypeOf<
      Effect.Effect<
        number,
        PortalError | SpawnError | RestartIntensityExceeded | ActorCrashed,
        Spawner | Actor.Service<"Plain">
      >
    >()
    expectTypeOf(Supervisor.start({ children: { plain: children.plain } })).toExtend<
      Effect.Effect<
        unknown,
        SpawnError | RestartIntensityExceeded | ActorCrashed,
        Nursery.Nursery | Spawner
      >
    >()
    // @ts-expect-error -- nobody gives a Nursery
    const daemon: Effect.Effect<unknown, unknown, Spawner> = Supervisor.start({ children: {} })
    expectTypeOf(daemon).toBeObject()
  })

  it("gives portals by its children's names, with their operations", () => {
    expectTypeOf(supervisor.portal("counter")).toEqualTypeOf<
      Supervisor.SupervisedPortal<CounterOperations>
    >()
    expectTypeOf(supervisor.portal("plain", { whenDown: "wait" }).client.Get()).toEqualTypeOf<
      Effect.Effect<number, PortalError>
    >()
    expectTypeOf(supervisor.portal("plain").current).toEqualTypeOf<
      Effect.Effect<Actor.Portal<PlainOperations>, PortalError>
    >()
    // @ts-expect-error -- no such child
    supervisor.portal("nobody")
    // @ts-expect-error -- that is a supervisor
    supervisor.portal("group")
  })

  it("gives those below it by their names, with their own children", () => {
    expectTypeOf(supervisor.below("group").portal("inner")).toEqualTypeOf<
      Supervisor.SupervisedPortal<PlainOperations>
    >()
    // @ts-expect-error -- that is an actor
    supervisor.below("plain")
    // @ts-expect-error -- no such child there
    supervisor.below("group").portal("plain")
  })

  it("takes further children, whose starts may need more", () => {
    expectTypeOf(supervisor.start("more", ChildSpec.make(Plain, { serve: Plain }))).toEqualTypeOf<
      Effect.Effect<
        Supervisor.SupervisedPortal<PlainOperations>,
        SpawnError,
        Spawner | Actor.Service<"Plain">
      >
    >()
    expectTypeOf(supervisor.stop("more")).toEqualTypeOf<Effect.Effect<void, ActorCrashed>>()
    expectTypeOf(supervisor.restart("plain")).toEqualTypeOf<Effect.Effect<void, SpawnError>>()
  })

  it("knows its options, and its backoff the crash", () => {
    Supervisor.run(
      {
        children,
        strategy: "rest-for-one",
        backoff: Schedule.spaced("1 second").pipe(
          Schedule.setInputType<ActorCrashed | SpawnError | RestartIntensityExceeded>()
        )
      },
      () => supervisor.ended
    )
    // @ts-expect-error -- no such strategy
    Supervisor.run({ children, strategy: "one-for-two" }, () => supervisor.ended)
    // @ts-expect-error -- a schedule for something else
    Supervisor.run({ children, backoff: Schedule.identity<number>() }, () => supervisor.ended)
  })

  it("is a Layer of a service of its own", () => {
    class Counters extends Context.Service<
      Counters,
      Supervisor.Supervisor<{ readonly plain: ChildSpec.ChildSpec<PlainOperations> }>
    >()("types/Counters") {}
    expectTypeOf(Supervisor.layer(Counters, { children: { plain: children.plain } })).toEqualTypeOf<
      Layer.Layer<
        Counters,
        SpawnError | RestartIntensityExceeded | ActorCrashed,
        Nursery.Nursery | Spawner
      >
    >()
  })
})
