/**
 * Sharing at random: users come, stay a while, and are interrupted, while what they share comes up, goes down, or fails to
 * come up.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Shared from "furrow/Shared"

/** Numbers below a bound, the same for the same seed. */
const dice = (seed: number) => {
  let state = seed
  return (bound: number): number => {
    state = (state * 1_103_515_245 + 12_345) & 0x7f_ff_ff_ff
    return (state >> 8) % bound
  }
}

const turns = (times: number) => Effect.repeat(Effect.yieldNow, { times })

const play = Effect.fnUntraced(function* (seed: number) {
  const below = dice(seed)
  const open = new Set<string>()
  let [opened, closed] = [0, 0]
  const play = Effect.gen(function* () {
    const shared = yield* Shared.make({
      open: Effect.fnUntraced(function* (key: string) {
        yield* turns(below(4))
        if (below(10) === 0) return yield* Effect.fail("not now")
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            assert(!open.has(key), "it is there twice")
            open.add(key)
            opened++
          }),
          () =>
            Effect.andThen(
              turns(below(4)),
              Effect.sync(() => {
                open.delete(key)
                closed++
              })
            )
        )
        yield* turns(below(4))
        return () => open.has(key)
      })
    })
    const users: Array<Fiber.Fiber<void, string>> = []
    for (let n = 0; n < 60; n++) {
      const use = shared.use(["a", "b"][below(2)]!, (isOpen) =>
        Effect.repeat(
          Effect.sync(() => assert(isOpen(), "it is used when it is gone")),
          { times: below(5) }
        )
      )
      users.push(yield* Effect.forkChild(Effect.asVoid(use)))
      yield* turns(below(3))
      if (below(4) === 0) yield* Effect.forkChild(Fiber.interrupt(users[below(users.length)]!))
    }
    for (const user of users) {
      const exit = yield* Fiber.await(user)
      if (Exit.isFailure(exit)) assert(!Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
    }
  })
  yield* Effect.scoped(play)
  assert(opened > 0)
  assert.strictEqual(closed, opened)
})

describe("a resource that is shared by many, at random", () => {
  for (const steps of [2048, 3]) {
    it.effect(
      `RES-1 RES-7 is never there twice, nor gone while it is used, with turns of ${steps} steps`,
      () =>
        Effect.forEach(Array(40).keys(), (seed) => play(seed + 1), { discard: true }).pipe(
          Effect.provideService(Scheduler.MaxOpsBeforeYield, steps)
        )
    )
  }
})
