/**
 * The last word of a dialog: an Exit value as its frame, and the frame as what the caller meets.
 *
 * Answers for who cancelled being data all the way: an interruption leaves with the name of whoever asked for it, and
 * arrives as `PortalError` `Cancelled`. Causes cross whole. When the word is said is the router's.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CallerEnd } from "./DialogEnd.ts"
import { exitOf, isKnown } from "./Known.ts"
import type { Operation } from "./Operations.ts"
import {
  Cancelled,
  DeadlineExceeded,
  Disconnected,
  Overloaded,
  PortalError,
  Unimplemented
} from "./PortalError.ts"
import type { PortalErrorReason } from "./PortalError.ts"
import type { ActorRef, Hop } from "./protocol/Identity.ts"
import type { FrameOf } from "./protocol/Protocol.ts"
import { Hops, InterruptedBy } from "./protocol/Reasons.ts"
import type { Session } from "./Session.ts"

/** An Exit frame, which has its dialog's id when it is written. */
type ExitFrame = FrameOf<"Exit">

// ---------------------------------------------------------------------------------------------------------------------
// Said by the callee
// ---------------------------------------------------------------------------------------------------------------------

/** What the callee knows of its end beyond the Exit value. */
export interface Saying {
  readonly self: ActorRef
  /** Who interrupted the handler, if it was interrupted. */
  readonly interruptedBy: ActorRef
  /** The stations a stop or a cancel has passed. */
  readonly hops: ReadonlyArray<Hop>
  readonly cancelSeen: boolean
  /** The longest value that the caller takes, in bytes. */
  readonly limit: number
}

const noHops: ReadonlyArray<Hop> = []

/** The frame that says a result which nobody has asked to cancel: by which way it came concerns nobody. */
export const result = (payload: Uint8Array): ExitFrame => ({
  _tag: "Exit",
  id: 0,
  exit: "success",
  cancelSeen: false,
  hops: noHops,
  payload
})

/** The frame that says this Exit. A value that does not encode becomes the failure that says so. */
export const say = (
  operation: Operation,
  exit: Exit.Exit<unknown, unknown>,
  saying: Saying
): Effect.Effect<ExitFrame> => {
  const frame = (kind: ExitFrame["exit"], payload: Uint8Array): ExitFrame => ({
    _tag: "Exit",
    id: 0,
    exit: kind,
    cancelSeen: saying.cancelSeen,
    hops: [...saying.hops, { actor: saying.self, operation: operation.rpc._tag }],
    payload
  })
  const failure = (cause: Cause.Cause<unknown>): Effect.Effect<ExitFrame> =>
    operation.failure.encode(named(cause, saying.interruptedBy), saying.limit).pipe(
      Effect.map((payload) => frame("failure", payload)),
      // Only a Cause too large for the other end gets here.
      Effect.catchCause((tooLarge) =>
        Effect.map(operation.failure.encode(tooLarge, Infinity), (payload) =>
          frame("failure", payload)
        )
      )
    )
  if (Exit.isFailure(exit)) return failure(exit.cause)
  const success = saying.cancelSeen ? (payload: Uint8Array) => frame("success", payload) : result
  const encoded = operation.success.encode(exit.value, saying.limit)
  return isKnown(encoded)
    ? Exit.succeed(success(encoded.value))
    : encoded.pipe(Effect.map(success), Effect.catchCause(failure))
}

/** Every interruption in the Cause says who asked for it; several by the same are one. */
const named = (cause: Cause.Cause<unknown>, by: ActorRef): Cause.Cause<unknown> => {
  const seen = new Set<string>()
  const reasons: Array<Cause.Reason<unknown>> = []
  for (const reason of cause.reasons) {
    if (!Cause.isInterruptReason(reason)) {
      reasons.push(reason)
      continue
    }
    const annotated = reason.annotate(Context.make(InterruptedBy, by))
    const who = Context.getOrUndefined(Cause.reasonAnnotations(annotated), InterruptedBy) ?? by
    if (!seen.has(who.incarnation)) reasons.push(annotated)
    seen.add(who.incarnation)
  }
  return Cause.fromReasons(reasons)
}

// ---------------------------------------------------------------------------------------------------------------------
// Heard by the caller
// ---------------------------------------------------------------------------------------------------------------------

/** What the caller knows of its end beyond the frame. */
export interface Hearing {
  readonly operation: Operation
  readonly session: Session
  /** The actor that was called, and the life that has called it. */
  readonly actor: ActorRef
  readonly life: { readonly self: ActorRef }
  /** Why this end cancelled, if it did. */
  readonly why: "left" | "cancel" | "deadline" | undefined
}

/** A `PortalError` about this operation, with the stations it has passed. */
export const portalError = (
  operation: Operation,
  actor: string,
  reason: PortalErrorReason,
  hops: ReadonlyArray<Hop> = []
): Cause.Cause<PortalError> =>
  Cause.fromReasons([
    Cause.makeFailReason(
      new PortalError({ actor, operation: operation.rpc._tag, reason })
    ).annotate(hops.length === 0 ? Context.empty() : Context.make(Hops, hops))
  ])

/** What the end of a dialog is to its caller. */
export const hear = (
  hearing: Hearing,
  end: CallerEnd
): Effect.Effect<Exit.Exit<unknown, unknown>> => {
  const { operation, why } = hearing
  // A callee that ended well as it was cancelled does not know that the last items of its stream were not taken.
  return end._tag === "Exit" &&
    end.frame.exit === "success" &&
    !end.frame.cancelSeen &&
    (operation.kind !== "stream" || why === undefined)
    ? exitOf(operation.success.decode(end.payload))
    : hearOther(hearing, end)
}

/** What an end is that is no plain result. */
const hearOther = (
  { actor: { path: actor }, life: { self }, operation, session, why }: Hearing,
  end: CallerEnd
): Effect.Effect<Exit.Exit<unknown, unknown>> => {
  const failed = (reason: PortalErrorReason, hops?: ReadonlyArray<Hop>) =>
    Effect.succeed(Exit.failCause(portalError(operation, actor, reason, hops)))
  /**
   * What an interruption is beside other reasons: our own cancel, the stop of the actor by somebody above it, or else a
   * part of what its handler failed with.
   */
  const amongOthers = (cause: Cause.Cause<unknown>): Cause.Cause<unknown> =>
    Cause.fromReasons(
      cause.reasons.flatMap((reason): ReadonlyArray<Cause.Reason<unknown>> => {
        if (!Cause.isInterruptReason(reason)) return [reason]
        if (why !== undefined) return []
        const by = Context.getOrUndefined(Cause.reasonAnnotations(reason), InterruptedBy)
        return by !== undefined && actor.startsWith(`${by.path}/`)
          ? portalError(operation, actor, new Cancelled({ by })).reasons
          : [reason]
      })
    )
  const cancelledByUs = (hops?: ReadonlyArray<Hop>) =>
    failed(why === "deadline" ? new DeadlineExceeded() : new Cancelled({ by: self }), hops)

  if (end._tag === "Unwritten") return cancelledByUs()
  if (end._tag === "Lost") {
    return session.stoppedBy !== undefined
      ? failed(new Cancelled({ by: session.stoppedBy }))
      : failed(
          new Disconnected({
            incarnation: session.peer.incarnation,
            ...(session.crash === undefined ? {} : { crash: session.crash }),
            ...(session.lostDetail === undefined ? {} : { detail: session.lostDetail })
          })
        )
  }
  const { frame, payload } = end
  switch (frame.exit) {
    case "success":
    case "cancelled":
      return cancelledByUs(frame.hops)
    case "overloaded":
      return failed(new Overloaded({}), frame.hops)
    case "unimplemented":
      return failed(new Unimplemented({ operation: operation.rpc._tag }), frame.hops)
    case "deadline":
      return failed(new DeadlineExceeded(), frame.hops)
    case "failure":
      return Effect.map(Effect.exit(operation.failure.decode(payload)), (decoded) => {
        const cause = Exit.isSuccess(decoded) ? decoded.value : decoded.cause
        const by = interruptorOf(cause)
        if (!cause.reasons.every(Cause.isInterruptReason)) {
          return Exit.failCause(withHops(amongOthers(cause), frame.hops))
        }
        // Nothing but interruptions: it was cancelled, by whoever stands in them.
        return Exit.failCause(
          portalError(
            operation,
            actor,
            why === "deadline" && by?.incarnation === self.incarnation
              ? new DeadlineExceeded()
              : new Cancelled({ by: by ?? self }),
            frame.hops
          )
        )
      })
  }
}

const interruptorOf = (cause: Cause.Cause<unknown>): ActorRef | undefined => {
  for (const reason of cause.reasons) {
    const by = Context.getOrUndefined(Cause.reasonAnnotations(reason), InterruptedBy)
    if (by !== undefined) return by
  }
  return undefined
}

const withHops = <E>(cause: Cause.Cause<E>, hops: ReadonlyArray<Hop>): Cause.Cause<E> =>
  Cause.fromReasons(
    cause.reasons.map((reason) =>
      reason.annotate(
        Context.make(Hops, [
          ...(Context.getOrUndefined(Cause.reasonAnnotations(reason), Hops) ?? []),
          ...hops
        ]),
        { overwrite: true }
      )
    )
  )
