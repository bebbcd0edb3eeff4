/** From measurements to words: medians, what counts, ratios, budgets, tables, and who takes which turn. */
import { describe, expect, it } from "vitest"
import { verdicts } from "../../packages/bench/src/Budgets.ts"
import { peerNames } from "../../packages/bench/src/Peers.ts"
import { plan } from "../../packages/bench/src/Plan.ts"
import type { Choice } from "../../packages/bench/src/Plan.ts"
import type { Cell, Results } from "../../packages/bench/src/Results.ts"
import { median, quantile } from "../../packages/bench/src/Statistics.ts"
import { summarize } from "../../packages/bench/src/Summary.ts"
import * as Table from "../../packages/bench/src/Table.ts"
import { workloadNames } from "../../packages/bench/src/Workloads.ts"

const cell = (peer: string, figures: Record<string, number>, more: Partial<Cell> = {}): Cell => ({
  peer,
  workload: "W2",
  pinned: true,
  round: 1,
  others: 0.01,
  outcome: { _tag: "Measured", figures },
  ...more
})

const results = (cells: ReadonlyArray<Cell>): Results => ({
  version: 1,
  at: "then",
  machine: { processors: 2, model: "m", system: "s", node: "24" },
  quick: false,
  cells
})

describe("statistics", () => {
  it("the median is the middle, or the mean of the two in the middle, by size and not by digits", () => {
    expect(median([100, 9, 20])).toBe(20)
    expect(median([4, 1, 10, 2])).toBe(3)
    expect(median([])).toBeNaN()
  })

  it("a quantile is a value that was there", () => {
    const values = Array.from({ length: 200 }, (_, n) => n)
    expect(quantile(values, 0.5)).toBe(100)
    expect(quantile(values, 0.99)).toBe(198)
    expect(quantile([7], 0.99)).toBe(7)
  })
})

describe("the summary of rounds", () => {
  it("leaves rounds out in which others used the machine, where there are quieter ones", () => {
    const [line] = summarize([
      cell("raw", { p50: 20 }),
      cell("raw", { p50: 90 }, { round: 2, others: 0.5 }),
      cell("raw", { p50: 22 }, { round: 3 })
    ])
    expect(line?.values.get("p50")).toEqual({ median: 21, least: 20, most: 22, noisy: false })
    expect(line?.rounds).toBe(3)
  })

  it("keeps noisy rounds where there are no others, and says so", () => {
    const [line] = summarize([cell("raw", { p50: 90 }, { others: 0.5 })])
    expect(line?.values.get("p50")).toMatchObject({ median: 90, noisy: true })
  })

  it("counts a machine that does not say what others use as quiet", () => {
    const { others: _, ...unknown } = cell("raw", { p50: 20 })
    expect(summarize([unknown])[0]?.values.get("p50")?.noisy).toBe(false)
  })

  it("keeps pinned and unpinned apart", () => {
    const lines = summarize([cell("raw", { p50: 20 }), cell("raw", { p50: 60 }, { pinned: false })])
    expect(lines.map(({ pinned, values }) => [pinned, values.get("p50")?.median])).toEqual([
      [true, 20],
      [false, 60]
    ])
  })

  it("tells why a peer has no figures", () => {
    const [line] = summarize([
      cell("zeromq", {}, { outcome: { _tag: "Skipped", reason: "no such package" } })
    ])
    expect(line).toMatchObject({ note: "skipped: no such package", rounds: 0 })
  })
})

describe("budgets", () => {
  const ofRatio = (p50: number, calls: number) =>
    verdicts(
      summarize([
        cell("furrow", { p50, calls }),
        cell("raw", { p50: 20, calls: 400_000 }),
        cell("fork", { p50: 22, calls: 100_000 })
      ])
    ).map(({ budget, measured, verdict }) => [budget.figure, budget.to, measured, verdict])

  it("judge a time by how much more it is, and a rate by how much less", () => {
    expect(ofRatio(30, 130_000)).toEqual([
      ["p50", "raw", 1.5, "goal met"],
      ["calls", "fork", 1.3, "goal met"]
    ])
    expect(ofRatio(38, 90_000)).toEqual([
      ["p50", "raw", 1.9, "met"],
      ["calls", "fork", 0.9, "met"]
    ])
    expect(ofRatio(42, 70_000)).toEqual([
      ["p50", "raw", 2.1, "NOT MET"],
      ["calls", "fork", 0.7, "NOT MET"]
    ])
  })

  it("are silent about what was not measured", () => {
    expect(verdicts(summarize([cell("furrow", { p50: 30 })]))).toEqual([])
  })

  it("judge a figure itself where no peer is named", () => {
    const [verdict] = verdicts(
      summarize([cell("furrow", { downP99: 5.1 }, { workload: "W8", pinned: false })])
    )
    expect(verdict).toMatchObject({ measured: 5.1, unit: "ms", verdict: "NOT MET" })
  })

  it("a goal without a must is no failure", () => {
    const lines = summarize([
      cell("furrow", { items: 1 }, { workload: "W3", pinned: false }),
      cell("raw", { items: 2 }, { workload: "W3", pinned: false })
    ])
    expect(verdicts(lines).map(({ verdict }) => verdict)).toEqual(["goal missed"])
  })
})

describe("tables", () => {
  it("have a line for each peer, with the spread and Furrow's ratio to it, and notes below", () => {
    const text = Table.measured(
      results([
        cell("furrow", { p50: 30 }),
        cell("furrow", { p50: 34 }, { round: 2 }),
        cell("raw", { p50: 20 }),
        cell("zeromq", {}, { outcome: { _tag: "Skipped", reason: "no such package" } })
      ])
    )
    expect(text).toContain("### W2, both ends on one core")
    expect(text).toMatch(/\| furrow \| +32\.0 \(30\.0–34\.0\) \|/)
    expect(text).toMatch(/\| raw +\| +20\.0 {2}1\.60x \|/)
    expect(text).toContain("- zeromq skipped: no such package")
  })

  it("compare with an earlier run what both have", () => {
    const text = Table.compared(
      results([cell("furrow", { p50: 30, p99: 1 }), cell("raw", { p50: 20 })]),
      results([cell("furrow", { p50: 60 })])
    )
    expect(text).toMatch(/\| W2 pinned furrow p50 \| +60\.0 \| +30\.0 \| +0\.50x \|/)
    expect(text).not.toContain("p99")
    expect(text).not.toContain("raw p50")
  })

  it("write numbers with three digits, and none that is no number", () => {
    expect(
      [0.051, 3.456, 21.34, 315.2, 8820, 12_345, 133_400, 2_210_000].map(Table.number)
    ).toEqual(["0.05", "3.46", "21.3", "315", "8820", "12.3k", "133k", "2.21M"])
    expect(Table.number(1 / 0)).toBe("–")
  })
})

describe("the plan of a run", () => {
  const choice: Choice = { peers: [], workloads: [], rounds: 1, quick: false, pinned: undefined }
  const short = (given: Partial<Choice>) =>
    plan({ ...choice, ...given }).map(
      ({ peer, pinned, round, workload }) =>
        `${round} ${workload}${pinned ? " pinned" : ""} ${peer}`
    )

  it("lets the peers take turns, round by round", () => {
    expect(short({ peers: ["furrow", "fork"], workloads: ["W4", "W5"], rounds: 2 })).toEqual(
      [1, 2].flatMap((round) => [
        `${round} W4 furrow`,
        `${round} W4 fork`,
        `${round} W4 pinned furrow`,
        `${round} W4 pinned fork`,
        `${round} W5 furrow`,
        `${round} W5 fork`
      ])
    )
  })

  it("runs everything one way if it was told so", () => {
    const peers = ["fork"]
    expect(short({ peers, workloads: ["W2", "W3"], pinned: true })).toEqual([
      "1 W2 pinned fork",
      "1 W3 pinned fork"
    ])
    expect(short({ peers, workloads: ["W2"], pinned: false })).toEqual(["1 W2 fork"])
  })

  it("gives each workload to Furrow, and each peer a part even of a quick run", () => {
    const steps = plan({ ...choice, quick: true })
    expect(new Set(steps.filter(({ peer }) => peer === "furrow").map((s) => s.workload))).toEqual(
      new Set(workloadNames)
    )
    expect(new Set(steps.map(({ peer }) => peer))).toEqual(new Set(peerNames))
  })
})
