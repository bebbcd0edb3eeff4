/** What is read from a descriptor, and whoever pulls it. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Wire from "furrow/Wire"
import { closeError, Inlet } from "../../packages/node/src/internal/Inlet.ts"

it.effect("the next chunk is asked for when the reader pulls again, and not before", () =>
  Effect.gen(function* () {
    let asked = 0
    const inlet = new Inlet(() => asked++)
    const [a, b, c, d] = ["a", "b", "c", "d"].map((text) => [Buffer.from(text)] as const)
    expect(inlet.push(a!)).toBe(false)
    const { pull } = yield* inlet.reader(() => {})
    expect(yield* pull).toBe(a)
    expect(asked).toBe(0)
    const pulling = (effect: Effect.Effect<unknown, unknown>) =>
      Effect.forkChild(effect, { startImmediately: true })
    const once = yield* pulling(pull)
    expect(asked).toBe(1)
    // It has what it wanted, and may still look at it.
    expect(inlet.push(b!)).toBe(false)
    expect(yield* Fiber.join(once)).toBe(b)
    expect(asked).toBe(1)
    // This one is done with a chunk at once.
    const twice = yield* pulling(Effect.andThen(pull, pull))
    expect(asked).toBe(2)
    expect(inlet.push(c!)).toBe(true)
    expect(inlet.push(d!)).toBe(false)
    expect(yield* Fiber.join(twice)).toBe(d)
    expect(asked).toBe(2)
  }).pipe(Effect.scoped)
)

it.effect("a reader that leaves lets everything be read that comes", () =>
  Effect.gen(function* () {
    let asked = 0
    const inlet = new Inlet(() => asked++)
    const chunk = [Buffer.from("a")] as const
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { pull } = yield* inlet.reader(() => {})
        inlet.push(chunk)
        yield* pull
        expect(asked).toBe(0)
      })
    )
    expect(asked).toBe(1)
    expect(inlet.push(chunk)).toBe(true)
  })
)

it.effect(
  "whoever lets it flow is done with every chunk at once, also with the one it had pulled",
  () =>
    Effect.gen(function* () {
      for (const isWaiting of [true, false]) {
        let asked = 0
        const inlet = new Inlet(() => asked++)
        const seen: Array<string> = []
        const [a, b, c] = ["a", "b", "c"].map((text) => [Buffer.from(text)] as const)
        const { pull } = yield* inlet.reader(() => {})
        const flow = Wire.flowOf(pull)!
        const flowing = Effect.map(pull, () =>
          flow(
            (chunk) => seen.push(String(chunk)),
            () => seen.push("end")
          )
        )
        // What it does with its first chunk, it does as that is pushed, or later.
        const first = isWaiting
          ? yield* Effect.forkChild(flowing, { startImmediately: true })
          : undefined
        const isDone = inlet.push(a!)
        yield* first === undefined ? flowing : Fiber.join(first)
        expect([isDone, asked]).toEqual(isWaiting ? [true, 0] : [false, 1])
        expect([inlet.push(b!), inlet.push(c!), asked]).toEqual([true, true, isWaiting ? 0 : 1])
        inlet.end(closeError(1000))
        expect(seen).toEqual(["b", "c", "end"])
      }
    }).pipe(Effect.scoped)
)
