/** What can be opened at once, and what comes of it. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Gather from "furrow/Gather"
import { describe, expectTypeOf, it } from "vitest"

declare const one: Effect.Effect<number, "no", "service">
declare const other: Effect.Effect<string, "never", Scope.Scope>

describe("gathering", () => {
  it("TRI-1 nothing does not compile", () => {
    // @ts-expect-error -- nothing to open
    Gather.all([])
    // @ts-expect-error -- nor here
    Gather.all({})
  })

  it("gives what came of each, at its place", () => {
    expectTypeOf(Gather.all([one, other])).toEqualTypeOf<
      Effect.Effect<[number, string], "no" | "never", "service" | Scope.Scope>
    >()
    expectTypeOf(Gather.all({ one, other })).toEqualTypeOf<
      Effect.Effect<{ one: number; other: string }, "no" | "never", "service" | Scope.Scope>
    >()
    const many: ReadonlyArray<typeof one> = [one]
    expectTypeOf(Gather.all(many)).toEqualTypeOf<
      Effect.Effect<Array<number>, "no", "service" | Scope.Scope>
    >()
  })
})
