/**
 * Who is let in, in which order, and what is left of those who leave: any sequence of comings and goings, beside a list
 * that is sorted again each time.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as fc from "fast-check"
import { Admission } from "furrow/Admission"
import type { Refusal } from "furrow/Admission"
import { only } from "../contract/Watching.ts"

/** One thing that happens: somebody comes, somebody who is in goes, somebody who waits has had enough. */
type Step =
  | { readonly _tag: "Come"; readonly priority: number }
  | { readonly _tag: "Go"; readonly which: number }
  | { readonly _tag: "GiveUp"; readonly which: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    _tag: fc.constant("Come" as const),
    priority: fc.oneof(fc.integer({ min: -2, max: 2 }), fc.constantFrom(Infinity, -Infinity, 0.5))
  }),
  fc.record({ _tag: fc.constant("Go" as const), which: fc.nat(20) }),
  fc.record({ _tag: fc.constant("GiveUp" as const), which: fc.nat(20) })
)

/** Somebody, as the model knows it. */
interface Guest {
  readonly priority: number
  readonly fiber: Fiber.Fiber<void, unknown>
  readonly mayGo: Deferred.Deferred<void>
}

/** Comes in, or waits for it, and goes when the scope closes. */
const enter = (admission: Admission, priority: number): Effect.Effect<void, Refusal, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      const place = admission.enter(priority)
      if (typeof place === "string") return Effect.fail(place)
      return Effect.andThen(
        Effect.addFinalizer(() => admission.leave(place)),
        restore(admission.turn(place))
      )
    })
  )

/** Lets everybody who can go on do so. */
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

describe("admission", () => {
  it.effect(
    "any comings and goings: the highest priority is next, the first come within one, never more than there is room for",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.integer({ min: 1, max: 3 }),
            fc.integer({ min: 0, max: 6 }),
            fc.array(step, { maxLength: 40 }),
            (room, most, steps) =>
              Effect.runPromise(
                Effect.gen(function* () {
                  const admission = new Admission(room, most)
                  /** Whoever was let in, in the order in which it happened. */
                  const entered: Array<Guest> = []
                  const expected: Array<Guest> = []
                  const inside: Array<Guest> = []
                  const waiting: Array<Guest> = []
                  const admit = (guest: Guest) => {
                    expected.push(guest)
                    inside.push(guest)
                  }
                  for (const step of steps) {
                    if (step._tag === "Come") {
                      const mayGo = yield* Deferred.make<void>()
                      const { priority } = step
                      let guest: Guest | undefined
                      const fiber = yield* enter(admission, priority).pipe(
                        Effect.andThen(Effect.sync(() => entered.push(guest!))),
                        Effect.andThen(Deferred.await(mayGo)),
                        Effect.scoped,
                        Effect.forkChild
                      )
                      guest = { priority, fiber, mayGo }
                      yield* settle
                      if (inside.length < room) admit(guest)
                      else if (waiting.length < most) waiting.push(guest)
                      else expect(only(yield* Fiber.await(fiber))).toBe("full")
                    } else if (step._tag === "Go" && inside.length > 0) {
                      const [gone] = inside.splice(step.which % inside.length, 1)
                      yield* Deferred.succeed(gone!.mayGo, undefined)
                      yield* settle
                      const next = waiting.toSorted((a, b) =>
                        // Infinity less itself is no number.
                        a.priority === b.priority ? 0 : b.priority - a.priority
                      )[0]
                      if (next !== undefined) {
                        waiting.splice(waiting.indexOf(next), 1)
                        admit(next)
                      }
                    } else if (step._tag === "GiveUp" && waiting.length > 0) {
                      const [gone] = waiting.splice(step.which % waiting.length, 1)
                      yield* Fiber.interrupt(gone!.fiber)
                    }
                    expect([admission.running, admission.waiting]).toEqual([
                      inside.length,
                      waiting.length
                    ])
                    expect(entered).toEqual(expected)
                  }
                  for (const { fiber } of [...inside, ...waiting]) yield* Fiber.interrupt(fiber)
                  expect([admission.running, admission.waiting]).toEqual([0, 0])
                })
              )
          ),
          { numRuns: 200 }
        )
      )
  )

  it.effect("who is interrupted at the moment in which its turn has come hands it on", () =>
    Effect.gen(function* () {
      const admission = new Admission(1, Infinity)
      const mayGo = yield* Deferred.make<void>()
      const come = (then: Effect.Effect<void>) =>
        Effect.forkChild(Effect.scoped(Effect.andThen(enter(admission, 0), then)), {
          startImmediately: true
        })
      yield* come(Deferred.await(mayGo))
      const second = yield* come(Effect.never)
      const third = yield* come(Effect.void)
      // The first goes, and the second is interrupted before it could run again.
      Deferred.doneUnsafe(mayGo, Exit.void)
      second.interruptUnsafe()
      yield* Fiber.join(third)
      yield* Fiber.await(second)
      expect([admission.running, admission.waiting]).toEqual([0, 0])
    })
  )

  it.effect("10 000 who wait, and go as soon as they are in, are let in one after the other", () =>
    Effect.gen(function* () {
      const admission = new Admission(1, Infinity)
      const mayGo = yield* Deferred.make<void>()
      yield* Effect.forkChild(
        Effect.scoped(Effect.andThen(enter(admission, 0), Deferred.await(mayGo))),
        { startImmediately: true }
      )
      let count = 0
      const coming = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 10_000 }),
          () =>
            Effect.scoped(
              Effect.andThen(
                enter(admission, 0),
                Effect.sync(() => {
                  count++
                })
              )
            ),
          { concurrency: "unbounded", discard: true }
        ),
        { startImmediately: true }
      )
      while (admission.waiting < 10_000) yield* Effect.yieldNow
      yield* Deferred.succeed(mayGo, undefined)
      yield* Fiber.join(coming)
      expect(count).toBe(10_000)
    })
  )

  it.effect(
    "who is dismissed before it looks whether its turn has come is told, and nobody comes after",
    () =>
      Effect.gen(function* () {
        const admission = new Admission(1, Infinity)
        admission.enter(0)
        const waiting = admission.enter(0)
        assert(typeof waiting !== "string")
        admission.dismiss()
        expect(only(yield* Effect.exit(admission.turn(waiting)))).toBe("closed")
        expect(admission.enter(0)).toBe("closed")
      })
  )

  it.effect("shut lets in those who wait and nobody else; dismissed lets in nobody", () =>
    Effect.gen(function* () {
      const admission = new Admission(1, Infinity)
      const mayGo = yield* Deferred.make<void>()
      const come = (then: Effect.Effect<void>) =>
        Effect.forkChild(Effect.scoped(Effect.andThen(enter(admission, 0), then)), {
          startImmediately: true
        })
      const first = yield* come(Deferred.await(mayGo))
      const second = yield* come(Effect.never)
      const third = yield* come(Effect.void)
      admission.shut()
      expect(only(yield* Fiber.await(yield* come(Effect.void)))).toBe("closed")
      yield* Deferred.succeed(mayGo, undefined)
      yield* Fiber.join(first)
      const empty = yield* Effect.forkChild(admission.empty, { startImmediately: true })
      expect([admission.running, admission.waiting]).toEqual([1, 1])
      admission.dismiss()
      expect(only(yield* Fiber.await(third))).toBe("closed")
      yield* Fiber.interrupt(second)
      yield* Fiber.join(empty)
    })
  )
})
