/** What a whole run has measured, as it is written to a file and read again. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { Outcome } from "./Outcome.ts"

/** One measured process: who, what, how, in which round, and what came of it. */
export const Cell = Schema.Struct({
  peer: Schema.String,
  workload: Schema.String,
  pinned: Schema.Boolean,
  round: Schema.Int,
  /** The share of the machine that others used meanwhile (0 to 1), if that is known. */
  others: Schema.optionalKey(Schema.Number),
  outcome: Outcome
})

/** One measured process. */
export type Cell = typeof Cell.Type

/** A whole run. */
export const Results = Schema.Struct({
  version: Schema.Literal(1),
  at: Schema.String,
  machine: Schema.Struct({
    processors: Schema.Int,
    model: Schema.String,
    system: Schema.String,
    node: Schema.String
  }),
  quick: Schema.Boolean,
  cells: Schema.Array(Cell)
})

/** A whole run. */
export type Results = typeof Results.Type

const asText = Schema.fromJsonString(Results)

/** The file is none that `--json` has written. */
class NoResults extends Schema.TaggedError<NoResults>()("NoResults", {
  file: Schema.String,
  detail: Schema.String
}) {
  override readonly message = `"${this.file}" holds no results of an earlier run: ${this.detail}`
}

/** Reads what {@link write} has written. */
export const read = (file: string) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => fs.readFileString(file)),
    Effect.flatMap(Schema.decodeEffect(asText)),
    Effect.mapError(({ message }) => new NoResults({ file, detail: message }))
  )

/** Writes all of it to a file, as JSON. */
export const write = Effect.fnUntraced(function* (file: string, results: Results) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(
    file,
    `${JSON.stringify(Schema.encodeSync(Results)(results), null, 1)}\n`
  )
})
