/** The time that is left to a life: what every wait in a tree is made of. */
import { expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Life from "furrow/Life"

it.effect("a wait is told as long as it was allowed, whatever the clock shows", () =>
  Effect.gen(function* () {
    // A machine that has been up for nine hours: here a number of milliseconds has one digit less from now on.
    yield* TestClock.adjust(2 ** 25 - 1000)
    const told = new Set<number>()
    for (let times = 0; times < 1000; times++) {
      yield* TestClock.adjust(Duration.nanos(1_234_567n))
      yield* Life.waitFor(
        Effect.void,
        [],
        () => 120_000,
        (wait) => Effect.sync(() => told.add(wait))
      )
    }
    expect([...told]).toEqual([120_000])
  })
)
