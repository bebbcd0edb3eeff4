/**
 * A value did not fit the schema of its lane: a bug of whoever made the value, or two programs of different versions.
 *
 * Both are defects, told as an Effect and never thrown; the connection stays usable.
 */
import * as Schema from "effect/Schema"

/** The lanes of an operation that carry values. */
const LaneName = Schema.Literals([
  "payload",
  "started",
  "fromCaller",
  "fromCallee",
  "success",
  "error",
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

/** A value could not be encoded, or is longer than the other end takes. Nothing was sent. */
export class EncodeError extends Schema.TaggedError<EncodeError>()("EncodeError", fields) {
  override get message() {
    return `The ${this.lane} of ${this.operation} could not be sent: ${this.issue}`
  }
}

/** A value that arrived does not fit the schema of this end. Its dialog has failed, nothing else. */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", fields) {
  override get message() {
    return `The ${this.lane} of ${this.operation} that arrived does not fit the schema here: ${this.issue}. The two ends may be of different versions.`
  }
}
