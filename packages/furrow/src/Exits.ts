/**
 * What an Exit failed with, as a list: empty for a success.
 *
 * Answers for several ends becoming one Cause with every reason of each, in order. Which of them count is for whoever
 * puts them together to say; an interruption that tells of somebody who was left behind always does.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { GuestLeft, NotJoined } from "./protocol/Reasons.ts"

/** Every reason that an Exit failed with. */
export const reasonsOf = <E>(exit: Exit.Exit<unknown, E>): ReadonlyArray<Cause.Reason<E>> =>
  Exit.isFailure(exit) ? exit.cause.reasons : []

/** Whether it is an interruption that tells of nobody: whoever has caused it knows all that it says. */
export const isBareInterrupt = (reason: Cause.Reason<unknown>): boolean => {
  if (!Cause.isInterruptReason(reason)) return false
  const notes = Cause.reasonAnnotations(reason).mapUnsafe
  return !notes.has(NotJoined.key) && !notes.has(GuestLeft.key)
}
