/**
 * Effects that are done before they are run: most values are encoded and decoded without waiting for anything.
 *
 * Answers for finding out, so that a message costs no step, and no fiber, that it does not need.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Whether an effect is its own success. */
export const isKnown = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, E> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** How an effect ends, at once if that is known. */
export const exitOf = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  isKnown(effect) ? Exit.succeed(effect) : Effect.exit(effect)

/** What comes of an effect's value, at once if that is known. */
export const mapKnown = <A, E, R, B>(
  effect: Effect.Effect<A, E, R>,
  f: (value: A) => B
): Effect.Effect<B, E, R> =>
  isKnown(effect) ? Exit.succeed(f(effect.value)) : Effect.map(effect, f)
