/**
 * The supervisor: a block of children that are started again when they crash.
 *
 * Answers for OTP's words and their types: children in order of start, strategies, intensity, backoff, children added at
 * run time, supervisors below supervisors; and for the two forms, a block and a daemon. What happens when a child ends
 * is `Supervision`'s.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ChildSpec, Keeping } from "./ChildSpec.ts"
import { reasonsOf } from "./Exits.ts"
import * as Life from "./Life.ts"
import * as Nursery from "./Nursery.ts"
import { Within } from "./NurseryKey.ts"
import type { Child, Restore } from "./NurseryKey.ts"
import type { RestartIntensity } from "./RestartIntensity.ts"
import type { Restart, Strategy } from "./RestartPlan.ts"
import type { Spawner } from "./Spawner.ts"
import * as SupervisedPortal from "./SupervisedPortal.ts"
import type { SupervisedPortalOptions } from "./SupervisedPortal.ts"
import { Supervision } from "./Supervision.ts"
import type { Member, Standing } from "./Supervision.ts"
import type { AnySpec } from "./SupervisedChild.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { ForkFailed, NurseryClosed, SpawnError } from "./TreeError.ts"
import type { ActorCrashed, Crash, RestartIntensityExceeded } from "./TreeError.ts"

export type { SupervisedPortal, SupervisedPortalOptions } from "./SupervisedPortal.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What it is made of
// ---------------------------------------------------------------------------------------------------------------------

/** Children by name, in order of start: each a `ChildSpec.make`, or a supervisor below (see {@link child}). */
export type Children = Readonly<Record<string, AnySpec>>

/** How a supervisor is to behave. */
export interface SupervisorOptions<C extends Children> {
  /**
   * The children, which are started in the order they are written in and stopped in reverse. A key that JavaScript
   * would reorder, such as `"1"`, is a defect.
   */
  readonly children: C
  /**
   * Whom the crash of a child concerns: the child alone (`one-for-one`, the default), all children (`one-for-all`), or
   * the child and those that were started after it (`rest-for-one`). Whoever is concerned is stopped, the last started
   * first, and started again in order.
   */
  readonly strategy?: Strategy | undefined
  /** How many restarts are allowed, over all children. Defaults to 3 within 5 seconds, as in Elixir. */
  readonly intensity?: Partial<RestartIntensity> | undefined
  /**
   * How long to wait before a restart: stepped once for each crash of a child, with what ended it as its input, and
   * begun anew once the child has been up for the window of the intensity. One that ends means giving up. The window
   * counts waits, too: where it is shorter than the waits of its restarts together, only `budget` ends a crash loop.
   * Defaults to 50 ms, twice as long each time, 5 seconds at most, and each a fifth more or less by chance.
   */
  readonly backoff?: Schedule.Schedule<unknown, Crash> | undefined
  /** How many children that were added at run time may be there at once. Defaults to `Infinity`. */
  readonly maxChildren?: number | undefined
  /**
   * Whether the supervisor ends when a significant child has ended by itself, for good: `never` (the default), with
   * the first of them (`anySignificant`), or with the last (`allSignificant`). Its other children are stopped; it is no
   * failure.
   */
  readonly autoShutdown?: "never" | "anySignificant" | "allSignificant" | undefined
}

/** A supervisor as a child of another. Made with {@link child}. */
export interface SupervisorSpec<C extends Children> {
  readonly _tag: "Supervisor"
  readonly options: SupervisorOptions<C>
  readonly restart: Restart
  readonly significant: boolean
}

/**
 * A supervisor below another one: it comes up when all of its children have, and when it gives up that is its crash,
 * with `RestartIntensityExceeded` as its reason. One that shuts itself down has ended normally, and cannot be permanent.
 *
 * **Example** (Orders that are taken only where there is a stock)
 *
 * ```ts
 * const shop = Supervisor.child({
 *   strategy: "rest-for-one",
 *   children: { stock: ChildSpec.make(Stock, { main }), orders: ChildSpec.make(Orders, { main }) }
 * })
 * ```
 */
export const child = <const C extends Children>(
  options: SupervisorOptions<C>,
  keeping?: Keeping
): SupervisorSpec<C> => {
  const { restart = "permanent", significant = false } = keeping ?? {}
  const { autoShutdown = "never" } = options
  if (restart === "permanent" && autoShutdown !== "never") {
    throw new Error(
      `A supervisor that shuts itself down (autoShutdown: "${autoShutdown}") cannot be a permanent child, which is always there: make it transient or temporary.`
    )
  }
  return { _tag: "Supervisor", options, restart, significant }
}

/** What the children need to be started, beside a world to live in. */
export type Requirements<C extends Children> = {
  readonly [K in keyof C]: C[K] extends ChildSpec<infer _Ops, infer R>
    ? R
    : C[K] extends SupervisorSpec<infer Below>
      ? Requirements<Below>
      : never
}[keyof C]

type ActorNames<C extends Children> = {
  readonly [K in keyof C]: C[K] extends { readonly _tag: "Actor" } ? K : never
}[keyof C] &
  string

type SupervisorNames<C extends Children> = {
  readonly [K in keyof C]: C[K] extends { readonly _tag: "Supervisor" } ? K : never
}[keyof C] &
  string

type OperationsOf<S> = S extends ChildSpec<infer Ops, infer _R> ? Ops : never

type ChildrenOf<S> = S extends SupervisorSpec<infer C> ? C : never

/** Any of the children, or one that was added. */
type AnyName<C extends Children> = (keyof C & string) | (string & {})

// ---------------------------------------------------------------------------------------------------------------------
// What it can be asked for
// ---------------------------------------------------------------------------------------------------------------------

/** What is known of a child now. */
export interface ChildState {
  readonly name: string
  /**
   * `up`; `starting`; `waiting` for its backoff, or for its turn; `stopping`; `ended` for good by itself; `stopped`
   * because somebody asked for it, or because its supervisor has ended.
   */
  readonly state: Member["state"]
  /** Its present life; absent without one, and for a supervisor. */
  readonly actor: ActorRef | undefined
  /** How often it has been started again. */
  readonly restarts: number
}

/** A supervisor that runs. */
export interface Supervisor<C extends Children> {
  /** The door to a child, which stays valid across its restarts. */
  readonly portal: <K extends ActorNames<C>>(
    name: K,
    options?: SupervisedPortalOptions
  ) => SupervisedPortal.SupervisedPortal<OperationsOf<C[K]>>
  /** A supervisor below, as it is in whichever life of it is there. */
  readonly below: <K extends SupervisorNames<C>>(name: K) => Supervisor<ChildrenOf<C[K]>>
  /**
   * Adds a child, the last in order, and returns when it is up, with its door. What its first start fails with is no
   * crash, and leaves nothing of it. It is forgotten when it has been stopped, or has ended for good. Fails with
   * `SpawnError`: `LimitReached` beyond `maxChildren`, `StartFailed` for a name that is taken, `NurseryClosed` when the
   * supervisor is ending.
   */
  readonly start: <Ops extends Rpc.Any, R>(
    name: string,
    spec: ChildSpec<Ops, R>,
    options?: SupervisedPortalOptions
  ) => Effect.Effect<SupervisedPortal.SupervisedPortal<Ops>, SpawnError, Spawner | R>
  /**
   * Stops a child, also one that is coming up or waits for its restart, and returns when it is gone. It stays so until
   * somebody restarts it. Fails with `ActorCrashed` if it failed as it ended. Does nothing to one that is not there.
   */
  readonly stop: (name: AnyName<C>) => Effect.Effect<void, ActorCrashed>
  /**
   * Ends a child's life, if it has one, and starts a new one at once; returns when it is up, or stopped by somebody
   * else. That counts as no crash; not coming up does. Fails with `SpawnError`: `StartFailed` for a name that is not
   * known, `NurseryClosed` when the supervisor is ending.
   */
  readonly restart: (name: AnyName<C>) => Effect.Effect<void, SpawnError>
  /** Every child, in order. */
  readonly list: Effect.Effect<ReadonlyArray<ChildState>>
  /** Stops every child, the last started first, and waits for them; it is no failure. Nothing is started any more. */
  readonly shutDown: Effect.Effect<void>
  /** Waits until the supervisor has ended, and every child with it. */
  readonly ended: Effect.Effect<void>
}

/** Where a supervisor is looked for: one below another has several lives. */
interface Whole {
  readonly path: string
  readonly find: () => Supervision | undefined
  readonly standing: (name: string) => Standing
  readonly until: (holds: () => boolean) => Effect.Effect<void>
}

const top = (supervision: Supervision): Whole => ({
  path: supervision.ref.path,
  find: () => supervision,
  // Those of a supervisor's own children are never forgotten.
  standing: (name) => supervision.standingOf(supervision.member(name)!),
  until: (holds) => supervision.changes.until(holds)
})

const under = (above: Whole, name: string): Whole => {
  const find = () => {
    const standing = above.standing(name)
    return standing._tag === "Up" ? standing.life.below : undefined
  }
  return {
    path: above.path,
    until: above.until,
    find,
    standing: (child) => {
      const supervision = find()
      if (supervision === undefined) return above.standing(name)
      const standing = supervision.standingOf(supervision.member(child)!)
      // What comes after its end is for whoever is above to say, who will know of it in a moment.
      return standing._tag === "Gone" && supervision.isClosing ? { _tag: "Down" } : standing
    }
  }
}

/** What of a spec says how its lives are called. */
const nameOf = (name: string, spec: AnySpec): string =>
  spec._tag === "Actor" ? (spec.options.name ?? name) : name

const handle = <C extends Children>(whole: Whole, children: C): Supervisor<C> => {
  /** Asks the one that is there. */
  const ask = <A, E, R>(
    use: (supervision: Supervision) => Effect.Effect<A, E, R>,
    otherwise: Effect.Effect<A, E>
  ): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const supervision = whole.find()
      return supervision === undefined ? otherwise : use(supervision)
    })
  const closed = (name: string) =>
    Effect.fail(new SpawnError({ actor: `${whole.path}/${name}`, reason: new NurseryClosed() }))
  return {
    portal: (name, options) =>
      SupervisedPortal.make(
        // Which of the children are actors, and what they serve, their types say.
        children[name] as ChildSpec<never>,
        {
          path: `${whole.path}/${nameOf(name, children[name]!)}`,
          standing: () => whole.standing(name),
          until: whole.until
        },
        options
      ) as never,
    below: (name) =>
      handle(
        under(whole, name),
        (children[name] as SupervisorSpec<Children>).options.children
      ) as never,
    start: (name, spec, options) =>
      ask(
        (supervision) =>
          Effect.map(supervision.add(name, spec), (member) =>
            SupervisedPortal.make(
              spec,
              {
                path: `${whole.path}/${nameOf(name, spec)}`,
                standing: () => supervision.standingOf(member),
                until: whole.until
              },
              options
            )
          ),
        closed(name)
      ),
    stop: (name) =>
      ask((supervision) => {
        const member = supervision.member(name)
        return member === undefined
          ? Effect.void
          : Effect.flatMap(supervision.remove(member), (reasons) =>
              reasons.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(reasons))
            )
      }, Effect.void),
    restart: (name) => ask((supervision) => supervision.renew(name), closed(name)),
    list: ask(
      ({ isClosing, members }) =>
        Effect.sync(() =>
          members.map(({ life, name, restarts, state }) => ({
            name,
            // Nothing comes back any more.
            state: isClosing && state === "waiting" ? "stopped" : state,
            actor: life?.launched?.ref,
            restarts
          }))
        ),
      Effect.succeed([])
    ),
    shutDown: ask(
      (supervision) =>
        Effect.suspend(() => {
          supervision.stop()
          return supervision.ended
        }),
      Effect.void
    ),
    ended: ask((supervision) => supervision.ended, Effect.void)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Its two forms
// ---------------------------------------------------------------------------------------------------------------------

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
