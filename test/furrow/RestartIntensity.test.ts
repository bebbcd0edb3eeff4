/** How often is too often: the sliding window and the budget, held against a count by hand. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import * as RestartIntensity from "furrow/RestartIntensity"

/** Asks at each of these times, as long as it is allowed: when it was, and how it ended. */
const ask = (limits: RestartIntensity.Limits, times: ReadonlyArray<number>) => {
  let past = RestartIntensity.none
  const allowed: Array<number> = []
  for (const time of times) {
    const verdict = RestartIntensity.judge(limits, past, time)
    if (!verdict.allowed) return { allowed, past, refused: { time, ...verdict } }
    past = verdict.past
    allowed.push(time)
  }
  return { allowed, past, refused: undefined }
}

/** Times that do not go back, close to each other. */
const times = FastCheck.array(FastCheck.integer({ min: 0, max: 60 }), { maxLength: 40 }).map(
  (steps) => {
    let time = 0
    return steps.map((step) => (time += step))
  }
)

const limits = FastCheck.record({
  maxRestarts: FastCheck.integer({ min: 0, max: 6 }),
  within: FastCheck.integer({ min: 1, max: 200 }),
  budget: FastCheck.oneof(FastCheck.integer({ min: 0, max: 20 }), FastCheck.constant(Infinity))
})

describe("restart intensity", () => {
  it("allows 3 restarts within 5 seconds, for ever, where nothing is said", () => {
    expect(RestartIntensity.make()).toEqual({ maxRestarts: 3, within: 5000, budget: Infinity })
    const { allowed, refused } = ask(RestartIntensity.make(), [0, 1, 2, 4999])
    expect(allowed).toEqual([0, 1, 2])
    expect(refused).toMatchObject({ time: 4999, limit: "intensity", restarts: 3 })
    expect(ask(RestartIntensity.make(), [0, 1, 2, 5000]).refused).toBeUndefined()
  })

  it("slides: one counts while less than the window has passed since", () => {
    const few = RestartIntensity.make({ maxRestarts: 2, within: "1 second" })
    expect(ask(few, [0, 600, 1000, 1600, 2000]).refused).toBeUndefined()
    expect(ask(few, [0, 600, 1000, 1599]).refused).toMatchObject({ time: 1599, restarts: 2 })
  })

  it("never allows more in any window, nor in all, and refuses nothing below that", () => {
    FastCheck.assert(
      FastCheck.property(limits, times, (limits, times) => {
        const { allowed, past, refused } = ask(limits, times)
        expect(past.total).toBe(allowed.length)
        expect(allowed.length).toBeLessThanOrEqual(limits.budget)
        const upTo = (time: number) => allowed.filter((at) => time - at < limits.within).length
        for (const [n, time] of allowed.entries()) {
          const inWindow = allowed.slice(0, n + 1).filter((at) => time - at < limits.within)
          expect(inWindow.length).toBeLessThanOrEqual(limits.maxRestarts)
        }
        if (refused === undefined) expect(allowed).toEqual(times)
        else if (refused.limit === "budget") {
          expect([refused.restarts, allowed.length]).toEqual([limits.budget, limits.budget])
        } else {
          expect([refused.restarts, upTo(refused.time)]).toEqual([
            limits.maxRestarts,
            limits.maxRestarts
          ])
        }
      })
    )
  })

  it("remembers no more than the window holds", () => {
    FastCheck.assert(
      FastCheck.property(limits, times, (limits, times) => {
        const { past } = ask(limits, times)
        expect(past.recent.length).toBeLessThanOrEqual(limits.maxRestarts)
      })
    )
  })

  it("refuses numbers that mean nothing, by name", () => {
    expect(() => RestartIntensity.make({ maxRestarts: -1 })).toThrow('"maxRestarts"')
    expect(() => RestartIntensity.make({ budget: 1.5 })).toThrow('"budget"')
    expect(() => RestartIntensity.make({ within: 0 })).toThrow('"within"')
  })
})
