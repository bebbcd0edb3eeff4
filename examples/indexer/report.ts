/** The result as a value: what is printed as a table, or, encoded, as JSON. */
import { Order, Schema } from "effect"
import type { Collection, Content } from "./collection.ts"
import { Occurrence } from "./indexer.ts"
import { descending, mostFrequent, top } from "./top.ts"

/** How many identifiers, and how many groups of equal files, are told. */
const Identifiers = 20
const Groups = 10

const Extension = Schema.Struct({
  /** In lower case, with its dot; empty for files without one. */
  extension: Schema.String,
  files: Schema.Int,
  bytes: Schema.Int,
  lines: Schema.Int
})

const LargeFile = Schema.Struct({
  path: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
  /** Only of text. */
  lines: Schema.optional(Schema.Int),
  identifiers: Schema.Array(Occurrence)
})

const Group = Schema.Struct({
  sha256: Schema.String,
  /** The size of one. */
  bytes: Schema.Int,
  files: Schema.Int,
  /** How many times the content is on the disk; less than `files` if some are hard links. */
  places: Schema.Int,
  /** At most ten of them. */
  paths: Schema.Array(Schema.String)
})

/** The result, whole or partial. Sizes are in bytes, paths are relative to `root`, every list is in order. */
export const Report = Schema.Struct({
  root: Schema.String,
  /** Whether the program was ended before it had seen everything. */
  partial: Schema.Boolean,
  workers: Schema.Int,
  /** How often one was killed and replaced; only if they were shot at. */
  restarts: Schema.optional(Schema.Int),
  seconds: Schema.Finite,
  bytesPerSecond: Schema.Finite,
  totals: Schema.Struct({
    files: Schema.Int,
    bytes: Schema.Int,
    lines: Schema.Int,
    binaries: Schema.Int,
    unreadable: Schema.Int
  }),
  extensions: Schema.Array(Extension),
  largest: Schema.Array(LargeFile),
  identifiers: Schema.Array(Occurrence),
  /** Files of equal content, empty ones left out: what the second and later ones of each group come to. */
  duplicates: Schema.Struct({
    groups: Schema.Int,
    files: Schema.Int,
    bytes: Schema.Int,
    /** The bytes that are on the disk more than once; hard links cost none. */
    wasted: Schema.Int,
    largest: Schema.Array(Group)
  }),
  unreadable: Schema.Array(Schema.Struct({ path: Schema.String, reason: Schema.String }))
})
/** A value of the schema of this name. */
export type Report = typeof Report.Type

/** A report as one JSON document. */
export const toJson = (report: Report): string =>
  JSON.stringify(Schema.encodeSync(Report)(report), null, 2)

/** Reports what has been collected. */
export const report = (
  collection: Collection,
  run: Pick<Report, "root" | "partial" | "workers" | "restarts" | "seconds">
): Report => ({
  ...run,
  bytesPerSecond: run.seconds > 0 ? Math.round(collection.totals.bytes / run.seconds) : 0,
  totals: { ...collection.totals, unreadable: collection.unreadable.length },
  extensions: Array.from(collection.extensions, ([extension, sums]) => ({
    extension,
    ...sums
  })).sort(byBytes),
  largest: collection.largest.map(({ bytes, path, sha256, text }) => ({
    path,
    bytes,
    sha256,
    lines: text?.lines,
    identifiers: text?.identifiers ?? []
  })),
  identifiers: mostFrequent(Identifiers, collection.identifiers),
  duplicates: duplicatesOf(collection),
  unreadable: collection.unreadable.map(({ path, reason }) => ({ path, reason })).sort(byPath)
})

const byBytes = descending<typeof Extension.Type>(
  ({ bytes }) => bytes,
  ({ extension }) => extension
)

const byPath = Order.mapInput(Order.String, ({ path }: { readonly path: string }) => path)

const bytesAgain = ({ bytes, files }: Content): number => bytes * (files - 1)

const byBytesAgain = descending(bytesAgain, ({ sha256 }) => sha256)

const duplicatesOf = ({ contents }: Collection): Report["duplicates"] => {
  const groups = [...contents.values()].filter(({ bytes, files }) => bytes > 0 && files > 1)
  return {
    groups: groups.length,
    files: groups.reduce((sum, { files }) => sum + files - 1, 0),
    bytes: groups.reduce((sum, group) => sum + bytesAgain(group), 0),
    wasted: groups.reduce((sum, { bytes, places }) => sum + bytes * (places.size - 1), 0),
    largest: top(Groups, byBytesAgain, groups).map(({ bytes, files, paths, places, sha256 }) => ({
      sha256,
      bytes,
      files,
      places: places.size,
      paths
    }))
  }
}
