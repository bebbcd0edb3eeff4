/** What one measured process has to say: its figures, or why there are none. */
import * as Schema from "effect/Schema"

/** The figures of one run of a workload, by name. */
const Measured = Schema.TaggedStruct("Measured", {
  figures: Schema.Record(Schema.String, Schema.Number)
})

/** The peer is not installed here. */
const Skipped = Schema.TaggedStruct("Skipped", { reason: Schema.String })

/** It was tried, and went wrong. */
const Failed = Schema.TaggedStruct("Failed", { reason: Schema.String })

/** What one measured process has to say. */
export const Outcome = Schema.Union([Measured, Skipped, Failed])

/** What one measured process has to say. */
export type Outcome = typeof Outcome.Type

/** What its line on stdout begins with, so that nothing else that a peer writes is taken for it. */
export const Mark = "furrow-bench "
