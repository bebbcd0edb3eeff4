/** What a run is made of: who does what, how, and in which order. */
import { peers } from "./Peers.ts"
import type { Entry } from "./Peers.ts"
import { workloads } from "./Workloads.ts"

/** One thing to be measured, by a process of its own. */
export interface Step {
  readonly peer: string
  readonly workload: string
  readonly pinned: boolean
  readonly round: number
}

/** What was asked for. */
export interface Choice {
  /** Names of peers; all if there are none. */
  readonly peers: ReadonlyArray<string>
  /** Names of workloads; all if there are none. */
  readonly workloads: ReadonlyArray<string>
  readonly rounds: number
  readonly quick: boolean
  /** Everything on one core, or nothing. Left out, each workload as it says itself. */
  readonly pinned: boolean | undefined
}

/** Whether this peer has this workload in such a run: a quick one has less, unless it was asked for by name. */
const takes = (entry: Entry, workload: string, choice: Choice): boolean => {
  const named = choice.peers.includes(entry.name) || choice.workloads.includes(workload)
  const own: ReadonlyArray<string> = choice.quick && !named ? entry.quick : entry.workloads
  return own.includes(workload)
}

/** Rounds, in each the workloads, in each the peers in turn: what the machine does meanwhile meets all of them alike. */
export const plan = (choice: Choice): ReadonlyArray<Step> => {
  const chosen = (all: ReadonlyArray<string>, name: string) =>
    all.length === 0 || all.includes(name)
  const steps: Array<Step> = []
  for (let round = 1; round <= choice.rounds; round++) {
    for (const workload of workloads) {
      if (!chosen(choice.workloads, workload.name)) continue
      // A quick run sees both ways, each at another workload.
      const both = choice.quick ? [workload.pinned] : workload.pinned ? [false, true] : [false]
      for (const pinned of choice.pinned === undefined ? both : [choice.pinned]) {
        for (const entry of peers) {
          if (chosen(choice.peers, entry.name) && takes(entry, workload.name, choice)) {
            steps.push({ peer: entry.name, workload: workload.name, pinned, round })
          }
        }
      }
    }
  }
  return steps
}
