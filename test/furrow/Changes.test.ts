/** Facts that change: who is told, and how often. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Changes } from "furrow/Changes"

/** Somebody who waits, and how often that one has looked. */
const waiter = (changes: Changes) =>
  Effect.gen(function* () {
    const seen = { looks: 0, holds: false }
    const fiber = yield* Effect.forkChild(
      changes.until(() => {
        seen.looks++
        return seen.holds
      }),
      { startImmediately: true }
    )
    return { fiber, seen }
  })

describe("whoever waits for a fact", () => {
  it.effect("goes on at the change that makes it hold, and looks at no later one", () =>
    Effect.gen(function* () {
      const changes = new Changes()
      const { fiber, seen } = yield* waiter(changes)
      changes.tell()
      expect([seen.looks, fiber.pollUnsafe()]).toStrictEqual([2, undefined])
      seen.holds = true
      changes.tell()
      yield* Fiber.join(fiber)
      changes.tell()
      expect(seen.looks).toBe(3)
    })
  )

  it.effect("does not wait for what holds already, and looks at no change", () =>
    Effect.gen(function* () {
      const changes = new Changes()
      let looks = 0
      yield* changes.until(() => ++looks > 0)
      changes.tell()
      expect(looks).toBe(1)
    })
  )

  it.effect("looks at nothing any more when it is interrupted", () =>
    Effect.gen(function* () {
      const changes = new Changes()
      const { fiber, seen } = yield* waiter(changes)
      yield* Fiber.interrupt(fiber)
      changes.tell()
      expect(seen.looks).toBe(1)
    })
  )
})
