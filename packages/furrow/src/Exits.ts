/**
 * What an Exit failed with, as a list: empty for a success.
 *
 * Answers for several ends becoming one Cause with every reason of each, in order, and for a note of somebody who was
 * left behind being in it. Which reasons count is for whoever puts them together to say.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import { GuestLeft, NotJoined } from "./protocol/Reasons.ts"

/** Every reason that an Exit failed with. */
export const reasonsOf = <E>(exit: Exit.Exit<unknown, E>): ReadonlyArray<Cause.Reason<E>> =>
  Exit.isFailure(exit) ? exit.cause.reasons : []

/** The notes of a reason that tell of somebody who was left behind. */
const notesOf = (reason: Cause.Reason<unknown>): Context.Context<never> =>
  Context.pick(NotJoined, GuestLeft)(Cause.reasonAnnotations(reason))

/**
 * The same reasons, with the notes of those that are not told because whoever puts this together has caused them, or
 * tells of the same event: an interruption by our own cancelling is none that anybody else is to hear of. If there is no
 * failure to note it on, such an interruption is told.
 */
export const withNotesOf = <E>(
  untold: ReadonlyArray<Cause.Reason<unknown>>,
  told: ReadonlyArray<Cause.Reason<E>>
): ReadonlyArray<Cause.Reason<E>> =>
  told.every(Cause.isInterruptReason)
    ? [
        ...told,
        ...untold.filter(
          (reason): reason is Cause.Interrupt =>
            Cause.isInterruptReason(reason) && notesOf(reason).mapUnsafe.size > 0
        )
      ]
    : told.map((reason) =>
        untold.reduce<Cause.Reason<E>>((noted, other) => noted.annotate(notesOf(other)), reason)
      )
