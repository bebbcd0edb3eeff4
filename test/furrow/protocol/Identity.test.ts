/** What an actor may be called, and when two references are one life. */
import { describe, expect, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { Identity } from "furrow/protocol"
import { name } from "./arbitraries.ts"

const decode = Schema.decodeUnknownExit(Identity.ActorName)

describe("Identity", () => {
  it("a name may hold letters of any script, blanks and signs", () => {
    fc.assert(fc.property(name, (name) => Exit.isSuccess(decode(name))))
    for (const name of ["worker-3", "café", "工人", "a b.c:d@e", "x".repeat(128)]) {
      expect(Exit.isSuccess(decode(name))).toBe(true)
    }
  })

  it("a name may not be empty, too long, hold a slash or a control character, and is told why", () => {
    const refused = (name: string) => String(decode(name))
    expect(refused("")).toContain("may not be empty")
    expect(refused("x".repeat(129))).toContain("at most 128 characters, this one has 129")
    for (const name of ["a/b", "a\nb", "a\u0000", "\u001b[31m", "a\u007f", "a\u009b", "a\u2028b"]) {
      expect(refused(name)).toContain("neither control characters")
    }
  })

  it("two lives of one path are not the same life", () => {
    const first = { path: "root/a", incarnation: "1" }
    expect(Identity.isSameLife(first, { path: "root/a", incarnation: "2" })).toBe(false)
    expect(Identity.isSameLife(first, { ...first })).toBe(true)
  })
})
