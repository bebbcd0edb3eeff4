/**
 * A value did not fit the schema of its lane: a bug of whoever made the value, or two programs of different versions.
 *
 * Both are defects, told as an Effect and never thrown; the connection stays usable.
 */
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { overflow } from "./protocol/Nesting.ts"

/** The lanes of an operation that carry values. */
const LaneName = Schema.Literals([
  "payload",
  "started",
  "fromCaller",
  "fromCallee",
  "success",
  "error",
  "headers",
  "arguments"
])

/** See {@link EncodeError} and {@link DecodeError}. */
export type LaneName = typeof LaneName.Type

const fields = {
  /** The actor's name, and the operation's, where it is one: `Counter.Increment`. */
  operation: Schema.String,
  lane: LaneName,
  /** What is wrong and where in the value, as the schema says it. */
  issue: Schema.String
}

/** The longest account of what is wrong, in UTF-16 units: it quotes the value, which may be of any size. */
const MaxIssue = 2000

/**
 * What is wrong with a value, and where in it, from what a schema failed with or threw. Never throws itself, whatever
 * the value does when it is shown.
 *
 * @internal
 */
export const issueOf = (problem: unknown): string => {
  try {
    const thrown = problem instanceof Error ? problem : undefined
    // What a schema's constructor throws hides the account in its cause.
    const text = SchemaIssue.isIssue(thrown?.cause)
      ? new Schema.SchemaError(thrown.cause).message
      : (overflow(thrown) ?? thrown?.message ?? String(problem))
    return text.length > MaxIssue ? `${text.slice(0, MaxIssue)}[cut]` : text
  } catch {
    return "it does not fit, and it cannot be shown"
  }
}

/** What a value of each lane is called in a sentence. */
const named: Record<LaneName, string> = {
  payload: "The payload",
  started: "The first word (started)",
  fromCaller: "An item (fromCaller)",
  fromCallee: "An item (fromCallee)",
  success: "The result (success)",
  error: "The failure (error)",
  headers: "The headers",
  arguments: "The arguments"
}

/** A value could not be encoded, or is longer than the other end takes. Nothing was sent. */
export class EncodeError extends Schema.TaggedError<EncodeError>()("EncodeError", fields) {
  override get message() {
    return `${named[this.lane]} of ${this.operation} could not be sent: ${this.issue}`
  }
}

/** A value that arrived does not fit the schema of this end. Its dialog has failed, nothing else. */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", fields) {
  override get message() {
    return `${named[this.lane]} of ${this.operation} has arrived and does not fit the schema here; are the two programs of one version? ${this.issue}`
  }
}
