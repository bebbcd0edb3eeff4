/** Which life of an actor it is: a UUID, whether the system has a file of random bytes or not. */
import { describe, expect, it } from "@effect/vitest"
import * as Incarnation from "../../packages/node/src/internal/Incarnation.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe("an incarnation", () => {
  it("I1 is a random UUID, and no other life's", () => {
    const drawn = Array.from({ length: 1000 }, () => Incarnation.draw())
    expect(drawn.filter((each) => !uuid.test(each))).toEqual([])
    expect(new Set(drawn).size).toBe(1000)
    // Every digit that may be any of sixteen is.
    for (let at = 0; at < 36; at++) {
      const digits = new Set(drawn.map((each) => each[at])).size
      expect(digits).toBe(at === 14 || [8, 13, 18, 23].includes(at) ? 1 : at === 19 ? 4 : 16)
    }
  })

  it("I1 is one also where the system has no such file, or it ends", () => {
    expect(Incarnation.draw("/no/such/file")).toMatch(uuid)
    expect(Incarnation.draw("/dev/null")).toMatch(uuid)
  })
})
