/**
 * Failures that say nothing new: several parts of a block meet one event, and one of them tells it.
 *
 * Answers for telling an event apart from its echoes, as pure functions over reasons. What a block fails with is put
 * together in `Nursery`.
 */
import * as Cause from "effect/Cause"
import { sameEvent } from "./Dialog.ts"
import type * as Life from "./Life.ts"
import { Cancelled, Disconnected, PortalError } from "./PortalError.ts"
import { isSameLife } from "./protocol/Identity.ts"
import { ActorCrashed, ForkFailed, NurseryClosed, SpawnError } from "./TreeError.ts"

const errorOf = (reason: Cause.Reason<unknown>): unknown =>
  Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined

/** What a block that is being ended meets because of that, and that says nothing more. */
export const isOurDoing = (reason: Cause.Reason<unknown>, { self }: Life.Life): boolean => {
  if (Cause.isInterruptReason(reason)) return true
  const error = errorOf(reason)
  return error instanceof PortalError
    ? error.reason instanceof Cancelled && isSameLife(error.reason.by, self)
    : error instanceof SpawnError && error.reason instanceof NurseryClosed
}

/** The loss of an actor whose crash is in hand tells of the same event. */
export const tellsOfCrash = (
  reason: Cause.Reason<unknown>,
  failures: ReadonlyArray<Cause.Reason<unknown>>
): boolean => {
  const error = errorOf(reason)
  if (!(error instanceof PortalError && error.reason instanceof Disconnected)) return false
  const { incarnation } = error.reason
  return failures.some((failure) => {
    const crash = errorOf(failure)
    return crash instanceof ActorCrashed && crash.actor.incarnation === incarnation
  })
}

/** A fork that failed with nothing but what is told already: by crashes in hand, or by the body, which had joined it. */
export const isEcho = (
  failure: Cause.Reason<unknown>,
  failures: ReadonlyArray<Cause.Reason<unknown>>,
  body: ReadonlyArray<Cause.Reason<unknown>>
): boolean => {
  const fork = errorOf(failure)
  return (
    fork instanceof ForkFailed &&
    fork.cause.reasons.every(
      (reason) =>
        Cause.isInterruptReason(reason) ||
        tellsOfCrash(reason, failures) ||
        body.some((told) => sameEvent(told, reason))
    )
  )
}

/** What a fork failed with. */
export const reasonsWithin = (
  failure: Cause.Reason<unknown>
): ReadonlyArray<Cause.Reason<unknown>> => {
  const fork = errorOf(failure)
  return fork instanceof ForkFailed ? fork.cause.reasons : []
}
