/**
 * A world for tests: every actor is a fiber of this process, every byte crosses the real codec, and the test owns the
 * time.
 *
 * Answers for actors that share nothing (each is built with an empty context and a memo map of its own), and for
 * crashes and broken connections on demand. The protocol, the ladder and everything else are those of every world.
 */
import * as Clock from "effect/Clock"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type * as Scope from "effect/Scope"
import type { Program } from "../Actor.ts"
import { live } from "../ActorProgram.ts"
import { CurrentHub, makeHub } from "../Events.ts"
import type { ProcessExit } from "../ProcessExit.ts"
import type { ActorRef } from "../protocol/Identity.ts"
import { Spawner } from "../Spawner.ts"
import type { Spawned, SpawnRequest } from "../Spawner.ts"
import { SpawnError, StartFailed } from "../TreeError.ts"
import * as MemorySocket from "./MemorySocket.ts"
import * as SettlingClock from "./SettlingClock.ts"

interface Inhabitant {
  readonly actor: ActorRef
  readonly sever: () => void
  readonly die: (exit: ProcessExit) => void
}

/** What a test can do to its world, and see of it, from outside. */
export class TestWorld extends Context.Service<
  TestWorld,
  {
    /** What {@link crash} does. */
    readonly crash: (actor: ActorRef, exit?: ProcessExit) => Effect.Effect<void>
    /** What {@link sever} does. */
    readonly sever: (actor: ActorRef) => Effect.Effect<void>
    /** See {@link lives}. */
    readonly lives: Effect.Effect<ReadonlyArray<ActorRef>>
  }
>()("furrow/testing/TestWorld") {}

/**
 * Ends an actor as if its process had been killed: its connection is gone, nobody waits for its finalizers, and it
 * leaves with the exit given, `SIGKILL` by default. A fiber cannot really be killed: what it does in an uninterruptible
 * region it still does, unseen.
 */
export const crash = (
  portal: { readonly actor: ActorRef },
  exit?: ProcessExit
): Effect.Effect<void, never, TestWorld> =>
  Effect.flatMap(TestWorld, (world) => world.crash(portal.actor, exit))

/** Cuts an actor's connection to whoever spawned it; both ends live on until they notice. */
export const sever = (portal: {
  readonly actor: ActorRef
}): Effect.Effect<void, never, TestWorld> =>
  Effect.flatMap(TestWorld, (world) => world.sever(portal.actor))

/**
 * Who lives in this world now, in the order of birth. An actor lives until its last finalizer has run, also one that was
 * killed.
 */
export const lives: Effect.Effect<ReadonlyArray<ActorRef>, never, TestWorld> = Effect.flatMap(
  TestWorld,
  (world) => world.lives
)

/** What an actor sees of the test: the time, who runs its fibers, and where its spans and logs go. */
const seen: ReadonlySet<string> = new Set([
  Clock.Clock.key,
  Scheduler.Scheduler.key,
  Tracer.Tracer.key,
  Console.Console.key,
  References.CurrentLoggers.key,
  References.MinimumLogLevel.key,
  References.CurrentLogLevel.key
])

const exitOf: Record<"Stopped" | "Orphaned" | "Failed" | "Refused", number> = {
  Stopped: 0,
  Orphaned: 0,
  Failed: 1,
  Refused: 65
}

/** What a world may be made of, other than by default. */
export interface Options {
  /**
   * How the two ends of an actor's connection are joined; the scope is that of the child. Defaults to a connection in
   * memory.
   */
  readonly connect?: Effect.Effect<MemorySocket.JoinedEnds, never, Scope.Scope> | undefined
}

/** What a shell makes of SIGTERM. */
const TerminatedCode = 143

/**
 * A world in which these programs can be spawned, found by their actors. Under `TestClock` its time is the test's:
 * `TestClock.adjust` first lets everything that is under way arrive.
 *
 * **Example** (A test of one's own actor)
 *
 * ```ts
 * it.effect("counts", () =>
 *   Nursery.run(Effect.gen(function*() {
 *     const counter = yield* Nursery.spawn(Counter, { arguments: { from: 40 } })
 *     assert.strictEqual(yield* counter.client.Increment({ by: 2 }), 42)
 *   })).pipe(Effect.provide(TestWorld.layer([Counter.program(CounterLive)]))))
 * ```
 */
export const layer = (
  programs: ReadonlyArray<Program<Spawner>>,
  options?: Options
): Layer.Layer<Spawner | TestWorld> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const inhabitants = new Map<string, Inhabitant>()
      const time = yield* SettlingClock.make

      const spawn = (request: SpawnRequest) =>
        Effect.gen(function* () {
          const program = programs.find(({ actor }) => actor.actorName === request.actor.actorName)
          if (program === undefined) {
            const known = programs.map(({ actor }) => `"${actor.actorName}"`).join(", ")
            return yield* Effect.fail(
              new SpawnError({
                actor: request.path,
                reason: new StartFailed({
                  cause: Cause.die(
                    new Error(
                      `This test world has no program for the actor "${request.actor.actorName}"; it has ${known === "" ? "none" : known}. Give it one: TestWorld.layer([${request.actor.actorName}.program(…)])`
                    )
                  ),
                  stderr: ""
                })
              })
            )
          }
          const connection = yield* options?.connect ?? Effect.sync(MemorySocket.make)
          const gone = Deferred.makeUnsafe<ProcessExit>()
          const context = visible(yield* Effect.context<never>()).pipe(
            Context.merge(time),
            Context.add(Spawner, world),
            Context.add(CurrentHub, makeHub())
          )
          const incarnation = crypto.randomUUID()
          const fiber = Effect.runForkWith(context)(
            live(program, connection.accepted, { incarnation })
          )
          const inhabitant: Inhabitant = {
            actor: { path: request.path, incarnation },
            sever: connection.sever,
            die: (exit) => {
              Deferred.doneUnsafe(gone, Exit.succeed(exit))
              connection.sever()
              fiber.interruptUnsafe()
            }
          }
          inhabitants.set(incarnation, inhabitant)
          fiber.addObserver((end) => {
            inhabitants.delete(incarnation)
            const code = Exit.isSuccess(end) ? exitOf[end.value._tag] : TerminatedCode
            Deferred.doneUnsafe<ProcessExit, never>(gone, Exit.succeed({ code }))
            connection.close()
          })
          const kill = Effect.sync(() => inhabitant.die({ signal: "SIGKILL" }))
          yield* Effect.addFinalizer(() => kill)
          return {
            socket: connection.dialled,
            exit: Deferred.await(gone),
            terminate: Effect.sync(() => fiber.interruptUnsafe()),
            kill,
            pid: undefined,
            stdout: Stream.empty,
            stderr: Stream.empty,
            stderrTail: Effect.succeed("")
          } satisfies Spawned
        }).pipe(Effect.uninterruptible)

      const world = Spawner.of({ spawn })

      const find = (actor: ActorRef) =>
        Effect.suspend(() => {
          const inhabitant = inhabitants.get(actor.incarnation)
          return inhabitant === undefined
            ? Effect.die(new Error(`Nobody lives at "${actor.path}" in this test world.`))
            : Effect.succeed(inhabitant)
        })

      return Context.make(Spawner, world).pipe(
        Context.add(
          TestWorld,
          TestWorld.of({
            crash: (actor, exit = { signal: "SIGKILL" }) =>
              Effect.map(find(actor), (inhabitant) => inhabitant.die(exit)),
            sever: (actor) => Effect.map(find(actor), (inhabitant) => inhabitant.sever()),
            lives: Effect.sync(() => Array.from(inhabitants.values(), ({ actor }) => actor))
          })
        ),
        // The test's own root is told of nothing that happens in another test.
        Context.add(CurrentHub, makeHub()),
        Context.merge(time)
      )
    })
  )

const visible = (context: Context.Context<never>): Context.Context<never> =>
  Context.makeUnsafe(new Map([...context.mapUnsafe].filter(([key]) => seen.has(key))))
