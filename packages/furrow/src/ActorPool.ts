/**
 * A pool of workers: lives of one actor, lent out to whoever has something to do.
 *
 * Answers for what a job meets on its way to a worker and back: its turn, a refusal, the end of the pool. The order of
 * those who wait is `Admission`'s, the workers and what becomes of them `Workers`'s, and both are thin: sizes and idle
 * time are `effect/Pool`'s.
 *
 * Nothing is done twice. A job whose worker died ends with `Disconnected`, and whether that is worth another try is
 * said by whoever asked: `Effect.retry({ while: … })`.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Self } from "./Actor.ts"
import type { Client, Definition } from "./Actor.ts"
import { Admission } from "./Admission.ts"
import type { Place } from "./Admission.ts"
import * as Deadline from "./Deadline.ts"
import { ContractBroken } from "./Dialog.ts"
import * as Nursery from "./Nursery.ts"
import { checked, whole } from "./PoolOptions.ts"
import type { PoolOptions } from "./PoolOptions.ts"
import { DeadlineExceeded, Overloaded, PortalError } from "./PortalError.ts"
import { shown } from "./protocol/Identity.ts"
import type { Spawner } from "./Spawner.ts"
import { NurseryClosed, SpawnError } from "./TreeError.ts"
import { holding, via } from "./Via.ts"
import type { Hold } from "./Via.ts"
import * as Workers from "./Workers.ts"

export { defaultBackoff } from "./PoolOptions.ts"
export type { PoolOptions, Rules, Size } from "./PoolOptions.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What a pool is asked for
// ---------------------------------------------------------------------------------------------------------------------

/** What is known of a pool at one moment. */
export interface Stats {
  /** Workers that are ready: idle and busy ones. */
  readonly workers: number
  /** Workers that have nothing to do. */
  readonly idle: number
  /** Workers that have at least one job. */
  readonly busy: number
  /** Jobs that workers have. */
  readonly running: number
  /** Jobs that have no worker yet. */
  readonly waiting: number
  /** Workers that have taken the place of one that crashed, or had done its share. */
  readonly restarts: number
}

/** Workers of one actor, to be borrowed. */
export interface ActorPool<Ops extends Rpc.Any> {
  /**
   * One method per operation, each of which borrows a worker for exactly as long as it lasts: a call until it has
   * answered, a stream until its consumer has left, a dialog until both ends have ended.
   */
  readonly client: Client<Ops, PortalError | SpawnError>
  /** Borrows one worker for several operations. They are one job, and the worker is free again when it has ended. */
  readonly use: <A, E, R>(
    job: (client: Client<Ops>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | PortalError | SpawnError, R>
  /** How many jobs run at once at most: workers times jobs for each. */
  readonly room: number
  readonly stats: Effect.Effect<Stats>
  /**
   * Takes no more jobs, waits until those that run and those that wait have ended, then ends the workers. Who comes
   * later fails with `SpawnError` `NurseryClosed`. Whoever stops waiting for it leaves a pool that takes no more. A job
   * ({@link use}) that drains its own pool would wait for itself: that is a defect, and the pool goes on.
   */
  readonly drain: Effect.Effect<void>
  /** Ends the pool as the end of its block does: see {@link make}. */
  readonly stop: Effect.Effect<void>
}

/** The priority of what is asked of any pool; set it with {@link priority}. Defaults to 0. */
export const Priority = Context.Reference<number>("furrow/ActorPool/Priority", {
  defaultValue: () => 0
})

/**
 * Gives everything that the effect asks of pools this priority: of those who wait, the one with the highest is next, and
 * within one whoever came first. Who has been given a place keeps it. A stream takes it by
 * `Stream.provideService(ActorPool.Priority, 10)`.
 *
 * **Example** (Somebody who does not want to wait)
 *
 * ```ts
 * const isPrime = pool.client.IsPrime({ n }).pipe(ActorPool.priority(10))
 * ```
 */
export const priority =
  (priority: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Priority, priority)

// ---------------------------------------------------------------------------------------------------------------------
// The pool
// ---------------------------------------------------------------------------------------------------------------------

/** What a pool is made of, while its block lasts. */
interface Running {
  readonly admission: Admission
  readonly workers: Workers.Workers
  /** The path of its workers, without their numbers. */
  readonly path: string
}

/**
 * A pool in the current block, at once; its workers come up meanwhile. It is kept as a daemon: it ends with the block,
 * in its turn, and then its workers are ended all together, by the ladder; jobs that run end with `Cancelled`, those
 * that wait with `SpawnError` `NurseryClosed`. Who wants them done calls `drain` before.
 *
 * A worker is an actor of the pool's own nursery, `NAME-1` and so on. Its crash is no failure of the block: its jobs end
 * with `Disconnected`, and another takes its place. If one cannot be started, somebody who waits for it gets the
 * `SpawnError`, and the next try comes after a pause. A cancelled job is joined before its worker is lent again; if its
 * handler does not end in time (`NotJoined`), the worker is given no more and ended by the ladder when its other jobs
 * are done. While one ends, and another takes its place, both are there.
 *
 * Sizes that make no sense are a `RangeError`, as a defect, that names the option.
 *
 * **Example** (Four workers)
 *
 * ```ts
 * const pool = yield* ActorPool.make(Worker, { main: new URL("./worker.main.ts", import.meta.url), size: 4 })
 * const answers = yield* Effect.forEach(numbers, (n) => pool.client.IsPrime({ n }), { concurrency: "unbounded" })
 * ```
 */
export const make = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top, S = never>(
  actor: Definition<Name, Ops, Args>,
  options: PoolOptions<Args, S>
): Effect.Effect<
  ActorPool<Ops>,
  never,
  Nursery.Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S
> =>
  Effect.gen(function* () {
    const { queue, ...plan } = checked(options)
    const room = plan.max * plan.concurrency
    const admission = new Admission(room, queue)

    const task = (started: Nursery.FirstWord<Running>) =>
      Effect.gen(function* () {
        const { path } = yield* Self
        const scope = yield* Scope.make()
        const work = Effect.gen(function* () {
          const workers = yield* Scope.provide(Workers.make({ ...plan, actor }), scope)
          const name = plan.spawn.name ?? actor.actorName
          yield* started({ admission, workers, path: shown(`${path}/${name}`) })
          return yield* Effect.never
        })
        const end = Effect.gen(function* () {
          admission.dismiss()
          const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), {
            startImmediately: true
          })
          // Jobs end when their workers do, which is next; one that does not is not the pool's to wait for.
          if (admission.running === 0) yield* Fiber.join(closing)
        })
        return yield* Effect.ensuring(work, end)
      }).pipe(Nursery.run(), Effect.orDie)

    const { stop, value } = yield* Nursery.start(task)
    return front(actor, value, stop)
  }) as Effect.Effect<
    ActorPool<Ops>,
    never,
    Nursery.Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S
  >

/** What a pool is to those who use it. */
const front = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top>(
  actor: Definition<Name, Ops, Args>,
  { admission, path, workers }: Running,
  stop: Effect.Effect<void>
): ActorPool<Ops> => {
  const closed = Effect.suspend(() =>
    Effect.fail(new SpawnError({ actor: path, reason: new NurseryClosed() }))
  )
  const refuse = (reason: Overloaded | DeadlineExceeded, operation: string | undefined) =>
    Effect.fail(
      new PortalError({ actor: path, ...(operation === undefined ? {} : { operation }), reason })
    )
  const overloaded = () =>
    new Overloaded({
      detail: `the pool is full, with ${admission.room} running and ${admission.waiting} waiting, which is as many as it takes`
    })

  /** Who has each place, as far as it is for a job of several operations. */
  const users = new Map<Place, Fiber.Fiber<unknown, unknown>>()

  /** Waits for a worker, who is held with its place. */
  const borrow = (
    operation: string | undefined,
    hold: Hold
  ): Effect.Effect<Client<Ops>, PortalError | SpawnError> =>
    Effect.withFiber((fiber) => {
      const priority = fiber.getRef(Priority)
      if (Number.isNaN(priority)) {
        return Effect.die(
          new RangeError("The priority of what is asked of a pool must be a number, and it is NaN.")
        )
      }
      const place = admission.enter(priority)
      if (place === "full") return refuse(overloaded(), operation)
      if (place === "closed") return closed
      const loan = workers.lend()
      // An operation may end in another fiber than it began in, a job does not.
      if (operation === undefined) users.set(place, fiber)
      hold(
        // The place is free only when the worker is.
        Effect.flatMap(loan.end, () => {
          users.delete(place)
          return admission.leave(place)
        })
      )
      const waiting = place.isIn
        ? loan.take
        : Effect.andThen(
            Effect.catch(admission.turn(place), () => closed),
            loan.take
          )
      const left = Deadline.leftOf(fiber)
      const found =
        left === undefined
          ? waiting
          : Effect.timeoutOrElse(waiting, {
              duration: left,
              orElse: () => refuse(new DeadlineExceeded(), operation)
            })
      return Effect.matchCauseEffect(found, {
        onSuccess: ({ launched }) =>
          Effect.succeed(launched.portal.client as unknown as Client<Ops>),
        // What has no workers any more interrupts whoever asks; who was interrupted himself does not come here, unless
        // he may not be.
        onFailure: (cause) => (Cause.hasInterruptsOnly(cause) ? closed : Effect.failCause(cause))
      })
    })

  return {
    client: via(actor, ({ operation }, hold) => borrow(operation, hold)),
    use: (job) => holding((hold) => Effect.flatMap(borrow(undefined, hold), job)),
    room: admission.room,
    stats: Effect.sync(() => {
      const { busy, idle, jobs, restarts } = workers.counts()
      return {
        workers: idle + busy,
        idle,
        busy,
        running: jobs,
        waiting: admission.waiting + admission.running - jobs,
        restarts
      }
    }),
    drain: Effect.withFiber((fiber) => {
      if ([...users.values()].includes(fiber)) {
        return Effect.die(
          new ContractBroken({
            operation: "ActorPool.drain",
            detail: `a job of the pool "${path}" would wait for its own end; drain it outside of its jobs`
          })
        )
      }
      admission.shut()
      return Effect.andThen(admission.empty, stop)
    }),
    stop
  }
}

/**
 * A pool as a Layer: gives it as a service, and ends it when the Layer's scope closes.
 *
 * **Example** (A service that computes)
 *
 * ```ts
 * class Primes extends Context.Service<Primes, ActorPool.ActorPool<Actor.OperationsOf<typeof Worker>>>()("Primes") {}
 * const PrimesLive = ActorPool.layer(Primes, Worker, { main, size: 4 })
 * ```
 */
export const layer = <
  Id,
  Name extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  S = never
>(
  service: Context.Key<Id, ActorPool<Ops>>,
  actor: Definition<Name, Ops, Args>,
  options: PoolOptions<Args, S>
): Layer.Layer<Id, never, Nursery.Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S> =>
  Layer.effect(
    service,
    Effect.acquireRelease(make(actor, options), ({ stop }) => stop)
  ) as Layer.Layer<Id, never, Nursery.Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S>

/** How a stream is mapped. */
export interface MapOptions {
  /** Whether results come in the order of the items (the default), or each as soon as it is there. */
  readonly ordered?: boolean | undefined
  /** How many jobs of the stream there are at once. Defaults to the pool's room. */
  readonly concurrency?: number | undefined
}

/**
 * Maps a stream by jobs in a pool, each with a worker of its own. The source is read no further than there are jobs for:
 * whoever reads slowly holds it back. The first failure ends the stream, and what still runs is cancelled and joined.
 *
 * **Example** (Which of many numbers are prime)
 *
 * ```ts
 * const answers = Stream.fromIterable(numbers).pipe(ActorPool.map(pool, (n, { IsPrime }) => IsPrime({ n })))
 * ```
 */
export const map: {
  <A, Ops extends Rpc.Any, B, E2, R2>(
    pool: ActorPool<Ops>,
    job: (item: A, client: Client<Ops>) => Effect.Effect<B, E2, R2>,
    options?: MapOptions
  ): <E, R>(
    items: Stream.Stream<A, E, R>
  ) => Stream.Stream<B, E | E2 | PortalError | SpawnError, R | R2>
  <A, E, R, Ops extends Rpc.Any, B, E2, R2>(
    items: Stream.Stream<A, E, R>,
    pool: ActorPool<Ops>,
    job: (item: A, client: Client<Ops>) => Effect.Effect<B, E2, R2>,
    options?: MapOptions
  ): Stream.Stream<B, E | E2 | PortalError | SpawnError, R | R2>
} = dual(
  (args) => Stream.isStream(args[0]),
  <A, E, R, Ops extends Rpc.Any, B, E2, R2>(
    items: Stream.Stream<A, E, R>,
    pool: ActorPool<Ops>,
    job: (item: A, client: Client<Ops>) => Effect.Effect<B, E2, R2>,
    options?: MapOptions
  ): Stream.Stream<B, E | E2 | PortalError | SpawnError, R | R2> =>
    Stream.suspend(() =>
      Stream.mapEffect(items, (item) => pool.use((client) => job(item, client)), {
        concurrency: whole("concurrency", options?.concurrency ?? pool.room, 1),
        unordered: options?.ordered === false
      })
    )
)
