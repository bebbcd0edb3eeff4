/**
 * How a pool is to be: how its workers are started, how many there are, and how it treats them.
 *
 * Answers for the options, their defaults and the range that each may have.
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { LaunchOptions } from "./launch.ts"
import type { SpawnOptions } from "./Nursery.ts"

/** How many workers there are: always as many, or as many as are needed, between two bounds. */
export type Size =
  | {
      /** How many workers there are; at least 1. */
      readonly size: number
      readonly min?: undefined
      readonly max?: undefined
      readonly idle?: undefined
    }
  | {
      readonly size?: undefined
      /** How many workers there are at least, also if nobody needs them; may be 0. */
      readonly min: number
      /** How many there are at most. */
      readonly max: number
      /**
       * How long a worker that nobody has needed may stay, beyond the least; it is looked for once in that time.
       * Defaults to 1 minute.
       */
      readonly idle?: Duration.Input | undefined
    }

/** How a pool treats its workers, and those who wait for one. Each has a default. */
export interface Rules {
  /**
   * How many jobs one worker has at once. Defaults to 1. A pool of a fixed size spreads its jobs; one that grows fills a
   * worker before it needs another.
   */
  readonly concurrency?: number | undefined
  /**
   * How many jobs may wait for a worker; one more is refused with `PortalError` `Overloaded`. 0 refuses whenever nobody
   * is free. Defaults to `"unbounded"`: who waits is a fiber, which holds whoever made it back.
   */
  readonly queue?: number | "unbounded" | undefined
  /** How many jobs one worker does before another takes its place. Defaults to any number. */
  readonly maxCalls?: number | undefined
  /** How long one worker stays before another takes its place; what it still does it ends. Defaults to any time. */
  readonly maxAge?: Duration.Input | undefined
  /**
   * The pauses before workers that follow on ones which could not be started, or crashed before they had done a job.
   * It begins anew when a worker that came after the last of these has done one. Defaults to {@link defaultBackoff}.
   */
  readonly backoff?: Schedule.Schedule<unknown> | undefined
}

/** How the workers are started (see `Nursery.spawn`), how many there are, and how the pool treats them. */
export type PoolOptions<Args extends Schema.Top, S = never> = SpawnOptions<Args, S> & Size & Rules

/** 100 milliseconds, twice as much after each failure, at most 10 seconds; each a fifth more or less. */
export const defaultBackoff: Schedule.Schedule<unknown> = Schedule.jittered(
  Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])
)

/**
 * A number in its range. Throws a `RangeError` that names the option if it is not.
 *
 * @internal
 */
export const whole = (name: string, value: number, least: number): number => {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RangeError(
    `The option "${name}" of a pool must be a whole number of at least ${least}, and it is ${String(value)}.`
  )
}

const time = (name: string, input: Duration.Input): Duration.Duration => {
  const duration = Duration.fromInput(input)
  if (duration._tag === "Some" && Duration.toMillis(duration.value) > 0) return duration.value
  throw new RangeError(
    `The option "${name}" of a pool must be a time of more than 0, and it is ${typeof input === "object" ? JSON.stringify(input) : String(input)}.`
  )
}

/**
 * The options as numbers, each in its range. Throws a `RangeError` that names the option if one is not.
 *
 * @internal
 */
export const checked = <Args extends Schema.Top, S>(options: PoolOptions<Args, S>) => {
  const { backoff, concurrency, idle, max, maxAge, maxCalls, min, queue, size, ...spawn } = options
  const most = whole(size === undefined ? "max" : "size", size ?? max, 1)
  const least = whole("min", size ?? min, 0)
  if (least > most) {
    throw new RangeError(
      `The option "min" of a pool is ${least}, which is more than its "max", ${most}.`
    )
  }
  return {
    spawn: spawn as LaunchOptions,
    min: least,
    max: most,
    idle: time("idle", idle ?? "1 minute"),
    concurrency: whole("concurrency", concurrency ?? 1, 1),
    queue: queue === undefined || queue === "unbounded" ? Infinity : whole("queue", queue, 0),
    maxCalls: maxCalls === undefined ? Infinity : whole("maxCalls", maxCalls, 1),
    maxAge: time("maxAge", maxAge ?? Duration.infinity),
    backoff: backoff ?? defaultBackoff
  }
}
