/** Values that are known from some time on, and what those meet who wait for them. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { isKnown, Later } from "furrow/Known"

describe("a value that will be known", () => {
  it.effect("wakes everybody who waits for it, and those who come later need not wait", () =>
    Effect.gen(function* () {
      const later = new Later<number>()
      const waiting = yield* Effect.forkChild(Effect.all([later.wait, later.wait]), {
        startImmediately: true
      })
      expect([later.value, isKnown(later.wait)]).toEqual([undefined, false])
      later.tell(1)
      expect([later.value, isKnown(later.wait)]).toEqual([1, true])
      expect(yield* Fiber.join(waiting)).toEqual([1, 1])
    })
  )

  it.effect("can be known before anybody who waits goes on", () =>
    Effect.gen(function* () {
      const later = new Later<number>()
      const waiting = yield* Effect.forkChild(later.wait, { startImmediately: true })
      later.know(1)
      yield* Effect.yieldNow
      expect([later.value, waiting.pollUnsafe()]).toEqual([1, undefined])
      later.tell(2)
      expect(yield* Fiber.join(waiting)).toBe(1)
    })
  )

  it("is what it was told to be first", () => {
    const later = new Later<number>()
    later.tell(1)
    later.tell(2)
    expect(later.value).toBe(1)
  })
})
