/**
 * Waiting, bounded by the system's own clock.
 *
 * What is waited for here happens outside this process, so a test clock must not hold it up.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** Waits until the fibers have ended, at most this many milliseconds. */
export const settle = (
  fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>,
  millis: number
): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    let left = fibers.length
    if (left === 0) return resume(Effect.void)
    const timer = setTimeout(() => resume(Effect.void), millis)
    for (const fiber of fibers) {
      fiber.addObserver(() => {
        left--
        if (left > 0) return
        clearTimeout(timer)
        resume(Effect.void)
      })
    }
    return Effect.sync(() => clearTimeout(timer))
  })
