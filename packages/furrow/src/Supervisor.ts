/**
 * The supervisor: a block of children that are started again when they crash.
 *
 * Answers for its forms, a block, a daemon and a Layer, and for what each fails with. What it is made of is
 * `SupervisorSpec`'s, what it can be asked for `SupervisorHandle`'s, what happens when a child ends `Supervision`'s.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { reasonsOf } from "./Exits.ts"
import * as Life from "./Life.ts"
import * as Nursery from "./Nursery.ts"
import { Within } from "./NurseryKey.ts"
import type { Child, Restore } from "./NurseryKey.ts"
import type { Spawner } from "./Spawner.ts"
import { Supervision } from "./Supervision.ts"
import { handle, top } from "./SupervisorHandle.ts"
import type { Supervisor } from "./SupervisorHandle.ts"
import type { Children, Requirements, SupervisorOptions } from "./SupervisorSpec.ts"
import { ForkFailed, SpawnError } from "./TreeError.ts"
import type { ActorCrashed, Crash, RestartIntensityExceeded } from "./TreeError.ts"

export type { SupervisedPortal, SupervisedPortalOptions } from "./SupervisedPortal.ts"
export type { ChildState, Supervisor } from "./SupervisorHandle.ts"
export { child } from "./SupervisorSpec.ts"
export type { Children, Requirements, SupervisorOptions, SupervisorSpec } from "./SupervisorSpec.ts"

/** A supervisor as its block keeps it. */
interface Kept extends Child {
  readonly supervision: Supervision
}

/** From its first start to its last end. */
const begin = <C extends Children>(
  options: SupervisorOptions<C>,
  life: Life.Life,
  restore: Restore
): Effect.Effect<Kept, Crash, Spawner | Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const supervision = yield* Effect.sync(() => new Supervision(life, options))
    // It ends when it is asked to: interrupting it would lose what it fails with.
    const running = yield* Effect.forkDetach(Nursery.run(supervision.live), {
      uninterruptible: true
    })
    const over = Effect.map(Fiber.await(running), (exit) =>
      // The children are nobody else's: what its own block fails with is a defect.
      Exit.isFailure(exit) ? [...supervision.failures, ...defectsOf(exit)] : supervision.failures
    )
    const first = yield* Effect.exit(restore(Effect.raceFirst(supervision.ready, over)))
    if (Exit.isFailure(first) || (!supervision.isReady && supervision.failures.length > 0)) {
      supervision.stop()
      const reasons = yield* over
      const interrupted = reasonsOf(first)
      return yield* Effect.failCause(Cause.fromReasons([...interrupted, ...reasons]))
    }
    return {
      supervision,
      failing: supervision.failing,
      ended: Effect.map(over, (reasons) =>
        reasons.length === 0 ? undefined : new ForkFailed({ cause: Cause.fromReasons(reasons) })
      ),
      stop: (_by, several) =>
        Effect.flatMap(Within, (within) => {
          // Whoever ends the block from inside of it is not waited for.
          if (within.includes(scope)) return Effect.void
          supervision.stop(several)
          return over
        })
    }
  })

const defectsOf = (exit: Exit.Failure<unknown, unknown>): ReadonlyArray<Cause.Reason<never>> =>
  exit.cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) ? [Cause.makeDieReason(reason.error)] : [reason]
  )

/** Runs in an uninterruptible region of which `restore` is given. */
const keep = <C extends Children>(
  options: SupervisorOptions<C>,
  restore: Restore
): Effect.Effect<Supervision, Crash, Nursery.Nursery | Spawner> =>
  Effect.gen(function* () {
    const nursery = yield* Nursery.Nursery
    const life = yield* Life.CurrentLife
    if (life === undefined) return yield* Effect.die(new Error("There is no nursery's life."))
    const { supervision } = yield* nursery.adopt(
      "task",
      (own) => begin(options, life, own),
      (reason) => Effect.fail(new SpawnError({ actor: `${life.self.path}/supervisor`, reason })),
      restore
    )
    return supervision
  })

/**
 * Starts a supervisor that lives until it is shut down, or its block ends, and returns when every child is up. When it
 * gives up, it stops its children and ends the block: with `ForkFailed`, which holds the `RestartIntensityExceeded`. In
 * an actor's Layer it makes a tree of supervisors: the actor crashes with that reason, and its own supervisor starts it
 * again.
 *
 * Fails with `SpawnError` if a child does not come up for the first time, with `RestartIntensityExceeded` if one crashed
 * too often while others came up, and beside these with `ActorCrashed` if one failed while it ended with that; then
 * nothing is left. What a child fails with while it ends later with its supervisor ends the block.
 *
 * **Example** (A counter that the rest of the block can rely on)
 *
 * ```ts
 * const supervisor = yield* Supervisor.start({ children: { counter: ChildSpec.make(Counter, { main, arguments: { from: 40 } }) } })
 * const { client } = supervisor.portal("counter", { whenDown: "wait" })
 * yield* client.Increment({ by: 2 })
 * ```
 */
export const start = <const C extends Children>(
  options: SupervisorOptions<C>
): Effect.Effect<
  Supervisor<C>,
  SpawnError | RestartIntensityExceeded | ActorCrashed,
  Nursery.Nursery | Spawner | Requirements<C>
> =>
  Effect.map(
    Effect.uninterruptibleMask((restore) => keep(options, restore)),
    (supervision) => handle(top(supervision), options.children)
  )

/**
 * Runs a block with a supervisor: its children are up when the body begins, and gone when the block has ended. When the
 * supervisor gives up, the body is interrupted, and the block fails with `RestartIntensityExceeded`. When the body has
 * ended, children are stopped, the last started first. A supervisor that has shut down leaves the body running.
 *
 * Fails as {@link start} does if a child does not come up, and with `ActorCrashed` if one failed while it ended with the
 * block.
 *
 * **Example** (A worker that is started again when it crashes)
 *
 * ```ts
 * const program = Supervisor.run(
 *   { children: { counter: ChildSpec.make(Counter, { main, arguments: { from: 40 } }) } },
 *   (supervisor) => supervisor.portal("counter").client.Increment({ by: 2 })
 * )
 * ```
 */
export const run = <const C extends Children, A, E, R>(
  options: SupervisorOptions<C>,
  body: (supervisor: Supervisor<C>) => Effect.Effect<A, E, R>
): Effect.Effect<
  A,
  E | SpawnError | RestartIntensityExceeded | ActorCrashed,
  R | Spawner | Requirements<C>
> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const outside = yield* Effect.context<R>()
      let supervision: Supervision | undefined
      const block = Effect.gen(function* () {
        supervision = yield* Effect.uninterruptibleMask((own) => keep(options, own))
        // The body spawns, if it does, in a block of its own: what is here is supervised.
        return yield* Effect.provideContext(
          body(handle(top(supervision), options.children)),
          outside
        )
      })
      const exit = yield* Effect.exit(restore(Nursery.run(block)))
      if (Exit.isSuccess(exit)) return exit.value
      const own: ReadonlyArray<unknown> = supervision?.failures ?? []
      return yield* Effect.failCause(
        Cause.fromReasons(
          exit.cause.reasons.flatMap((reason): ReadonlyArray<Cause.Reason<unknown>> => {
            const error = Cause.isFailReason(reason) ? reason.error : undefined
            return error instanceof ForkFailed &&
              error.cause.reasons.every((reason) => own.includes(reason))
              ? error.cause.reasons
              : [reason]
          })
        )
      )
    })
  ) as never

/**
 * A supervisor as a Layer: gives it as a service, and shuts it down when the Layer's scope closes.
 *
 * **Example** (A program that needs a supervised counter)
 *
 * ```ts
 * const children = { counter: ChildSpec.make(Counter, { main, arguments: { from: 40 } }) }
 * class Counters extends Context.Service<Counters, Supervisor.Supervisor<typeof children>>()("Counters") {}
 * const CountersLive = Supervisor.layer(Counters, { children })
 * ```
 */
export const layer = <I, const C extends Children>(
  key: Context.Key<I, Supervisor<C>>,
  options: SupervisorOptions<C>
): Layer.Layer<
  I,
  SpawnError | RestartIntensityExceeded | ActorCrashed,
  Nursery.Nursery | Spawner | Requirements<C>
> =>
  Layer.effect(
    key,
    Effect.uninterruptibleMask((restore) =>
      Effect.acquireRelease(
        Effect.map(keep(options, restore), (supervision) =>
          handle(top(supervision), options.children)
        ),
        ({ shutDown }) => shutDown
      )
    )
  )
