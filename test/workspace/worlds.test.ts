/**
 * What the guide says that each world can do, held against what the contract suite asks of it.
 */
import { expect, test } from "vitest"
import { readFileSync } from "node:fs"
import { abilities, processes, testWorld, threads } from "../contract/World.ts"
import type { Ability } from "../contract/World.ts"

const guide = readFileSync(new URL("../../docs/guide.md", import.meta.url), "utf8")

/** The cells of the first table below a heading, row by row, without its head. */
const tableBelow = (heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = guide.slice(guide.indexOf(`\n${heading}\n`)).split("\n")
  const from = lines.findIndex((line) => line.startsWith("|"))
  const to = lines.findIndex((line, at) => at > from && !line.startsWith("|"))
  return lines.slice(from + 2, to).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
}

test("W1 the guide's table says of each world what its suite asks of it", () => {
  const names = Object.keys(abilities) as ReadonlyArray<Ability>
  expect(tableBelow("## Three worlds")).toEqual(
    names.map((ability) => [
      abilities[ability],
      ...[testWorld, processes, threads].map(({ can }) => (can[ability] ? "yes" : "no"))
    ])
  )
})
