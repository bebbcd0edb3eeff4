/**
 * How a process ended, as the operating system tells it.
 *
 * Answers for the value and its wording only; why an actor is gone is `CrashCause`.
 */
import * as Schema from "effect/Schema"

/** The exit code of a process, or the signal that ended it. Both are absent if the system told neither. */
export const ProcessExit = Schema.Struct({
  code: Schema.optional(Schema.Int),
  signal: Schema.optional(Schema.String)
})

/** See the schema. */
export interface ProcessExit extends Schema.Schema.Type<typeof ProcessExit> {}

/** How a process ended, as the end of a sentence: `was ended by SIGKILL`, `exited with code 3`, `is gone`. */
export const describeExit = (exit: ProcessExit): string =>
  exit.signal !== undefined
    ? `was ended by ${exit.signal}`
    : exit.code !== undefined
      ? `exited with code ${exit.code}`
      : "is gone"
