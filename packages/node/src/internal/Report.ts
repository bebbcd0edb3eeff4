/**
 * A program's failure, as it is printed at its end.
 *
 * Answers for an error that climbed a tree being short to read: its own sentence, which names everybody it came by, and
 * below it the error that began it, with the stack it had there. The values themselves keep everything.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { PlatformError } from "effect/PlatformError"
import * as Runtime from "effect/Runtime"
import { ActorCrashed, ForkFailed, SpawnError } from "furrow/TreeError"
import { inspect } from "node:util"
import { isGone } from "./Outputs.ts"

/** Whether a program failed for one reason only: nobody reads its output any more. */
export const isUnread = (cause: Cause.Cause<unknown>): boolean => {
  const errors = cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
  return (
    errors.length > 0 &&
    errors.every((reason) => {
      const error = errorOf(reason)
      return (
        error instanceof PlatformError &&
        (error.reason.module === "Stdio" || error.reason.module === "Terminal") &&
        isGone(error.reason.cause)
      )
    })
  )
}

/** Prints a failure once. Interruption alone is not one. */
export const report = (cause: Cause.Cause<unknown>): void => {
  if (Cause.hasInterruptsOnly(cause) || !Runtime.getErrorReported(Cause.squash(cause))) return
  const log = Effect.logError(Cause.fromReasons(cause.reasons.flatMap(toldReasons)))
  Effect.runFork(
    Effect.provideService(log, Logger.LogToStderr, true).pipe(
      // Causes of causes may be too many for Effect's printer, which overflows; Node's leaves some out.
      Effect.catchDefect(() =>
        Effect.sync(() => {
          process.stderr.write(`${inspect(Cause.squash(cause))}\n`)
        })
      )
    )
  )
}

const errorOf = (reason: Cause.Fail<unknown> | Cause.Die): unknown =>
  Cause.isFailReason(reason) ? reason.error : reason.defect

/** The Cause inside an error of the tree, empty if it knows none; nothing for any other error. */
const inside = (error: unknown): Cause.Cause<unknown> | undefined => {
  if (error instanceof ForkFailed) return error.cause
  if (error instanceof ActorCrashed) return error.cause.cause ?? Cause.empty
  if (!(error instanceof SpawnError)) return undefined
  return error.reason._tag === "StartFailed" ? error.reason.cause : Cause.empty
}

/** The errors in which a failure began, each once. */
const origins = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause.reasons.flatMap((reason) => {
    if (Cause.isInterruptReason(reason)) return []
    const error = errorOf(reason)
    const below = origins(inside(error) ?? Cause.empty)
    return below.length > 0 ? below : [error]
  })

/** An error of the tree as the sentence it says, without what the printer would make of its fields. */
const sentence = (error: Error, cause: unknown): Error => {
  const told = new Error(error.message, cause === undefined ? undefined : { cause })
  told.name = error.name
  told.stack = `${error.name}: ${error.message}`
  return told
}

/** A reason as it is printed, followed by what else began it. */
const toldReasons = (reason: Cause.Reason<unknown>): ReadonlyArray<Cause.Reason<unknown>> => {
  if (Cause.isInterruptReason(reason)) return [reason]
  const error = errorOf(reason)
  const below = inside(error)
  if (!(error instanceof Error) || below === undefined) return [reason]
  const [first, ...others] = origins(below)
  // One of the tree that has nothing inside stands in the sentence of this one already.
  const told: Array<unknown> = [sentence(error, inside(first) === undefined ? first : undefined)]
  for (const other of others) {
    told.push(
      other instanceof Error && inside(other) !== undefined ? sentence(other, undefined) : other
    )
  }
  return told.map(Cause.makeFailReason)
}
