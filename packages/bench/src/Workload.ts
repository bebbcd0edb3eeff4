/** The contract of a workload: its name, its figures, and how it is run against any peer. */
import type { Peer } from "./Peer.ts"

/** What a figure is measured in, and which way is better. */
export interface Figure {
  readonly unit: string
  readonly better: "less" | "more"
}

/** A figure of which less is better: times and sizes. */
export const less = (unit: string): Figure => ({ unit, better: "less" })

/** A figure of which more is better: rates. */
export const more = (unit: string): Figure => ({ unit, better: "more" })

/** Something that peers are asked to do, with the answers checked. */
export interface Workload<Name extends string = string> {
  readonly name: Name
  /** One line for the head of its table. */
  readonly title: string
  readonly figures: Readonly<Record<string, Figure>>
  /** Also run with both ends on one core, where the system allows; else only as the system likes. */
  readonly pinned: boolean
  /** Runs it once; `quick` is just enough to see that it works. The keys are those of `figures`. */
  readonly run: (peer: Peer, quick: boolean) => Promise<Readonly<Record<string, number>>>
}

/** A peer has been listed for a workload that it has no means for, or has answered wrongly. */
class WorkloadError extends Error {
  override readonly name = "WorkloadError"
}

/** What a peer brings, or the word that it should not have been listed for this workload. */
export const brought = <A>(means: A | undefined, name: string): A => {
  if (means === undefined) throw new WorkloadError(`the peer brings no "${name}"`)
  return means
}

/** Fails unless what was answered is what was expected. */
export const check = (answer: unknown, expected: unknown, what: string): void => {
  if (answer !== expected) {
    throw new WorkloadError(`${what}: ${String(answer)} instead of ${String(expected)}`)
  }
}
