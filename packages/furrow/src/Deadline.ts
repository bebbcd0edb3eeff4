/**
 * How long a caller will wait, carried with every operation that is called inside.
 *
 * Answers for the time that is left, here; it crosses as a duration, never as a clock. Ending an operation that has
 * run out of it is the router's.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/**
 * When the current fiber's patience ends, in milliseconds of the monotonic clock; `undefined` without a deadline.
 *
 * @internal
 */
export const CurrentDeadline = Context.Reference<number | undefined>("furrow/Deadline", {
  defaultValue: () => undefined
})

/**
 * The same as {@link left}, of a fiber.
 *
 * @internal
 */
export const leftOf = (fiber: Fiber.Fiber<unknown, unknown>): number | undefined => {
  const at = fiber.getRef(CurrentDeadline)
  if (at === undefined) return undefined
  const time = Number(fiber.getRef(Clock.Clock).monotonicTimeNanosUnsafe()) / 1e6
  return Math.max(0, at - time)
}

/** The monotonic clock in milliseconds: it stands still while the machine sleeps, and nobody can set it. */
const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/**
 * How long a caller that leaves an operation early waits for its callee to end. Defaults to 5 seconds, and to half of
 * what is left of its grace while the actor itself is being stopped; a bound that is given can then only shorten that.
 * When it has passed the caller goes on, and its interruption (or `Cancelled`) carries the annotation `NotJoined`.
 *
 * **Example** (Leaving after half a second at most)
 *
 * ```ts
 * const quick = slow.client.Work({}).pipe(Effect.timeout("1 second"), Effect.provideService(Deadline.JoinBound, "500 millis"))
 * ```
 */
export const JoinBound = Context.Reference<Duration.Input | undefined>(
  "furrow/Deadline/JoinBound",
  {
    defaultValue: () => undefined
  }
)

/** Milliseconds left for what the current fiber calls, at least 0; `undefined` without a deadline. */
export const left: Effect.Effect<number | undefined> = Effect.flatMap(CurrentDeadline, (at) =>
  at === undefined ? Effect.undefined : Effect.map(now, (time) => Math.max(0, at - time))
)

/**
 * Bounds every operation that the effect calls, together: once the time has passed they fail with `PortalError`
 * `DeadlineExceeded`, their callees are cancelled, and so is what those call, hop by hop. An inner deadline can only
 * shorten an outer one. The effect itself is not interrupted: for that, use `Effect.timeout`, which reaches callees as
 * a cancel.
 *
 * **Example** (Two calls that share five seconds)
 *
 * ```ts
 * const both = Effect.all([orders.client.List({}), stock.client.Count({})]).pipe(Deadline.within("5 seconds"))
 * ```
 */
export const within =
  (duration: Duration.Input) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(now, (time) =>
      Effect.flatMap(CurrentDeadline, (outer) => {
        const at = time + Duration.toMillis(Duration.fromInputUnsafe(duration))
        // What has no end bounds nothing, and a frame could not say it.
        if (at === Infinity) return effect
        return Effect.provideService(
          effect,
          CurrentDeadline,
          outer === undefined ? at : Math.min(outer, at)
        )
      })
    )
