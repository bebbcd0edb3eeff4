/**
 * The least that every world can do.
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Nursery from "furrow/Nursery"
import { Counter } from "./fixtures/Counter.ts"
import type { World } from "./World.ts"

export default ({ it, main, name }: World): void => {
  describe(`counting (${name})`, () => {
    it("an actor counts from where it was told to", () =>
      Nursery.run(
        Effect.gen(function* () {
          const counter = yield* Nursery.spawn(Counter, { ...main, arguments: { from: 40 } })
          assert.strictEqual(yield* counter.client.Increment({ by: 2 }), 42)
        })
      ))
  })
}
