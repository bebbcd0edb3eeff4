/**
 * The two ends of a guest's channel, how a guest is to be kept, and what can go wrong between it and its host.
 *
 * Answers for what code that is not Effect is given, and what its host has of it. What is behind them is `GuestStay`'s.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { Defect } from "./protocol/Defect.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** A guest has ended as if it had been aborted (with an `AbortError`), and nobody had asked it to. */
export class GuestCancelled extends Schema.TaggedError<GuestCancelled>()("GuestCancelled", {
  guest: Schema.String,
  /** What it threw. */
  cause: Defect
}) {
  override get message() {
    const why = this.cause instanceof Error ? ` (${this.cause.message})` : ""
    return `The guest "${this.guest}" cancelled itself: it ended with an AbortError${why}, and nobody had asked it to end. If it may do so, have it return instead.`
  }
}

/** Nothing more can be sent to the guest: it has ended, or `end` was said. */
export class GuestEnded extends Schema.TaggedError<GuestEnded>()("GuestEnded", {
  guest: Schema.String
}) {
  override get message() {
    return `Nothing more can be sent to the guest "${this.guest}": it has ended, or it was told that no more would come.`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The two ends
// ---------------------------------------------------------------------------------------------------------------------

/** The guest's end of the channel. */
export interface Channel<out FromHost, in FromGuest> {
  /**
   * Sends one item; resolves when there was room for it. Rejects with the signal's reason once that is aborted; a
   * rejection that nobody looks at is no error of the process.
   */
  readonly send: (item: FromGuest) => Promise<void>
  /**
   * What the host sends, each item once, in order; ends when the host says `end`. Once the signal is aborted it throws
   * the signal's reason. Iterated again, it goes on where it stopped.
   */
  readonly messages: AsyncIterable<FromHost>
}

/** What a guest is given. */
export interface Host<in Started = void, out FromHost = never, in FromGuest = never> {
  /**
   * Is aborted when the host has ended or failed, or was cancelled. The reason is the host's own error, or an
   * `AbortError` where there is none. The guest is to end then, and is waited for.
   */
  readonly signal: AbortSignal
  /**
   * Says the first word, and so gives the means to say more: the host's body begins with it. A guest that returns
   * without it, or says it twice, has broken its contract (`ContractBroken`, a defect).
   */
  readonly started: (value: Started) => Channel<FromHost, FromGuest>
}

/** The host's end. `E` is what the guest's errors are made of, and `GuestCancelled`. */
export interface Guest<out Started, in FromHost, out FromGuest, out A, out E> {
  readonly name: string
  /** The guest's first word. */
  readonly started: Started
  /** Sends one item; waits while the guest has not taken enough. Fails with the guest's failure if there is one. */
  readonly send: (item: FromHost) => Effect.Effect<void, E | GuestEnded>
  /**
   * What the guest sends, each item once, in order, until it ends; fails as the guest fails. Run again, it goes on where
   * it stopped.
   */
  readonly messages: Stream.Stream<FromGuest, E>
  /** Sends nothing more; the guest's `messages` end. Doing it twice does nothing. */
  readonly end: Effect.Effect<void>
  /** What the guest returns, or its failure. Waits for it; may be asked again. */
  readonly result: Effect.Effect<A, E>
}

/** A guest as the code around it calls it. */
export type Code<Started, FromHost, FromGuest, A> = (
  host: Host<Started, FromHost, FromGuest>
) => PromiseLike<A> | A

/** How a guest is to be kept. */
export interface GuestOptions<E = never> {
  /**
   * Makes a typed error of what the guest has thrown, mostly by giving it back. What this throws is a defect. Defaults
   * to throwing the error again: whatever a guest throws is a defect, and the same object.
   */
  readonly catch?: ((error: unknown) => E) | undefined
  /**
   * How long the guest may take to end when it is asked to. Defaults to 3 seconds, and to half of what is left of its
   * actor's grace while that is being stopped. When it has passed the guest is left behind and the host goes on: an
   * event and a warning name the guest, and what the host failed with carries the annotation `GuestLeft`.
   */
  readonly patience?: Duration.Input | undefined
  /**
   * Ends by force what has not ended when `patience` has passed, if there is a way to: it is then waited for a little
   * longer (1 second at most). What it throws is a defect beside the host's own reasons. Defaults to nothing.
   */
  readonly force?: (() => void) | undefined
  /** How many items may wait in each direction before whoever sends has to. Defaults to 64, as in a dialog. */
  readonly window?: number | undefined
}
