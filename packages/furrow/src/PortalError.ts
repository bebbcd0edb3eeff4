/**
 * What can go wrong between a caller and an actor that runs, sorted by what the caller does next.
 *
 * Answers for the machinery only: an operation's own errors arrive as they are, beside this one.
 */
import * as Schema from "effect/Schema"
import { describeExit, ProcessExit } from "./ProcessExit.ts"
import { ActorRef } from "./protocol/Identity.ts"

/**
 * The connection to the actor is gone; start over with a new one. `crash` says how the process ended, if it is known,
 * and `incarnation` which of the lives of that path it was.
 */
export class Disconnected extends Schema.TaggedClass<Disconnected>()("Disconnected", {
  incarnation: Schema.optional(Schema.String),
  crash: Schema.optional(ProcessExit),
  detail: Schema.optional(Schema.String)
}) {}

/** Somebody cancelled the operation, or stopped the actor, on purpose; let go. `by` says who. */
export class Cancelled extends Schema.TaggedClass<Cancelled>()("Cancelled", {
  by: ActorRef
}) {}

/** The actor has as many dialogs open as it takes, or what `detail` says; back off. */
export class Overloaded extends Schema.TaggedClass<Overloaded>()("Overloaded", {
  detail: Schema.optional(Schema.String)
}) {}

/** The actor does not serve this operation; the two programs are of different versions. */
export class Unimplemented extends Schema.TaggedClass<Unimplemented>()("Unimplemented", {
  operation: Schema.String
}) {}

/** The time that `Deadline.within` gave had passed. */
export class DeadlineExceeded extends Schema.TaggedClass<DeadlineExceeded>()(
  "DeadlineExceeded",
  {}
) {}

/** The dialog has ended, or this end of it has: nothing more can be sent. */
export class Ended extends Schema.TaggedClass<Ended>()("Ended", {}) {}

/** The owner of this capability took it back. */
export class Revoked extends Schema.TaggedClass<Revoked>()("Revoked", {}) {}

/** Every reason a {@link PortalError} can have. */
export const PortalErrorReason = Schema.Union([
  Disconnected,
  Cancelled,
  Overloaded,
  Unimplemented,
  DeadlineExceeded,
  Ended,
  Revoked
])

/** See {@link PortalErrorReason}. */
export type PortalErrorReason = typeof PortalErrorReason.Type

const sentence = (
  actor: string,
  operation: string | undefined,
  reason: PortalErrorReason
): string => {
  const what = operation === undefined ? `"${actor}"` : `${operation} of "${actor}"`
  switch (reason._tag) {
    case "Disconnected": {
      const how =
        reason.crash === undefined
          ? `the connection to "${actor}" is lost${reason.detail === undefined ? "" : ` (${reason.detail})`}`
          : `the process of "${actor}" ${describeExit(reason.crash)}`
      return operation === undefined
        ? `${capital(how)}. Start over with a new portal.`
        : `${operation} has no answer, because ${how}. It may or may not have been carried out; start over with a new portal.`
    }
    case "Cancelled":
      return `${what} was cancelled on purpose, by "${reason.by.path}".`
    case "Overloaded":
      return `${what} was refused: ${reason.detail ?? "the actor has as many dialogs open as it takes"}. Try again later, or keep fewer open at once.`
    case "Unimplemented":
      return `"${actor}" does not serve ${reason.operation}: the two programs are of different versions, or the operations of a parent were not given to its child with the spawn option "serve".`
    case "DeadlineExceeded":
      return `${what} was cancelled: it had not ended when the time given with Deadline.within had passed.`
    case "Ended":
      return `Nothing more can be sent in ${what}: the dialog has ended, or this end of it has.`
    case "Revoked":
      return `${what} cannot be used any more: the owner of this capability took it back.`
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** An operation could not be carried out, for a reason that is not the operation's own. */
export class PortalError extends Schema.TaggedError<PortalError>()("PortalError", {
  /** The actor's path from the root. */
  actor: Schema.String,
  operation: Schema.optional(Schema.String),
  reason: PortalErrorReason
}) {
  override get message() {
    return sentence(this.actor, this.operation, this.reason)
  }
}
