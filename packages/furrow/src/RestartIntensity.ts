/**
 * How often is too often: whether a supervisor may restart once more, as arithmetic over times.
 *
 * Answers for the sliding window, for the budget over all time, for their defaults and ranges. It knows no clock: times
 * are given to it, in milliseconds of any clock that does not go back. What follows from either answer is the
 * supervisor's.
 */
import * as Duration from "effect/Duration"

/** How many restarts a supervisor allows. Restarts of all its children count together, that of a group as one. */
export interface RestartIntensity {
  /** Restarts within the window; one more crash in it is one too many. Defaults to 3. */
  readonly maxRestarts: number
  /** How long a restart counts. Defaults to 5 seconds. */
  readonly within: Duration.Input
  /** Restarts in all, however long the supervisor lives. Defaults to `Infinity`. */
  readonly budget: number
}

/** What a supervisor allows where nothing is said: as in Elixir, 3 restarts within 5 seconds; without a budget. */
export const defaults: RestartIntensity = {
  maxRestarts: 3,
  within: "5 seconds",
  budget: Infinity
}

/** The same as numbers: {@link RestartIntensity.within} in milliseconds. */
export interface Limits {
  readonly maxRestarts: number
  readonly within: number
  readonly budget: number
}

const whole = (name: "maxRestarts" | "budget", value: number): number => {
  if (value === Infinity || (Number.isSafeInteger(value) && value >= 0)) return value
  throw new RangeError(
    `The restart intensity "${name}" must be a whole number of at least 0, or Infinity, and it is ${String(value)}.`
  )
}

/** The limits, with these in the place of {@link defaults}. Throws a `RangeError` that names what is out of its range. */
export const make = (given: Partial<RestartIntensity> = {}): Limits => {
  const { budget, maxRestarts, within } = { ...defaults, ...given }
  const millis = Duration.toMillis(Duration.fromInputUnsafe(within))
  if (!(millis > 0)) {
    throw new RangeError(
      `The restart intensity "within" must be longer than nothing, and it is ${millis} ms.`
    )
  }
  return {
    maxRestarts: whole("maxRestarts", maxRestarts),
    within: millis,
    budget: whole("budget", budget)
  }
}

/** What is remembered of restarts: when those were that may still count, and how many there were in all. */
export interface Past {
  readonly recent: ReadonlyArray<number>
  readonly total: number
}

/** Nothing has been restarted yet. */
export const none: Past = { recent: [], total: 0 }

/** Whether there may be one more: then what is remembered with it; else what forbids it, and how many there were. */
export type Verdict =
  | { readonly allowed: true; readonly past: Past }
  | {
      readonly allowed: false
      readonly limit: "intensity" | "budget"
      readonly restarts: number
    }

/** Judges one more restart at a time. One counts while less than the window has passed since. */
export const judge = (limits: Limits, past: Past, time: number): Verdict => {
  const recent = past.recent.filter((at) => time - at < limits.within)
  if (past.total >= limits.budget) {
    return { allowed: false, limit: "budget", restarts: past.total }
  }
  if (recent.length >= limits.maxRestarts) {
    return { allowed: false, limit: "intensity", restarts: recent.length }
  }
  return { allowed: true, past: { recent: [...recent, time], total: past.total + 1 } }
}
