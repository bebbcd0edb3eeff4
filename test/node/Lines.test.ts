/** Output cut into lines, as a pure value. */
import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Lines, LongestLine } from "../../packages/node/src/internal/Lines.ts"

const run = (...chunks: ReadonlyArray<string | Uint8Array>) => {
  const lines = new Lines("[a] ")
  const out = chunks.map((chunk) => lines.push(Buffer.from(chunk)))
  return Buffer.concat([...out, lines.flush()]).toString()
}

describe("lines", () => {
  it("have the name in front, empty ones too", () => {
    expect(run("one\n\ntwo\n")).toBe("[a] one\n[a] \n[a] two\n")
    expect(run("")).toBe("")
  })

  it("may come in pieces, and the last one without its end", () => {
    expect(run("o", "ne\nt", "wo", "\n", "three")).toBe("[a] one\n[a] two\n[a] three\n")
  })

  it("are passed on as soon as they are whole", () => {
    const lines = new Lines("> ")
    expect(String(lines.push(Buffer.from("one\ntw")))).toBe("> one\n")
    expect(String(lines.push(Buffer.from("o")))).toBe("")
    expect(String(lines.flush())).toBe("> two\n")
    expect(String(lines.flush())).toBe("")
  })

  it("that have a name of somebody below keep it, also if they come in pieces", () => {
    const lines = new Lines("[a] ", "[a/")
    const out = ["[a/b] one\n[", "a", "/b", "/c] two\n[ab] three\n[a] four\n[a/"].map((chunk) =>
      lines.push(Buffer.from(chunk))
    )
    expect(Buffer.concat([...out, lines.flush()]).toString()).toBe(
      "[a/b] one\n[a/b/c] two\n[a] [ab] three\n[a] [a] four\n[a/\n"
    )
  })

  it("longer than 64 KiB that were cut below are not cut again", () => {
    const below = new Lines("[a/b] ", "[a/b/")
    const above = new Lines("[a] ", "[a/")
    const long = "x".repeat(3 * LongestLine)
    const pieces = Buffer.concat([below.push(Buffer.from(long)), below.flush()])
    const through = Buffer.concat(
      [1, 7, LongestLine].flatMap((_, at, sizes) => {
        const from = sizes.slice(0, at).reduce((sum, size) => sum + size, 0)
        return [above.push(pieces.subarray(from, at === 2 ? undefined : from + sizes[at]!))]
      })
    )
    expect(through.equals(pieces)).toBe(true)
  })

  it("longer than 64 KiB are cut into pieces, between characters", () => {
    const long = `x${"é".repeat(LongestLine)}`
    const pieces = run(long, "\nend\n").split("\n").slice(0, -1)
    expect(pieces.at(-1)).toBe("[a] end")
    const texts = pieces.slice(0, -1).map((piece) => piece.slice("[a] ".length))
    expect(texts.join("")).toBe(long)
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeLessThanOrEqual(
      LongestLine
    )
  })

  it.prop(
    "are the same however they are cut",
    { chunks: Schema.Array(Schema.Literals(["a", "bc", "\n", "\n\n", "é\nf"])) },
    ({ chunks }) => {
      expect(run(...chunks)).toBe(run(chunks.join("")))
    }
  )
})
