/**
 * A Cause as data: what a caller or a block was told, in a form that can be written down and judged later.
 *
 * Answers for keeping who and how, and for what is nested in what. Judging it is `Oracle`'s.
 */
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import { PortalError } from "furrow/PortalError"
import { ActorCrashed, ForkFailed, SpawnError } from "furrow/TreeError"

/** How a process ended. */
interface Ended {
  readonly code?: number | undefined
  readonly signal?: string | undefined
}

/** One reason of a Cause. `actor` is the last name of its path. */
export type Told =
  | { readonly told: "interrupted" }
  | {
      readonly told: "crashed"
      readonly actor: string
      readonly exit?: Ended
      readonly stage?: string
      readonly words: string
      readonly nested: ReadonlyArray<Told>
    }
  | {
      readonly told: "not started"
      readonly actor: string
      readonly reason: string
      readonly exit?: Ended
      readonly nested: ReadonlyArray<Told>
    }
  | { readonly told: "fork failed"; readonly nested: ReadonlyArray<Told> }
  | {
      readonly told: "portal"
      readonly actor: string
      readonly reason: string
      readonly exit?: Ended
      readonly words: string
    }
  | { readonly told: "error"; readonly name: string; readonly message: string }

const lastOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

const ofError = (error: unknown): Told => {
  if (error instanceof ActorCrashed) {
    const { actor, cause } = error
    return {
      told: "crashed",
      actor: lastOf(actor.path),
      ...(cause.exit === undefined ? {} : { exit: cause.exit }),
      ...(cause.stage === undefined ? {} : { stage: cause.stage }),
      words: String(cause),
      nested: cause.cause === undefined ? [] : ofCause(cause.cause)
    }
  }
  if (error instanceof SpawnError) {
    const { actor, reason } = error
    const failed = reason._tag === "StartFailed" ? reason : undefined
    return {
      told: "not started",
      actor: lastOf(actor),
      reason: reason._tag,
      ...(failed?.exit === undefined ? {} : { exit: failed.exit }),
      nested: failed === undefined ? [] : ofCause(failed.cause)
    }
  }
  if (error instanceof ForkFailed) return { told: "fork failed", nested: ofCause(error.cause) }
  if (error instanceof PortalError) {
    const { actor, reason } = error
    const lost = reason._tag === "Disconnected" ? reason : undefined
    return {
      told: "portal",
      actor: lastOf(actor),
      reason: reason._tag,
      ...(lost?.crash === undefined ? {} : { exit: lost.crash }),
      words: error.message
    }
  }
  return error instanceof Error
    ? { told: "error", name: error.name, message: error.message }
    : { told: "error", name: typeof error, message: String(error) }
}

/** Every reason, in order. */
export const ofCause = (cause: Cause.Cause<unknown>): ReadonlyArray<Told> =>
  cause.reasons.map((reason) =>
    Cause.isInterruptReason(reason)
      ? { told: "interrupted" }
      : ofError(Cause.isFailReason(reason) ? reason.error : reason.defect)
  )

/** What an end tells; nothing if it is a good one. */
export const ofExit = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<Told> =>
  exit._tag === "Success" ? [] : ofCause(exit.cause)

/** A reason and all that is nested in it. */
export const flattened = (told: ReadonlyArray<Told>): ReadonlyArray<Told> =>
  told.flatMap((one) => ["nested" in one ? [one, ...flattened(one.nested)] : [one]].flat())

/** In few words. */
export const inWords = (told: ReadonlyArray<Told>): string =>
  told
    .map((one) => {
      switch (one.told) {
        case "interrupted":
          return "interrupted"
        case "error":
          return `${one.name}: ${one.message.split("\n", 1)[0]}`
        case "portal":
          return `${one.reason} (${one.actor})`
        case "fork failed":
          return `fork failed [${inWords(one.nested)}]`
        case "crashed":
          return `${one.actor} crashed (${one.words.split("\n", 1)[0]}) [${inWords(one.nested)}]`
        case "not started":
          return `${one.actor} not started (${one.reason}) [${inWords(one.nested)}]`
      }
    })
    .join("; ")
