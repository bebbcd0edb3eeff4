/**
 * How much one end of a connection takes from the other: dialogs, bytes, lengths and depths.
 *
 * Answers for the numbers, their defaults and the range each may have. Whoever goes beyond one is refused with a name:
 * `Overloaded`, an `EncodeError` or `DecodeError` of that dialog, or a `Violation` that closes that connection. Keeping
 * to them is the session's.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { DefaultSettings, FrameLimit, LeastFrame } from "./protocol/Protocol.ts"
import type { Settings, Window } from "./protocol/Protocol.ts"

/** What one end of each connection accepts. All are bounds on the other end; none is negotiated. */
export interface SessionLimits {
  /** Dialogs at once of which the other end is the caller; one more is `Overloaded`. Defaults to 65 536. */
  readonly dialogs: number
  /**
   * Items, and bytes of items, that may be on their way or unread in one dialog and direction; the sender waits. Defaults
   * to 64 items and 256 KiB. This end keeps as much of its own unwritten in a dialog, however much the other takes.
   */
  readonly window: Window
  /** Bytes of payloads that no handler has taken yet, over all dialogs; further calls wait. Defaults to 4 MiB. */
  readonly opens: number
  /** The longest value, in bytes; a longer one is an `EncodeError` at its sender. Defaults to 256 MiB. */
  readonly value: number
  /**
   * The longest frame, in bytes, from 128 KiB to 1 MiB. Values of dialogs travel in parts and are not bounded by it; the
   * arguments and the last error of an actor are, less 64 KiB. Defaults to 1 MiB.
   */
  readonly frame: number
  /**
   * How many objects and arrays of a value may stand in each other, from 64 to 512; a value that nests deeper is a
   * `DecodeError` here. (Depths are counted in what is written: an object for a struct, an array for an array.) Defaults
   * to 200.
   */
  readonly depth: number
}

/** The limits where nobody has set any. */
export const defaults: SessionLimits = {
  dialogs: DefaultSettings.dialogs,
  window: { items: 64, bytes: 262_144 },
  opens: DefaultSettings.window,
  value: DefaultSettings.value,
  frame: DefaultSettings.frame,
  depth: 200
}

/** The limits of connections made from here on; defaults to {@link defaults}. Set them with {@link layer}. */
export const Current = Context.Reference<SessionLimits>("furrow/SessionLimits", {
  defaultValue: () => defaults
})

const most = Number.MAX_SAFE_INTEGER

const whole = (name: string, value: number, lowest: number, highest: number): number => {
  if (Number.isSafeInteger(value) && value >= lowest && value <= highest) return value
  const range = highest === most ? `of at least ${lowest}` : `from ${lowest} to ${highest}`
  throw new RangeError(
    `The session limit "${name}" must be a whole number ${range}, and it is ${String(value)}.`
  )
}

/**
 * The defaults with these in their place. Throws a `RangeError` that names the limit if one is out of its range.
 *
 * @internal
 */
export const make = (limits: Partial<SessionLimits>): SessionLimits => {
  const all = { ...defaults, ...limits }
  return {
    dialogs: whole("dialogs", all.dialogs, 1, most),
    window: {
      items: whole("window.items", all.window.items, 1, most),
      bytes: whole("window.bytes", all.window.bytes, 1, most)
    },
    opens: whole("opens", all.opens, 1, most),
    value: whole("value", all.value, 1, most),
    frame: whole("frame", all.frame, LeastFrame, FrameLimit),
    depth: whole("depth", all.depth, 64, 512)
  }
}

/**
 * The limits of every connection that is made below this Layer: of the actors that are spawned there. An actor's own end
 * of its connection has the limits that its program is given.
 *
 * **Example** (A parent that takes little from its children)
 *
 * ```ts
 * const orders = yield* Nursery.spawn(Orders, { main }).pipe(
 *   Effect.provide(SessionLimits.layer({ dialogs: 100, value: 1_048_576 }))
 * )
 * ```
 */
export const layer = (limits: Partial<SessionLimits>): Layer.Layer<never> =>
  Layer.succeed(Current, make(limits))

/**
 * The part of the limits that the other end is told.
 *
 * @internal
 */
export const settingsOf = (limits: SessionLimits): Settings => ({
  dialogs: limits.dialogs,
  value: limits.value,
  window: limits.opens,
  frame: limits.frame
})
