/**
 * Waiting, bounded by the system's own clock, or by what this process's event loop has got round to.
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

/**
 * Waits until something holds, at most this many turns of the event loop. In each of them everything is read that the
 * system has; how long they take is nobody's guess on a busy machine, and next to nothing on any other.
 */
export const settleTurns = (holds: () => boolean, turns: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    let left = turns
    const turn = () => {
      if (left-- === 0 || holds()) resume(Effect.void)
      else setImmediate(turn)
    }
    turn()
  })

/** Waits until something holds that the system does not tell of, looking again and again, at most this many milliseconds. */
export const settleWhen = (holds: () => boolean, millis: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const end = performance.now() + millis
    const look = () => {
      if (!holds() && performance.now() < end) return
      clearInterval(timer)
      resume(Effect.void)
    }
    const timer = setInterval(look, 5)
    look()
    return Effect.sync(() => clearInterval(timer))
  })

/** Blocks this thread until something holds, at most this many milliseconds: for the end of a process. */
export const blockUntil = (holds: () => boolean, millis: number): void => {
  const never = new Int32Array(new SharedArrayBuffer(4))
  const end = performance.now() + millis
  while (!holds() && performance.now() < end) Atomics.wait(never, 0, 0, 1)
}
