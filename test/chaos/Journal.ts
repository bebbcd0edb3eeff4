/**
 * What the processes of a round write down while it runs: one file, one line a note, each written before the next step
 * is taken, so that nothing is lost with the process.
 *
 * Answers for the notes and for reading them in order. It is evidence of what the processes met; whether they are gone
 * is read from the process table alone.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import type { Harm, LastWords, StartFault } from "./Plan.ts"
import type { Told } from "./Told.ts"

/** What can be noted. */
export type Fact =
  /** The process runs. */
  | { readonly note: "born" }
  /** What it is to do is begun; its children that climb are there. */
  | { readonly note: "ready" }
  /** Its Layer's last finalizer has run. */
  | { readonly note: "ended" }
  /** The process ends by itself. */
  | { readonly note: "exits"; readonly code: number }
  /** A fault is about to happen, by the process itself. */
  | { readonly note: "harm"; readonly harm: Harm | StartFault }
  | { readonly note: "last"; readonly last: LastWords }
  /** The same, from outside; the process lived. */
  | { readonly note: "blow"; readonly on: string; readonly signal: NodeJS.Signals }
  | { readonly note: "spawned"; readonly knot: string; readonly child: number | undefined }
  | { readonly note: "not spawned"; readonly knot: string; readonly told: ReadonlyArray<Told> }
  | { readonly note: "begun"; readonly act: number }
  | {
      readonly note: "done"
      readonly act: number
      readonly value?: number
      readonly told: ReadonlyArray<Told>
    }
  /** The block ends by itself from now on. */
  | { readonly note: "ending"; readonly how: string }
  /** The block has ended; `left` are processes that it should have taken along. */
  | {
      readonly note: "over"
      readonly told: ReadonlyArray<Told>
      readonly left: ReadonlyArray<string>
    }
  | { readonly note: "stopping"; readonly knot: string }
  | { readonly note: "stopped"; readonly knot: string; readonly left: ReadonlyArray<string> }
  /** A child has reached a stage of the ladder. */
  | { readonly note: "stage"; readonly knot: string; readonly stage: string }
  /** What would otherwise pass unseen: the event's name. */
  | {
      readonly note: "event"
      readonly event: string
      readonly knot: string
      readonly told: ReadonlyArray<Told>
    }

/** A fact, with who noted it and when: milliseconds of the machine's monotonic clock. */
export type Note = Fact & { readonly at: number; readonly who: string; readonly pid: number }

/** The monotonic clock that all processes of the machine share, in milliseconds. */
export const now = (): number => Number(process.hrtime.bigint() / 1000n) / 1000

/** Writes a note down, of now unless another time is given. */
export const write = (file: string, who: string, fact: Fact, at = now()): void =>
  appendFileSync(file, `${JSON.stringify({ at, who, pid: process.pid, ...fact })}\n`)

/** Every note so far, in the order of time. A line that is being written is not there yet. */
export const read = (file: string): ReadonlyArray<Note> => {
  if (!existsSync(file)) return []
  const text = readFileSync(file, "utf8")
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Note => JSON.parse(line))
    .sort((a, b) => a.at - b.at)
}
