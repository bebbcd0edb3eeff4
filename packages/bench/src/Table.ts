/** What was measured, in words: tables that read well in a terminal and are Markdown as they are. */
import type { Verdict } from "./Budgets.ts"
import { NoisyAbove } from "./OtherLoad.ts"
import { summarize, valueOf } from "./Summary.ts"
import type { Line, Value } from "./Summary.ts"
import type { Results } from "./Results.ts"
import { workloads } from "./Workloads.ts"

/** A table, its columns as wide as their widest cell; all but the first are set to the right. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((name, at) =>
    Math.max(3, name.length, ...rows.map((row) => row[at]?.length ?? 0))
  )
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths
      .map((width, at) => {
        const cell = cells[at] ?? ""
        return at === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join(" | ")} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`
  return [line(head), rule, ...rows.map(line)].join("\n")
}

/** A number with three digits that say something: `0.05`, `21.3`, `133k`, `2.21M`. */
export const number = (value: number): string => {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  if (size >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (size >= 1e4) return `${(value / 1000).toFixed(size >= 1e5 ? 0 : 1)}k`
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return value.toFixed(2)
}

const shown = ({ least, median, most, noisy }: Value, rounds: number): string =>
  `${noisy ? "~" : ""}${number(median)}${rounds > 1 ? ` (${number(least)}–${number(most)})` : ""}`

const percent = (share: number | undefined): string =>
  share === undefined ? "–" : `${(share * 100).toFixed(0)} %`

const tableOf = (lines: ReadonlyArray<Line>, workload: string, pinned: boolean): string => {
  const own = lines.filter((line) => line.workload === workload && line.pinned === pinned)
  const definition = workloads.find(({ name }) => name === workload)
  if (own.length === 0 || definition === undefined) return ""
  const figures = Object.entries(definition.figures)
  const rows = own.map(({ others, peer, rounds, values }) => [
    peer,
    ...figures.map(([figure]) => {
      const value = values.get(figure)
      if (value === undefined) return "–"
      const furrow = valueOf(own, { workload, pinned, peer: "furrow", figure })
      const ratio =
        furrow === undefined || peer === "furrow"
          ? ""
          : `  ${number(furrow.median / value.median)}x`
      return shown(value, rounds) + ratio
    }),
    percent(others),
    String(rounds)
  ])
  const notes = own.flatMap(({ note, peer }) => (note === undefined ? [] : `- ${peer} ${note}`))
  return [
    `### ${workload}${pinned ? ", both ends on one core" : ""}: ${definition.title}`,
    "",
    table(
      ["peer", ...figures.map(([name, { unit }]) => `${name} ${unit}`), "others", "rounds"],
      rows
    ),
    "",
    ...notes,
    ...(notes.length === 0 ? [] : [""])
  ].join("\n")
}

const legend = `Medians (least–most of the rounds); 1.5x: Furrow's figure is 1.5 times that peer's. \`~\`: others used more than ${percent(NoisyAbove)} of the machine in every round.`

/** All that was measured, a table for each workload and way of running it. */
export const measured = (results: Results): string => {
  const lines = summarize(results.cells)
  const { model, node, processors, system } = results.machine
  return [
    `${processors} x ${model}, ${system}, Node ${node}, ${results.at}${results.quick ? "; quick: these figures say nothing" : ""}`,
    legend,
    "",
    ...workloads.flatMap(({ name }) =>
      [false, true].map((pinned) => tableOf(lines, name, pinned)).filter((text) => text !== "")
    )
  ].join("\n")
}

const bound = (better: "less" | "more", value: number | undefined): string =>
  value === undefined ? "" : `${better === "less" ? "≤" : "≥"} ${number(value)}`

/** The budgets, and what has become of them. */
export const budgeted = (verdicts: ReadonlyArray<Verdict>): string =>
  [
    "### Budgets",
    "",
    table(
      ["budget", "measured", "must", "goal", "verdict"],
      verdicts.map(({ better, budget, measured, noisy, unit, verdict }) => [
        `${budget.workload} ${budget.what}${budget.pinned === true && budget.workload === "growth" ? ", pinned" : ""}`,
        `${noisy ? "~" : ""}${number(measured)} ${unit}`,
        bound(better, budget.must),
        bound(better, budget.goal),
        verdict
      ])
    ),
    ""
  ].join("\n")

/** This run beside an earlier one: every figure that both have. */
export const compared = (now: Results, then: Results): string => {
  const before = summarize(then.cells)
  const rows = summarize(now.cells).flatMap((line) =>
    [...line.values].flatMap(([figure, value]) => {
      const earlier = valueOf(before, { ...line, figure })
      return earlier === undefined
        ? []
        : [
            [
              `${line.workload}${line.pinned ? " pinned" : ""} ${line.peer} ${figure}`,
              shown(earlier, 1),
              shown(value, 1),
              `${number(value.median / earlier.median)}x`
            ]
          ]
    })
  )
  return [
    `### Now, to ${then.at}`,
    "",
    "What the peers have become says how much of it is the machine.",
    "",
    table(["figure", "then", "now", "ratio"], rows),
    ""
  ].join("\n")
}
