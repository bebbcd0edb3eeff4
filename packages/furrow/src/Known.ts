/**
 * Effects that are done before they are run: most values are encoded and decoded without waiting for anything. And
 * values that will be known, for which mostly nobody waits.
 *
 * Answers for finding out, so that a message costs no step, no fiber and no memory that it does not need.
 */
import * as Deferred from "effect/Deferred"
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

/** A value that is known from some time on. A means to wait for it is made for those who do. */
export class Later<A> {
  private isKnown = false
  private known: A | undefined
  private waiting: Deferred.Deferred<A> | undefined

  /** The value, if it is known. */
  get value(): A | undefined {
    return this.known
  }

  /** Waits for it. */
  get wait(): Effect.Effect<A> {
    return this.isKnown
      ? Effect.succeed(this.known as A)
      : Deferred.await((this.waiting ??= Deferred.makeUnsafe()))
  }

  /** It is known, and whoever waits is told later. The first time counts. */
  know(value: A): void {
    if (this.isKnown) return
    this.isKnown = true
    this.known = value
  }

  /** It is known, and whoever waits is told. The first time counts. */
  tell(value: A): void {
    this.know(value)
    if (this.waiting === undefined) return
    Deferred.doneUnsafe(this.waiting, Exit.succeed(this.known as A))
    this.waiting = undefined
  }
}
