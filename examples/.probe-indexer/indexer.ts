/**
 * The contract: all that the root and its workers share. It says what is asked of a worker and what it answers, and
 * nothing about how either is done.
 */
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"

/** How often an identifier occurs. */
export const Occurrence = Schema.Struct({ name: Schema.String, count: Schema.Int })
/** A value of the schema of this name. */
export type Occurrence = typeof Occurrence.Type

/** What only text has; identifiers, the most frequent first, only source code. */
export const Text = Schema.Struct({ lines: Schema.Int, identifiers: Schema.Array(Occurrence) })
/** A value of the schema of this name. */
export type Text = typeof Text.Type

/** What is known of one file. `storage` names its blocks on the disk: hard links to one file share it. */
export const Indexed = Schema.TaggedStruct("Indexed", {
  path: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
  storage: Schema.String,
  text: Schema.optional(Text)
})
/** A value of the schema of this name. */
export type Indexed = typeof Indexed.Type

/** A file or a directory that could not be read. */
export const Unreadable = Schema.TaggedStruct("Unreadable", {
  path: Schema.String,
  reason: Schema.String
})
/** A value of the schema of this name. */
export type Unreadable = typeof Unreadable.Type

/**
 * The end of a batch, with every identifier in its files. The most frequent of all cannot be told from the most frequent
 * of each; and a sum for each batch is much less to send, and to keep, than all identifiers of each file.
 */
const BatchDone = Schema.TaggedStruct("BatchDone", {
  identifiers: Schema.ReadonlyMap(Schema.String, Schema.Int)
})

/** What a worker says. */
export const Answer = Schema.Union([Indexed, Unreadable, BatchDone])
/** A value of the schema of this name. */
export type Answer = typeof Answer.Type

/**
 * A working day: the caller sends batches of paths relative to `root`, the worker answers each with what it found, file
 * by file, and with `BatchDone`. Neither gets further ahead of the other than the window of the dialog allows.
 */
const Index = Dialog.make("Index", {
  payload: { root: Schema.String },
  fromCaller: Schema.Array(Schema.String),
  fromCallee: Answer
})

/** A worker that reads files. */
export class Indexer extends Actor.make("Indexer", [Index]) {}
