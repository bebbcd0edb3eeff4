/**
 * What a run of many rounds comes to: how much was done, what went wrong on purpose, and how long the slowest end took.
 */
import { happenings } from "./Happenings.ts"
import { inWords as tableInWords } from "./ProcessTable.ts"
import type { Plan } from "./Plan.ts"
import type { Seen } from "./Round.ts"

/** Sums over rounds. */
export interface Tally {
  readonly rounds: number
  readonly processes: number
  readonly operations: number
  /** Rounds in which something did not hold. */
  readonly violated: number
  /** How often each fault happened. */
  readonly faults: ReadonlyMap<string, number>
  /** The longest that anybody lived after its root, in milliseconds, in which round, and who it was. */
  readonly slowest: { readonly millis: number; readonly round: number; readonly who: string }
}

/** Before the first round. */
export const empty: Tally = {
  rounds: 0,
  processes: 0,
  operations: 0,
  violated: 0,
  faults: new Map(),
  slowest: { millis: 0, round: 0, who: "" }
}

/** With one more round. */
export const add = (
  tally: Tally,
  plan: Plan,
  seen: Seen,
  violations: ReadonlyArray<string>
): Tally => {
  const faults = new Map(tally.faults)
  for (const { what, words } of happenings(plan, seen.notes)) {
    if (what !== "stopping") faults.set(words, (faults.get(words) ?? 0) + 1)
  }
  return {
    rounds: tally.rounds + 1,
    processes: tally.processes + seen.processes,
    operations: tally.operations + seen.notes.filter(({ note }) => note === "begun").length,
    violated: tally.violated + (violations.length === 0 ? 0 : 1),
    faults,
    slowest:
      seen.goneAfter > tally.slowest.millis
        ? { millis: seen.goneAfter, round: plan.round, who: tableInWords(seen.last) }
        : tally.slowest
  }
}

/** In one line. */
export const inShort = ({ operations, processes, rounds, violated }: Tally): string =>
  `${rounds} rounds, ${processes} processes, ${operations} operations, ${violated} violated`

/** In full. */
export const inWords = (tally: Tally): string =>
  [
    inShort(tally),
    ...[...tally.faults]
      .sort(([, a], [, b]) => b - a)
      .map(([fault, count]) => `  ${String(count).padStart(5)} × ${fault}`),
    `the slowest end: ${Math.round(tally.slowest.millis)} ms after the root, in round ${tally.slowest.round}`,
    tally.slowest.who
  ].join("\n")
