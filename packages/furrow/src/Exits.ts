/**
 * What an Exit failed with, as a list: empty for a success.
 *
 * Answers for several ends becoming one Cause with every reason of each, in order. Which of them count is for whoever
 * puts them together to say.
 */
import type * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"

/** Every reason that an Exit failed with. */
export const reasonsOf = <E>(exit: Exit.Exit<unknown, E>): ReadonlyArray<Cause.Reason<E>> =>
  Exit.isFailure(exit) ? exit.cause.reasons : []
