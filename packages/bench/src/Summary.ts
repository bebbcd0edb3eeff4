/** Many rounds in one number each: medians over the quiet rounds, or over all where none was quiet. */
import * as Arr from "effect/Array"
import { NoisyAbove } from "./OtherLoad.ts"
import type { Cell } from "./Results.ts"
import { median } from "./Statistics.ts"

/** A figure over all rounds that count. */
export interface Value {
  readonly median: number
  readonly least: number
  readonly most: number
  /** No round was quiet. */
  readonly noisy: boolean
}

/** What one peer has made of one workload, in one way of running it. */
export interface Line {
  readonly workload: string
  readonly pinned: boolean
  readonly peer: string
  readonly values: ReadonlyMap<string, Value>
  /** How many rounds have figures. */
  readonly rounds: number
  /** What others used of the machine in the middle round, if that is known (0 to 1). */
  readonly others: number | undefined
  /** Why there is nothing, or not all: it was skipped, or has failed. */
  readonly note: string | undefined
}

const figuresOf = ({ outcome }: Cell) => (outcome._tag === "Measured" ? outcome.figures : undefined)

const lineOf = (cells: ReadonlyArray<Cell>, { peer, pinned, workload }: Cell): Line => {
  const measured = cells.filter((cell) => figuresOf(cell) !== undefined)
  const quiet = measured.filter(({ others }) => others === undefined || others <= NoisyAbove)
  const counting = quiet.length > 0 ? quiet : measured
  const names = new Set(counting.flatMap((cell) => Object.keys(figuresOf(cell) ?? {})))
  const values = new Map(
    [...names].map((name): [string, Value] => {
      const all = counting.flatMap((cell) => figuresOf(cell)?.[name] ?? [])
      return [
        name,
        {
          median: median(all),
          least: Math.min(...all),
          most: Math.max(...all),
          noisy: quiet.length === 0
        }
      ]
    })
  )
  const known = cells.flatMap(({ others }) => others ?? [])
  const [note] = cells.flatMap(({ outcome }) =>
    outcome._tag === "Measured" ? [] : `${outcome._tag.toLowerCase()}: ${outcome.reason}`
  )
  return {
    workload,
    pinned,
    peer,
    values,
    rounds: measured.length,
    others: known.length === 0 ? undefined : median(known),
    note
  }
}

/** One line for each peer, workload and way of running it, in the order in which they first came. */
export const summarize = (cells: ReadonlyArray<Cell>): ReadonlyArray<Line> =>
  Object.values(Arr.groupBy(cells, (cell) => `${cell.workload} ${cell.pinned} ${cell.peer}`)).map(
    (same) => lineOf(same, same[0])
  )

/** The figure of one line, if it was measured. */
export const valueOf = (
  lines: ReadonlyArray<Line>,
  of: {
    readonly workload: string
    readonly pinned: boolean
    readonly peer: string
    readonly figure: string
  }
): Value | undefined =>
  lines
    .find(
      ({ peer, pinned, workload }) =>
        workload === of.workload && pinned === of.pinned && peer === of.peer
    )
    ?.values.get(of.figure)
