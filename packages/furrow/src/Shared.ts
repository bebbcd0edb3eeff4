/**
 * One resource that many fibers share by a key: opened by the first, closed when the last has left.
 *
 * `effect/RcMap` counts who uses what, lets the last user wait for the teardown, and lets it meet what that dies of.
 * Answers for what it leaves open: a key that is opened again waits until it was closed; what is opened belongs to
 * whoever made the map, and not to its first user; a failure is not kept; no teardown fails unheard. What is opened,
 * an actor, a dialog, a stream for many, is its maker's.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as MutableHashMap from "effect/MutableHashMap"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { reasonsOf } from "./Exits.ts"

/** How a resource is opened, and for how long it is kept. */
export interface SharedOptions<K, A, E, R> {
  /**
   * Opens the resource of a key for a scope, in the context that the map was made in: an actor that it spawns belongs to
   * that nursery, whoever asks first. It is interrupted when nobody waits for it any more.
   */
  readonly open: (key: K) => Effect.Effect<A, E, R | Scope.Scope>
  /** How long a resource that nobody uses is kept, before it is closed. Defaults to `0`: the last user closes it. */
  readonly idleTimeToLive?: Duration.Input | ((key: K) => Duration.Input) | undefined
}

/** One's use of a resource. `hit`: it was open already, or being opened by somebody else. */
export interface Use<out A> {
  readonly value: A
  readonly hit: boolean
}

/** Resources by key. Keys are compared by value: strings, structs, arrays, whatever `Equal` knows. */
export interface Shared<in K, out A, out E = never> {
  /**
   * The resource of a key, for the length of a scope. All who ask while it is being opened wait for it, and fail with it;
   * whoever asks later tries again. While it is being closed, one waits, and opens it afresh.
   *
   * Closing the scope of the last user waits until it is closed, and dies of what that dies of. Where the body of the
   * scope has failed, too, `Effect.scoped` makes its error a defect: {@link Shared.use} does not.
   *
   * Interrupts if the scope that the map was made in has closed.
   */
  readonly get: (key: K) => Effect.Effect<Use<A>, E, Scope.Scope>
  /**
   * Uses the resource of a key for the length of a block, as {@link Shared.get}. What it dies of when it is closed is kept
   * after the body's own reasons.
   */
  readonly use: <B, E2, R>(
    key: K,
    body: (value: A, hit: boolean) => Effect.Effect<B, E2, R>
  ) => Effect.Effect<B, E | E2, R>
}

/** One opening of a resource, until it is closed. */
class Opened {
  isClosing = false
  readonly gone = Deferred.makeUnsafe<void>()
}

/** Whoever opens a resource says so to the one that has made it do so. */
class Asking {
  opens = false
}

const CurrentAsking = Context.Reference("furrow/Shared/Asking", {
  defaultValue: () => new Asking()
})

/** The fiber in which a user leaves, who hears of it if the teardown fails. (What is idle is closed in another one.) */
const Leaver = Context.Reference<Fiber.Fiber<unknown, unknown> | undefined>(
  "furrow/Shared/Leaver",
  { defaultValue: () => undefined }
)

/**
 * Resources that are shared for the length of a scope. When it closes, all are closed, at once and together, also those
 * that are in use: their users learn it from the resource, and whoever waits for one is interrupted.
 *
 * An actor that is shared is opened with `Nursery.spawnScoped`. Its crash ends the nursery that it was spawned in, as
 * any daemon's does.
 *
 * **Example** (One room for all who ask for it)
 *
 * ```ts
 * const rooms = yield* Shared.make({
 *   open: (name: string) =>
 *     Nursery.spawnScoped(Room, { main, name, arguments: { topic: name, banned: [] } })
 * })
 * yield* rooms.use("tea", (room) => room.client.Post({ who: "Ada", line: "hello" }))
 * ```
 */
export const make = <K, A, E, R>(
  options: SharedOptions<K, A, E, R>
): Effect.Effect<Shared<K, A, E>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    // One that is closed gives its key back when nothing is left of it.
    const keys = yield* RcMap.make({ lookup: (_: K) => Semaphore.make(1) })
    /** All that are not gone yet. */
    const openings = new Set<Opened>()
    /** What those failed with that were closed when their last users had long left. */
    const unheard: Array<Cause.Reason<never>> = []
    let isClosed = false

    /** Closes what was opened, or is being opened, by this fiber. */
    const close = (
      opened: Opened,
      opening: Fiber.Fiber<unknown, unknown>,
      scope: Scope.Closeable,
      lock: Effect.Effect<unknown>
    ) =>
      Effect.withFiber((closing) =>
        Effect.gen(function* () {
          opened.isClosing = true
          // Nothing is taken from under its feet.
          if (closing !== opening) yield* Fiber.interrupt(opening)
          const closed = yield* Effect.exit(Scope.close(scope, Exit.void))
          yield* lock
          if (!isClosed && closing !== closing.getRef(Leaver)) unheard.push(...reasonsOf(closed))
          openings.delete(opened)
          Deferred.doneUnsafe(opened.gone, Exit.void)
          return yield* closed
        })
      )

    const open = (key: K) =>
      Effect.withFiber((opening) =>
        Effect.gen(function* () {
          opening.getRef(CurrentAsking).opens = true
          const entry = yield* Effect.scope
          const scope = yield* Scope.make()
          const opened = new Opened()
          const turn = yield* RcMap.get(keys, key)
          let hasTurn = false
          openings.add(opened)
          yield* Scope.addFinalizer(
            entry,
            close(
              opened,
              opening,
              scope,
              Effect.suspend(() => (hasTurn ? turn.release(1) : Effect.void))
            )
          )
          yield* Effect.uninterruptibleMask((restore) =>
            Effect.map(restore(turn.take(1)), () => {
              hasTurn = true
            })
          )
          const value = yield* Effect.updateContext(
            Effect.suspend(() => options.open(key)),
            (_: Context.Context<never>) => Context.add(context, Scope.Scope, scope)
          ).pipe(
            // Or it would be kept until all who have asked for it have ended what they do.
            Effect.onError(() => (isCurrent(key, entry) ? RcMap.invalidate(map, key) : Effect.void))
          )
          return { value, opened }
        })
      )

    const map: RcMap.RcMap<K, { readonly value: A; readonly opened: Opened }, E> =
      yield* RcMap.make({ lookup: open, idleTimeToLive: options.idleTimeToLive })

    const isCurrent = (key: K, entry: Scope.Scope): boolean => {
      if (map.state._tag === "Closed") return false
      const found = MutableHashMap.get(map.state.map, key)
      return found._tag === "Some" && found.value.scope === entry
    }

    // `RcMap` would close one after the other, and not wait for those that their last users are closing.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        isClosed = true
        const entries = map.state._tag === "Open" ? [...map.state.map] : []
        const closed = yield* Effect.forEach(
          entries,
          ([, { scope }]) => Effect.exit(Scope.close(scope, Exit.void)),
          { concurrency: "unbounded" }
        )
        for (const { gone } of openings) yield* Deferred.await(gone)
        const reasons = [...unheard, ...closed.flatMap(reasonsOf)]
        if (reasons.length > 0) return yield* Effect.failCause(Cause.fromReasons(reasons))
      })
    )

    const get = (key: K): Effect.Effect<Use<A>, E, Scope.Scope> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          if (isClosed) return yield* Effect.interrupt
          const asking = new Asking()
          let used: Opened | undefined
          const hold = yield* Scope.make()
          const own = yield* Scope.fork(yield* Effect.scope)
          yield* Scope.addFinalizerExit(own, (exit) =>
            Effect.withFiber((leaver) =>
              Effect.gen(function* () {
                const left = yield* Effect.exit(
                  Effect.provideService(Scope.close(hold, exit), Leaver, leaver)
                )
                // It may be closed by somebody else.
                if (used?.isClosing === true) yield* Deferred.await(used.gone)
                return yield* left
              })
            )
          )
          const found = yield* restore(RcMap.get(map, key)).pipe(
            Effect.provideService(CurrentAsking, asking),
            Scope.provide(hold),
            Effect.exit
          )
          if (Exit.isFailure(found)) {
            const closed = yield* Effect.exit(Scope.close(own, found))
            return yield* Effect.failCause(
              Cause.fromReasons([...found.cause.reasons, ...reasonsOf(closed)])
            )
          }
          used = found.value.opened
          return { value: found.value.value, hit: !asking.opens }
        })
      )

    return {
      get,
      use: (key, body) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const scope = yield* Scope.make()
            const used = yield* get(key).pipe(
              Scope.provide(scope),
              Effect.flatMap(({ hit, value }) => body(value, hit)),
              restore,
              Effect.exit
            )
            const left = yield* Effect.exit(Scope.close(scope, used))
            return Exit.isSuccess(left)
              ? yield* used
              : yield* Effect.failCause(
                  Cause.fromReasons([...reasonsOf(used), ...left.cause.reasons])
                )
          })
        )
    }
  })

/**
 * Shared resources as a Layer, for a service of one's own; they are closed when the Layer's scope is.
 *
 * **Example** (Rooms as a service)
 *
 * ```ts
 * type RoomPortal = Portal.Portal<Actor.OperationsOf<typeof Room>>
 * class Rooms extends Context.Service<Rooms, Shared.Shared<string, RoomPortal, TreeError.SpawnError>>()("Rooms") {}
 * const RoomsLive = Shared.layer(Rooms, {
 *   open: (name) => Nursery.spawnScoped(Room, { main, name, arguments: { topic: name, banned: [] } })
 * })
 * ```
 */
export const layer = <I, K, A, E, R>(
  service: Context.Key<I, Shared<K, A, E>>,
  options: SharedOptions<K, A, E, R>
): Layer.Layer<I, never, Exclude<R, Scope.Scope>> => Layer.effect(service, make(options))
