/**
 * How much one nursery takes: actors alive at once, and spawns within a second.
 *
 * Answers for the numbers, their defaults and the range each may have. A spawn beyond one is refused with `SpawnError`
 * `LimitReached`, before anything of the actor is there. Counting is the nursery's.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/** What one nursery accepts. Nurseries inside of it, and those of its actors, count for themselves. */
export interface NurseryLimits {
  /** Actors that are coming up, live, or are not reaped yet. Defaults to 1024. */
  readonly actors: number
  /** Spawns within any one second, those that fail included. Defaults to `Infinity`. */
  readonly spawnsPerSecond: number
}

/** The limits where nobody has set any. */
export const defaults: NurseryLimits = { actors: 1024, spawnsPerSecond: Infinity }

/**
 * The limits of whoever spawns, where the nursery itself was given none; defaults to {@link defaults}. Set them with
 * {@link layer}.
 */
export const Current = Context.Reference<NurseryLimits>("furrow/NurseryLimits", {
  defaultValue: () => defaults
})

const least = (name: keyof NurseryLimits, value: number, lowest: number): number => {
  if (value === Infinity || (Number.isSafeInteger(value) && value >= lowest)) return value
  throw new RangeError(
    `The nursery limit "${name}" must be a whole number of at least ${lowest}, or Infinity, and it is ${String(value)}.`
  )
}

/** The limits with these in their place. Throws a `RangeError` that names the limit if one is out of its range. */
export const make = (
  limits: Partial<NurseryLimits>,
  otherwise: NurseryLimits = defaults
): NurseryLimits => {
  const all = { ...otherwise, ...limits }
  return {
    actors: least("actors", all.actors, 0),
    spawnsPerSecond: least("spawnsPerSecond", all.spawnsPerSecond, 1)
  }
}

/**
 * The limits of everybody who spawns below this Layer, such as an actor's own Layer and its handlers.
 *
 * **Example** (An actor that has at most eight children)
 *
 * ```ts
 * NodeActor.runMain(Counter.program(CounterLive.pipe(Layer.provide(NurseryLimits.layer({ actors: 8 })))))
 * ```
 */
export const layer = (limits: Partial<NurseryLimits>): Layer.Layer<never> =>
  Layer.succeed(Current, make(limits))
