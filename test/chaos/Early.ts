/**
 * What a process of the tree does before anything of Furrow is imported: this module is imported first.
 *
 * Answers for noting that the process runs and that it ends by itself, and for the faults that come this early. Who it
 * is stands in environment variables that its spawner sets for each process anew.
 */
import { ExitCode, speakGarbage } from "./Harm.ts"
import { write } from "./Journal.ts"
import type { StartFault } from "./Plan.ts"

/** The variables: the journal, the name, and the fault of this start, if there is one. */
export const Variables = {
  file: "FURROW_CHAOS_FILE",
  name: "FURROW_CHAOS_NAME",
  start: "FURROW_CHAOS_START"
} as const

const file = process.env[Variables.file] ?? "/dev/null"

/** Who this process is. */
const name = process.env[Variables.name] ?? "nobody"

const start = process.env[Variables.start]

/** Does what this start is to fail by, if that is it. */
export const onStart = (fault: StartFault, doing: () => unknown): unknown => {
  if (start !== fault) return undefined
  write(file, name, { note: "harm", harm: fault })
  return doing()
}

write(file, name, { note: "born" })
process.on("exit", (code) => write(file, name, { note: "exits", code }))

onStart("exits before anything is imported", () => process.exit(ExitCode))
onStart("throws before anything is imported", () => {
  throw new Error("thrown by chaos, before everything else")
})
onStart("writes garbage before hello", speakGarbage)
onStart("exits while it is imported", () => setImmediate(() => process.exit(ExitCode)))
await onStart("never says hello", () => {
  setInterval(() => {}, 1_000_000)
  return new Promise(() => {})
})
