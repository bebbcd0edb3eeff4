/** Who is stopped and started when a child has crashed: the strategies, for any children. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import { planOf } from "furrow/RestartPlan"
import type { Placed, Strategy } from "furrow/RestartPlan"

const permanent: Placed = { restart: "permanent", resting: undefined }

const children: FastCheck.Arbitrary<ReadonlyArray<Placed>> = FastCheck.array(
  FastCheck.record({
    restart: FastCheck.constantFrom("permanent", "transient", "temporary"),
    resting: FastCheck.constantFrom(undefined, "ended", "stopped")
  }),
  { minLength: 1, maxLength: 8 }
)

const strategies: FastCheck.Arbitrary<Strategy> = FastCheck.constantFrom(
  "one-for-one",
  "one-for-all",
  "rest-for-one"
)

/** Children of which one has crashed: one that was there, and is to be. */
const crashes = FastCheck.tuple(children, FastCheck.nat()).map(([children, nth]) => {
  const crashed = nth % children.length
  return { children: children.with(crashed, permanent), crashed }
})

describe("the plan of a restart", () => {
  it("is about the child alone, all, or the child and those after it", () => {
    const four = [permanent, permanent, permanent, permanent]
    expect(planOf("one-for-one", four, 1)).toEqual({ stop: [], start: [1] })
    expect(planOf("one-for-all", four, 1)).toEqual({ stop: [3, 2, 0], start: [0, 1, 2, 3] })
    expect(planOf("rest-for-one", four, 1)).toEqual({ stop: [3, 2], start: [1, 2, 3] })
  })

  it("takes temporary children along for good, brings back finished ones, and leaves stopped ones", () => {
    const family: ReadonlyArray<Placed> = [
      permanent,
      { restart: "temporary", resting: undefined },
      { restart: "transient", resting: "ended" },
      { restart: "temporary", resting: "ended" },
      { restart: "permanent", resting: "stopped" }
    ]
    expect(planOf("one-for-all", family, 0)).toEqual({ stop: [1], start: [0, 2] })
  })

  it("stops in reverse, starts in order, starts who crashed, and concerns nobody before it in rest-for-one", () => {
    FastCheck.assert(
      FastCheck.property(strategies, crashes, (strategy, { children, crashed }) => {
        const { start, stop } = planOf(strategy, children, crashed)
        expect(start).toEqual(start.toSorted((a, b) => a - b))
        expect(stop).toEqual(stop.toSorted((a, b) => b - a))
        expect(start).toContain(crashed)
        expect(stop).not.toContain(crashed)
        const concerned = [...start, ...stop]
        if (strategy === "one-for-one") expect(concerned).toEqual([crashed])
        if (strategy === "rest-for-one") expect(Math.min(...concerned)).toBe(crashed)
        for (const place of stop) expect(children[place]!.resting).toBeUndefined()
        for (const place of concerned) expect(children[place]!.resting).not.toBe("stopped")
        // Whoever is there and concerned either comes back or was temporary.
        for (const place of stop) {
          expect(start.includes(place)).toBe(children[place]!.restart !== "temporary")
        }
      })
    )
  })
})
