/**
 * The block that owns actors: nothing outlives it, and the first crash ends it.
 *
 * Answers for when a block ends, what it fails with, and for the doors by which it is asked. What it owns is kept in its
 * `Block`; bringing an actor up and down is `launch`'s; repairing crashes, instead of ending with them, `Supervisor`'s.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Self } from "./Actor.ts"
import type { AnyDefinition, Client, Definition, Handlers, Portal, PortalOf } from "./Actor.ts"
import { Block } from "./Block.ts"
import { ContractBroken } from "./Dialog.ts"
import { isEcho, isOurDoing, reasonsWithin, tellsOfCrash } from "./Echoes.ts"
import { reasonsOf, withNotesOf } from "./Exits.ts"
import { launch } from "./launch.ts"
import type { Launched, LaunchOptions } from "./launch.ts"
import * as Life from "./Life.ts"
import { Nursery, Within } from "./NurseryKey.ts"
import type { Child, Restore } from "./NurseryKey.ts"
import type * as NurseryLimits from "./NurseryLimits.ts"
import { shown } from "./protocol/Identity.ts"
import type { LifeOptions, ProcessOptions, Spawner } from "./Spawner.ts"
import { ActorCrashed, ForkFailed, SpawnError } from "./TreeError.ts"
import * as Waits from "./Waits.ts"

export { Nursery } from "./NurseryKey.ts"
export type { Child, NurseryService } from "./NurseryKey.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The block
// ---------------------------------------------------------------------------------------------------------------------

/** How a nursery's block is to behave. */
export interface NurseryOptions {
  /**
   * What becomes of daemons when the body has ended well and every fork with it: `stop` them, the last started first
   * (the default), or `wait` until they have ended by themselves, or by their portals' `stop`.
   */
  readonly onBodyEnd?: "stop" | "wait" | undefined
  /**
   * In which order daemons are stopped when the body has ended well: in `reverse` order of their start, one after the
   * other (the default), or `together`. Those for which there is no time one after the other are stopped together, too,
   * and so are those that are left when the block is interrupted.
   */
  readonly stopOrder?: "reverse" | "together" | undefined
  /** How many actors the block takes; what is left out is as for whoever spawns (`NurseryLimits`). */
  readonly limits?: Partial<NurseryLimits.NurseryLimits> | undefined
}

/**
 * Runs a block of a life. The body is as interruptible as the caller allows.
 *
 * @internal
 */
export const runIn = <A, E, R>(
  life: Life.Life,
  body: Effect.Effect<A, E, R>,
  options?: NurseryOptions
): Effect.Effect<A, E | ActorCrashed | ForkFailed, Exclude<R, Nursery | Self>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const block = new Block(life, options?.limits ?? {}, yield* Life.CurrentGrace, yield* Within)
      const given = Context.make(Nursery, block).pipe(
        Context.add(Self, life.self),
        Context.add(Life.CurrentLife, life)
      )
      const running = yield* Effect.forkChild(restore(Effect.provideContext(body, given)), {
        uninterruptible: "inherit",
        startImmediately: true
      })
      const reasons: Array<Cause.Reason<E | ActorCrashed | ForkFailed>> = []
      let interrupted = false
      /** Waits as the caller allows, until something fails; false if the block must end now. */
      const undisturbed = (wait: Effect.Effect<unknown>) =>
        Effect.map(
          Effect.exit(
            restore(Effect.raceFirst(Effect.asVoid(wait), Deferred.await(block.failing)))
          ),
          (exit) => {
            if (Exit.isFailure(exit)) {
              interrupted = true
              reasons.push(...exit.cause.reasons)
            }
            return Exit.isSuccess(exit) && !Deferred.isDoneUnsafe(block.failing)
          }
        )

      const bodyEnded = yield* undisturbed(Fiber.await(running))
      const endedWell =
        bodyEnded &&
        Exit.isSuccess(yield* Fiber.await(running)) &&
        (yield* undisturbed(block.forksEnded)) &&
        (options?.onBodyEnd !== "wait" || (yield* undisturbed(block.empty)))

      if (endedWell) {
        const order = options?.stopOrder ?? "reverse"
        const stopped = yield* Effect.exit(restore(block.stopDaemons(order)))
        reasons.push(...reasonsOf(stopped))
        // There is no time for an order any more.
        if (Exit.isFailure(stopped)) yield* block.cancel
      } else if (interrupted) yield* Effect.andThen(Fiber.interrupt(running), block.cancel)
      else
        yield* Effect.all([Fiber.interrupt(running), block.cancel], {
          concurrency: "unbounded",
          discard: true
        })

      const ended = yield* Fiber.await(running)
      yield* Scope.close(block.scope, Exit.void)
      const all = reasonsOf(ended)
      const own = all.filter((reason) => bodyEnded || !isOurDoing(reason, life))
      const kept = own.filter((reason) => !tellsOfCrash(reason, block.failures))
      const echoes = block.failures.filter((failure) => isEcho(failure, block.failures, own))
      reasons.push(...kept, ...block.failures.filter((failure) => !echoes.includes(failure)))
      const untold = [
        ...all.filter((reason) => !kept.includes(reason)),
        ...echoes.flatMap(reasonsWithin)
      ]
      const told = withNotesOf(untold, reasons)
      return told.length === 0 ? yield* ended : yield* Effect.failCause(Cause.fromReasons(told))
    })
  )

/** A root: a tree that begins here. */
const newRoot = (): Life.Life =>
  Life.make({ name: "root", path: "root", incarnation: crypto.randomUUID(), ancestors: [] })

/**
 * Opens a block that owns actors. When it returns, every actor spawned in it has run its finalizers (or was killed at
 * the end of the ladder), has exited and has been reaped.
 *
 * The crash of a daemon, or the failure of a fiber started with {@link fork}, interrupts the body, cancels everything
 * else, waits for it, and fails the block. One failure surfaces as it is; several, and the body's own, are kept
 * together in one Cause, the body's first. When the body has ended well, the block waits for forks, then stops daemons,
 * the last started first.
 *
 * Outside of any tree the block is the root of a new one. The body is as interruptible as the caller of the block
 * allows: inside an uninterruptible region it cannot be ended from outside. No signal handler is installed; that is
 * `NodeActor.runMain`'s.
 *
 * **Example** (A counter for the length of a block)
 *
 * ```ts
 * const program = Nursery.run(Effect.gen(function*() {
 *   const counter = yield* Nursery.spawn(Counter, { main: new URL("./counter.main.ts", import.meta.url), arguments: { from: 40 } })
 *   return yield* counter.client.Increment({ by: 2 })
 * }))
 * ```
 */
export const run: {
  (
    options?: NurseryOptions
  ): <A, E, R>(
    body: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | ActorCrashed | ForkFailed, Exclude<R, Nursery | Self>>
  <A, E, R>(
    body: Effect.Effect<A, E, R>,
    options?: NurseryOptions
  ): Effect.Effect<A, E | ActorCrashed | ForkFailed, Exclude<R, Nursery | Self>>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(body: Effect.Effect<A, E, R>, options?: NurseryOptions) =>
    Effect.flatMap(Life.CurrentLife, (life) => runIn(life ?? newRoot(), body, options))
)

// ---------------------------------------------------------------------------------------------------------------------
// What a block is asked for
// ---------------------------------------------------------------------------------------------------------------------

/** A definition whose operations a child may call; its handlers are in the context, as its `Service`. */
export interface Served<S> {
  readonly Service: Context.Key<S, Handlers>
}

/** How an actor is to be started: its arguments, if it takes any, and everything that has a default. */
export type SpawnOptions<Args extends Schema.Top, S = never> = LifeOptions &
  ProcessOptions &
  ([Args] extends [Schema.Void]
    ? { readonly arguments?: undefined }
    : {
        /** The values that the actor's Layer gets as its `Arguments`. */
        readonly arguments: Args["Type"]
      }) & {
    /**
     * A definition whose operations the child may call over the same connection, with `Portal.parent`. Needs its
     * `Service`. Defaults to none.
     */
    readonly serve?: (Served<S> & AnyDefinition) | undefined
  }

/** The options are required if the actor takes arguments. */
type SpawnParameters<Args extends Schema.Top, S> = [Args] extends [Schema.Void]
  ? [options?: SpawnOptions<Args, S>]
  : [options: SpawnOptions<Args, S>]

/**
 * Brings up an actor in the current block. Whoever gets it has it, also if an interruption came at that very moment;
 * whoever asks for a one-shot has to finish it.
 *
 * @internal
 */
export const bringUp = (
  actor: AnyDefinition,
  options: LaunchOptions,
  keeping: "daemon" | "one-shot",
  restore: Restore
): Effect.Effect<Launched, SpawnError, Nursery | Spawner> =>
  Effect.gen(function* () {
    const nursery = yield* Nursery
    const life = (yield* Life.CurrentLife) ?? newRoot()
    const path = `${life.self.path}/${options.name ?? actor.actorName}`
    return yield* nursery.adopt(
      keeping,
      (own) => launch(actor, life, options, own),
      (reason) => Effect.fail(new SpawnError({ actor: shown(path), reason })),
      restore
    )
  })

/**
 * Starts an actor that lives until it is stopped or its block ends, and returns when its Layer is built. Its crash ends
 * the block.
 */
export const spawn = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top, S = never>(
  actor: Definition<Name, Ops, Args>,
  ...[options]: SpawnParameters<Args, S>
): Effect.Effect<Portal<Ops>, SpawnError, Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.map(
      bringUp(actor, options ?? {}, "daemon", restore),
      ({ portal }) => portal as Portal<Ops>
    )
  ) as Effect.Effect<Portal<Ops>, SpawnError, Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S>

/**
 * Starts an actor, uses it once, and ends it; returns when it has been reaped. It belongs to the fiber that calls: its
 * crash is that fiber's `Disconnected` and no failure of the block. What it fails with while it ends, after its use, is
 * a defect beside the result's own reasons.
 *
 * **Example** (One operation in a process of its own)
 *
 * ```ts
 * const sum = yield* Nursery.call(Counter, (client) => client.Increment({ by: 2 }), { main, arguments: { from: 40 } })
 * ```
 */
export const call = <
  Name extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  A,
  E,
  R,
  S = never
>(
  actor: Definition<Name, Ops, Args>,
  use: (client: Client<Ops>) => Effect.Effect<A, E, R>,
  ...[options]: SpawnParameters<Args, S>
): Effect.Effect<A, E | SpawnError, R | Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { finish, portal, ref } = yield* bringUp(actor, options ?? {}, "one-shot", restore)
      const used = yield* Effect.exit(
        restore(Effect.suspend(() => use(portal.client as Client<Ops>)))
      )
      const cause = yield* finish
      if (cause === undefined) return yield* used
      return yield* Effect.failCause(
        Cause.fromReasons([
          ...reasonsOf(used),
          Cause.makeDieReason(new ActorCrashed({ actor: ref, cause }))
        ])
      )
    })
  ) as Effect.Effect<A, E | SpawnError, R | Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S>

/**
 * Runs an effect beside the body. The block waits for it when the body has ended; its failure ends the block with
 * `ForkFailed`. Interrupting the fiber it gives is no failure. In a block that has ended it is not started: its fiber
 * is interrupted.
 */
export const fork = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Fiber.Fiber<A, E>, never, R | Nursery> =>
  Effect.flatMap(Nursery, (nursery) => nursery.fork(effect))

/** How a task says its first word. */
export type FirstWord<A> = (value: A) => Effect.Effect<void>

/** A task that has said its first word. */
export interface Started<out A> {
  /** What it said. */
  readonly value: A
  /** Ends the task and waits until it has ended. Asked twice, or of a task that has ended, it does nothing more. */
  readonly stop: Effect.Effect<void>
}

/**
 * Runs a task beside the body that is to be there while the block lasts, and returns when it has said its first word,
 * with that. What it fails with before, whoever starts it meets; its failure afterwards ends the block with
 * `ForkFailed`. The block does not wait for it when the body has ended, but ends it as it ends its daemons: in its
 * turn, the last started first; a scope that it uses closes when it has ended. A task that returns without its first
 * word is a defect; in a block that has ended it is not started, and whoever starts it is interrupted.
 *
 * This is trio's `nursery.start`.
 *
 * **Example** (A cache that is there while the block lasts)
 *
 * ```ts
 * const cache = yield* Nursery.start(Effect.fnUntraced(function*(started: Nursery.FirstWord<Map<string, number>>) {
 *   yield* started(new Map())
 *   return yield* Effect.never
 * }))
 * cache.value.set("a", 1)
 * ```
 */
export const start = <A, E, R>(
  task: (started: FirstWord<A>) => Effect.Effect<unknown, E, R>
): Effect.Effect<Started<A>, E, Exclude<R, Scope.Scope> | Nursery> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const nursery = yield* Nursery
      const life = (yield* Life.CurrentLife) ?? newRoot()
      const { started } = yield* nursery.adopt(
        "task",
        (own) => Effect.flatMap(Effect.scope, (scope) => begin(task, life, scope, own)),
        () => Effect.interrupt,
        restore
      )
      return started
    })
  )

/** From a task's first step to its first word. */
const begin = <A, E, R>(
  task: (started: FirstWord<A>) => Effect.Effect<unknown, E, R>,
  life: Life.Life,
  scope: Scope.Scope,
  restore: Restore
): Effect.Effect<Child & { readonly started: Started<A> }, E, R> =>
  Effect.gen(function* () {
    const said = Deferred.makeUnsafe<A>()
    const block = yield* Life.CurrentGrace
    /** Its share of the time, where there is no request whose time it has part in. */
    const grace = block ?? new Life.Grace()
    let asked = false
    const running = yield* Effect.forkDetach(
      Effect.suspend(() => task((value) => Effect.asVoid(Deferred.succeed(said, value)))).pipe(
        Effect.provideService(Life.CurrentGrace, grace)
      )
    )
    const first = yield* Effect.exit(
      restore(Effect.raceFirst(Deferred.await(said), Fiber.await(running)))
    )
    if (!Deferred.isDoneUnsafe(said)) {
      yield* Fiber.interrupt(running)
      const ended = yield* Fiber.await(running)
      const reasons = [...reasonsOf(first), ...reasonsOf(ended)]
      return yield* reasons.length > 0
        ? Effect.failCause(Cause.fromReasons(reasons))
        : Effect.die(
            new ContractBroken({
              operation: "Nursery.start",
              detail: "its task returned without having said its first word; call `started` before"
            })
          )
    }
    const stop = (several = 1) =>
      Effect.gen(function* () {
        // Whoever ends the block from inside of it is neither interrupted by that nor waited for.
        if ((yield* Within).includes(scope)) return
        asked = true
        if (several > 1 && block === undefined) {
          const time = yield* Life.now
          grace.shorten(time + (life.grace.until - time) / several)
        }
        running.interruptUnsafe()
        const begun = yield* Life.now
        yield* Fiber.await(running).pipe(
          Life.telling(life, (time) =>
            Waits.same(1, { actor: life.self.path, for: "fork", millis: time - begun })
          )
        )
      })
    return {
      started: { value: yield* Deferred.await(said), stop: stop() },
      stop: (_by, several) => stop(several),
      failing: Effect.never,
      ended: Effect.map(Fiber.await(running), (exit) => {
        const reasons = reasonsOf(exit).filter((reason) => !(asked && isOurDoing(reason, life)))
        return reasons.every(Cause.isInterruptReason)
          ? undefined
          : new ForkFailed({ cause: Cause.fromReasons(reasons) })
      })
    }
  })

/**
 * Ends every actor and fork of the block and waits for them. The body goes on: what it had called fails with
 * `Cancelled` by this actor, what it spawns later with `NurseryClosed`, and its value is the block's.
 */
export const cancel: Effect.Effect<void, never, Nursery> = Effect.flatMap(
  Nursery,
  (nursery) => nursery.cancel
)

/**
 * Starts an actor as {@link spawn} does, for a scope: closing the scope stops it, and waits until it is gone.
 *
 * **Example** (A counter that a map of resources may hold)
 *
 * ```ts
 * const counter = yield* Nursery.spawnScoped(Counter, { main, arguments: { from: 40 } })
 * ```
 */
export const spawnScoped = <
  Name extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  S = never
>(
  actor: Definition<Name, Ops, Args>,
  ...[options]: SpawnParameters<Args, S>
): Effect.Effect<
  Portal<Ops>,
  SpawnError,
  Nursery | Spawner | Scope.Scope | Rpc.MiddlewareClient<Ops> | S
> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.acquireRelease(
      Effect.map(
        bringUp(actor, options ?? {}, "daemon", restore),
        ({ portal }) => portal as Portal<Ops>
      ),
      (portal) => portal.stop
    )
  ) as Effect.Effect<
    Portal<Ops>,
    SpawnError,
    Nursery | Spawner | Scope.Scope | Rpc.MiddlewareClient<Ops> | S
  >

/**
 * A child as a Layer: gives the actor's `Portal` service, and stops the actor when the Layer's scope closes.
 *
 * **Example** (A program that needs a counter)
 *
 * ```ts
 * const CounterChild = Nursery.layer(Counter, { main, arguments: { from: 40 } })
 * const program = Effect.flatMap(Counter.Portal, ({ client }) => client.Increment({ by: 2 }))
 * ```
 */
export const layer = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top, S = never>(
  actor: Definition<Name, Ops, Args>,
  ...parameters: SpawnParameters<Args, S>
): Layer.Layer<PortalOf<Name>, SpawnError, Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S> =>
  Layer.effect(actor.Portal, spawnScoped(actor, ...parameters)) as Layer.Layer<
    PortalOf<Name>,
    SpawnError,
    Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S
  >
