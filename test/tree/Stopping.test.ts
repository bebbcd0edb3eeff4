/**
 * Waiting for the end of an actor is waiting for all of it: its process, and whatever is left of its group.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import { assert, it } from "@effect/vitest"
import * as NodeSpawner from "@furrow/node/NodeSpawner"
import * as Effect from "effect/Effect"
import { flow } from "effect/Function"
import type * as Scope from "effect/Scope"
import * as Nursery from "furrow/Nursery"
import type { PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import type { SpawnError } from "furrow/TreeError"
import { isAlive, killGroup } from "../node/Pids.ts"
import { Starter } from "./fixtures/starter.ts"

const main = new URL("./fixtures/starter.ts", import.meta.url)

/** In a block that does not wait long for programs that ignore SIGTERM. */
const live = flow(
  Effect.scoped<unknown, SpawnError | PortalError, Nursery.Nursery | Spawner | Scope.Scope>,
  Nursery.run(),
  Effect.provideService(NodeSpawner.GroupGrace, "50 millis"),
  Effect.provide(NodeActor.layer)
)

/** An actor, and a program of it that ignores SIGTERM. */
const starting = Effect.gen(function* () {
  const starter = yield* Nursery.spawn(Starter, { main })
  yield* Effect.addFinalizer(() => Effect.sync(() => killGroup(starter.pid!)))
  const program = yield* starter.client.Start()
  assert(isAlive(program))
  return { starter, program }
})

it.live("F7 a stop returns when the programs that the actor has started are gone, too", () =>
  Effect.gen(function* () {
    const { program, starter } = yield* starting
    yield* starter.stop
    assert(!isAlive(program))
  }).pipe(live)
)

it.live("F7 and so does the second stop, of an actor that is ending or gone", () =>
  Effect.gen(function* () {
    const { program, starter } = yield* starting
    const gone = Effect.sync(() => assert(!isAlive(program)))
    yield* Effect.all([Effect.andThen(starter.stop, gone), Effect.andThen(starter.stop, gone)], {
      concurrency: 2
    })
    yield* Effect.andThen(starter.stop, gone)
  }).pipe(live)
)

it.live("F7 an actor's exit is known when its programs are gone, too", () =>
  Effect.gen(function* () {
    const { program, starter } = yield* starting
    yield* Effect.forkChild(starter.stop, { startImmediately: true })
    yield* starter.exit
    assert(!isAlive(program))
  }).pipe(live)
)
