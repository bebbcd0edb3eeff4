/** What two ends make of each other's Hello. */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Handshake, Protocol } from "furrow/protocol"
import { hello } from "./arbitraries.ts"

type Hello = Protocol.FrameOf<"Hello">

const make = (changes: Partial<Hello> = {}): Hello => ({
  _tag: "Hello",
  versions: { lowest: 1, highest: 1 },
  codecs: ["binary/effect-4.1"],
  actor: "Counter",
  incarnation: "0",
  operations: [],
  settings: Protocol.DefaultSettings,
  ...changes
})

const agreed = (outcome: Handshake.Agreement | Handshake.Refusal): Handshake.Agreement => {
  if (outcome._tag === "Refusal") throw new Error(outcome.detail)
  return outcome
}

const refused = (outcome: Handshake.Agreement | Handshake.Refusal): string => {
  if (outcome._tag === "Agreement") throw new Error("agreed")
  return outcome.detail
}

describe("Handshake", () => {
  it("both ends come to the same version and codec, or both refuse", () => {
    fc.assert(
      fc.property(hello, hello, (a, b) => {
        const [mine, theirs] = [Handshake.negotiate(a, b), Handshake.negotiate(b, a)]
        expect(mine._tag).toBe(theirs._tag)
        if (mine._tag === "Refusal" || theirs._tag === "Refusal") return
        expect(mine.version).toBe(theirs.version)
        expect(mine.codec).toBe(theirs.codec)
        for (const { versions } of [a, b]) {
          expect(mine.version).toBeGreaterThanOrEqual(versions.lowest)
          expect(mine.version).toBeLessThanOrEqual(versions.highest)
        }
        const both = a.codecs.filter((name) => b.codecs.includes(name))
        expect(both.length === 0 ? ["json"] : both).toContain(mine.codec)
      })
    )
  })

  it("the highest version that both speak is taken", () => {
    const mine = make({ versions: { lowest: 1, highest: 4 } })
    const theirs = make({ versions: { lowest: 2, highest: 6 } })
    expect(agreed(Handshake.negotiate(mine, theirs)).version).toBe(4)
  })

  it("no common version is refused, and both sides, their versions and who must upgrade are named", () => {
    const root = make({ actor: "Root" })
    const newer = make({ versions: { lowest: 3, highest: 4 } })
    for (const detail of [
      refused(Handshake.negotiate(root, newer)),
      refused(Handshake.negotiate(newer, root))
    ]) {
      expect(detail).toContain('actor "Counter"')
      expect(detail).toContain("speaks wire versions 3 to 4")
      expect(detail).toContain('actor "Root"')
      expect(detail).toContain("speaks wire version 1")
      expect(detail).toContain('upgrade furrow in "Root"')
    }
  })

  it("another actor's name than the expected one is refused, and both names are told", () => {
    const detail = refused(
      Handshake.negotiate(make({ actor: "Root" }), make({ actor: "Chatter" }), {
        expected: "Counter"
      })
    )
    expect(detail).toContain('"Counter"')
    expect(detail).toContain('"Chatter"')
    agreed(Handshake.negotiate(make({ actor: "Root" }), make(), { expected: "Counter" }))
  })

  it("binary is used only if both name it alike, otherwise JSON", () => {
    const codec = (mine: ReadonlyArray<string>, theirs: ReadonlyArray<string>) =>
      agreed(Handshake.negotiate(make({ codecs: mine }), make({ codecs: theirs }))).codec
    expect(codec(["binary/effect-4.1", "json"], ["binary/effect-4.1", "json"])).toBe(
      "binary/effect-4.1"
    )
    expect(codec(["binary/effect-4.1"], ["binary/effect-4.2"])).toBe("json")
    expect(codec(["binary/effect-4.1", "json"], ["json"])).toBe("json")
    expect(codec([], ["binary/effect-4.1"])).toBe("json")
    expect(codec(["a", "b"], ["c", "b", "a"])).toBe("a")
  })

  it("operations that differ in shape or kind, and those that are missing, are told and not refused", () => {
    const operations = (
      ...all: ReadonlyArray<readonly [string, Protocol.OperationInfo["kind"], string]>
    ) => all.map(([name, kind, fingerprint]) => ({ name, kind, fingerprint }))
    const expected = operations(
      ["Get", "call", "1"],
      ["Add", "call", "2"],
      ["Watch", "stream", "3"],
      ["New", "call", "4"]
    )
    const served = operations(
      ["Get", "call", "1"],
      ["Add", "call", "9"],
      ["Watch", "call", "3"],
      ["Old", "call", "5"]
    )
    const outcome = agreed(
      Handshake.negotiate(make(), make({ operations: served }), { operations: expected })
    )
    expect(outcome.differing).toEqual([
      { operation: "Add", mine: "call 2", theirs: "call 9" },
      { operation: "Watch", mine: "stream 3", theirs: "call 3" }
    ])
    expect(outcome.missing).toEqual(["New"])
  })
})
