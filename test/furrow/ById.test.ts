/** The table of dialogs: what is in it is found, what was taken out is not, and keeps nothing. */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { ById } from "furrow/ById"

class One {
  readonly id: number
  after: One | undefined = undefined
  constructor(id: number) {
    this.id = id
  }
}

const step = fc.record({
  what: fc.constantFrom("add", "delete", "get", "clear"),
  // Of both ends, and far from each other: those of a connection that has lived long stand beside one that was opened first.
  id: fc.oneof(fc.nat(64), fc.nat(100_000), fc.maxSafeNat())
})

describe("a table by ids", () => {
  it("holds what a Map would", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new ById<One>()
        const model = new Map<number, One>()
        for (const { id, what } of steps) {
          if (what === "add" && !model.has(id)) {
            const one = new One(id)
            model.set(id, one)
            table.add(one)
          }
          if (what === "delete") {
            model.delete(id)
            table.delete(id)
          }
          if (what === "clear" && id % 7 === 0) {
            expect(new Set(table.clear())).toEqual(new Set(model.values()))
            model.clear()
          }
          expect(table.get(id)).toBe(model.get(id))
          expect(table.size).toBe(model.size)
        }
        expect(table.all().sort((a, b) => a.id - b.id)).toEqual(
          [...model.values()].sort((a, b) => a.id - b.id)
        )
      })
    )
  })

  it("what was taken out refers to nothing that is in it, or was", () => {
    const table = new ById<One>()
    // More than there are places to begin with, so that some share one.
    const all = Array.from({ length: 100 }, (_, at) => new One(2 * at))
    for (const one of all) table.add(one)
    for (const one of all.slice(0, 50)) table.delete(one.id)
    table.clear()
    expect(all.filter(({ after }) => after !== undefined)).toEqual([])
  })
})
