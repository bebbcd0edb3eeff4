/**
 * How a process ended, as the operating system tells it, and what is known of why.
 *
 * Answers for the value and its wording only. Finding out why is the spawner's, which knows the system; what its owner
 * had done to the process, and what the actor could still say itself, stands beside it in `CrashCause`.
 */
import * as Schema from "effect/Schema"

/**
 * Memory ran out. `heap`: the heap of the runtime was full, at `limit` MiB if the spawn option `memory` had set one.
 * `system`: the machine, or the control group that the process is in, had none left and ended it.
 */
export const OutOfMemory = Schema.TaggedStruct("OutOfMemory", {
  of: Schema.Literals(["heap", "system"]),
  limit: Schema.optional(Schema.Finite)
})

/** The runtime itself crashed: a bug in it or in native code, or an abort that was asked for. `said` is its own word. */
export const RuntimeCrash = Schema.TaggedStruct("RuntimeCrash", {
  said: Schema.optional(Schema.String)
})

/** Why a process ended, as far as its exit does not say it. */
export const Death = Schema.Union([OutOfMemory, RuntimeCrash])

/** See the schema. */
export type Death = typeof Death.Type

/**
 * The exit code of a process, or the signal that ended it; both are absent if the system told neither. `death` is why,
 * if more is known than that.
 */
export const ProcessExit = Schema.Struct({
  code: Schema.optional(Schema.Int),
  signal: Schema.optional(Schema.String),
  death: Schema.optional(Death)
})

/** See the schema. */
export interface ProcessExit extends Schema.Schema.Type<typeof ProcessExit> {}

/** How a process ended, as the end of a sentence: `was ended by SIGKILL`, `exited with code 3`, `is gone`. */
export const describeExit = ({ code, death, signal }: ProcessExit): string => {
  const how =
    signal !== undefined
      ? `was ended by ${signal}`
      : code !== undefined
        ? `exited with code ${code}`
        : "is gone"
  if (death === undefined) return how
  if (death._tag === "RuntimeCrash") {
    return `${how}, a crash of its runtime${death.said === undefined ? "" : `: ${death.said}`}`
  }
  if (death.of === "system")
    return `${how}: the system, or its control group, had run out of memory`
  const limit = death.limit === undefined ? "" : ` at its limit of ${death.limit} MiB`
  return `ran out of memory and ${how}: its heap was full${limit}, which the spawn option "memory" raises`
}

/** What a process wrote last, to stand below a sentence about its end. A runtime whose heap is full writes nothing but figures. */
export const lastWords = (stderr: string | undefined, exit?: ProcessExit): string =>
  stderr === undefined ||
  stderr.trim() === "" ||
  (exit?.death?._tag === "OutOfMemory" && exit.death.of === "heap")
    ? ""
    : `\nIts last words on stderr:\n${stderr.trimEnd()}`
