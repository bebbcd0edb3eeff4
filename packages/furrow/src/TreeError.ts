/**
 * What can go wrong with the life of an actor, sorted by who meets it: whoever spawns (`SpawnError`), and the block
 * that owns it (`ActorCrashed`, `ForkFailed`).
 *
 * They stand in one file because each may be the cause of the other: a Cause that climbs the tree carries any of them,
 * as `AnyCause`. Deciding what follows from a crash is the nursery's or the supervisor's.
 */
import * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"
import { PortalError } from "./PortalError.ts"
import { describeExit, ProcessExit } from "./ProcessExit.ts"
import { ActorRef } from "./protocol/Identity.ts"
import { Reasons } from "./protocol/Reasons.ts"

/**
 * A Cause of any kind as it crosses between actors. The machinery's own errors arrive as instances of their classes,
 * everything else as a defect.
 */
export const AnyCause = Reasons(Schema.suspend((): Schema.Codec<unknown, unknown> => MachineError))

/** An error in few words, for the middle of a sentence. */
const oneLine = (error: unknown): string => {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  } catch {
    return "an error that cannot be shown"
  }
}

const lastWords = (stderr: string | undefined): string =>
  stderr === undefined || stderr.trim() === ""
    ? ""
    : `\nIts last words on stderr:\n${stderr.trimEnd()}`

// ---------------------------------------------------------------------------------------------------------------------
// Whoever spawns
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The actor did not come up: its process could not be started or ended before it was ready, or its Layer failed. `exit`
 * and `stderr` are the process's own last words, `cause` is the failure if the actor could still tell it.
 */
export class StartFailed extends Schema.TaggedClass<StartFailed>()("StartFailed", {
  cause: AnyCause,
  exit: Schema.optional(ProcessExit),
  stderr: Schema.String
}) {}

/** The process was started but did not say hello in time (10 s by default). */
export class HandshakeTimeout extends Schema.TaggedClass<HandshakeTimeout>()("HandshakeTimeout", {
  /** Milliseconds waited. */
  waited: Schema.Finite,
  stderr: Schema.String
}) {}

/** The two programs cannot talk: no common version, another actor, another contract where `exact` was asked for. */
export class HandshakeRefused extends Schema.TaggedClass<HandshakeRefused>()("HandshakeRefused", {
  detail: Schema.String
}) {}

/** The actor said hello but its Layer was not built in time (30 s by default). */
export class StartTimeout extends Schema.TaggedClass<StartTimeout>()("StartTimeout", {
  /** Milliseconds waited. */
  waited: Schema.Finite,
  stderr: Schema.String
}) {}

/** The nursery's block has ended, or is ending: nothing can be spawned in it any more. */
export class NurseryClosed extends Schema.TaggedClass<NurseryClosed>()("NurseryClosed", {}) {}

/** The nursery, or the operating system, has no room for one more. */
export class LimitReached extends Schema.TaggedClass<LimitReached>()("LimitReached", {
  detail: Schema.String
}) {}

/** Every reason a {@link SpawnError} can have. */
export const SpawnErrorReason = Schema.Union([
  StartFailed,
  HandshakeTimeout,
  HandshakeRefused,
  StartTimeout,
  NurseryClosed,
  LimitReached
])

/** See {@link SpawnErrorReason}. */
export type SpawnErrorReason = typeof SpawnErrorReason.Type

const startSentence = (actor: string, reason: SpawnErrorReason): string => {
  switch (reason._tag) {
    case "StartFailed": {
      const exit = reason.exit === undefined ? "" : ` Its process ${describeExit(reason.exit)}.`
      const why =
        reason.cause.reasons.length === 0 ? "" : ` ${oneLine(Cause.squash(reason.cause))}.`
      return `The actor "${actor}" did not start.${why}${exit}${lastWords(reason.stderr)}`
    }
    case "HandshakeTimeout":
      return `The process of "${actor}" did not say hello within ${reason.waited} ms and was ended. Does its main module call NodeActor.runMain (or NodeActor.main) with this actor's program?${lastWords(reason.stderr)}`
    case "HandshakeRefused":
      return `The actor "${actor}" was refused: ${reason.detail}`
    case "StartTimeout":
      return `The Layer of "${actor}" was not built within ${reason.waited} ms and the actor was ended; raise "startTimeout" if it needs longer.${lastWords(reason.stderr)}`
    case "NurseryClosed":
      return `The actor "${actor}" was not started: its nursery has ended or is ending.`
    case "LimitReached":
      return `The actor "${actor}" was not started: ${reason.detail}`
  }
}

/** An actor could not be started; nothing of it is left. */
export class SpawnError extends Schema.TaggedError<SpawnError>()("SpawnError", {
  /** The path the actor would have had. */
  actor: Schema.String,
  reason: SpawnErrorReason
}) {
  override get message() {
    return startSentence(this.actor, this.reason)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The block that owns the actor
// ---------------------------------------------------------------------------------------------------------------------

/** The stages of the ladder, in order: asked over the connection, SIGTERM to the group, SIGKILL to the group. */
export const LadderStage = Schema.Literals(["asked", "terminated", "killed"])

/** See the schema. */
export type LadderStage = typeof LadderStage.Type

/**
 * Why an actor is gone. `exit` is how its process ended, `cause` what its root failed with, if it could still say so,
 * `stderr` the last of what it wrote there (at most 16 KiB), `stage` the stage of the ladder that ended it, `detail`
 * what else is known, in words.
 */
export const CrashCause = Schema.Struct({
  exit: Schema.optional(ProcessExit),
  cause: Schema.optional(AnyCause),
  stderr: Schema.optional(Schema.String),
  stage: Schema.optional(LadderStage),
  detail: Schema.optional(Schema.String)
})

/** See the schema. */
export interface CrashCause extends Schema.Schema.Type<typeof CrashCause> {}

/** What is known of a death, as the end of a sentence: `its process was ended by SIGKILL`. */
export const describeCrash = (crash: CrashCause): string => {
  const parts: Array<string> = []
  if (crash.cause !== undefined) parts.push(oneLine(Cause.squash(crash.cause)))
  if (crash.exit !== undefined) parts.push(`its process ${describeExit(crash.exit)}`)
  if (crash.detail !== undefined) parts.push(crash.detail)
  if (parts.length === 0) parts.push("it ended without being asked to")
  return `${parts.join("; ")}.${lastWords(crash.stderr)}`
}

/** An actor of a nursery ended without having been asked to, and the block has ended with it. */
export class ActorCrashed extends Schema.TaggedError<ActorCrashed>()("ActorCrashed", {
  actor: ActorRef,
  cause: CrashCause
}) {
  override get message() {
    return `The actor "${this.actor.path}" crashed: ${describeCrash(this.cause)}`
  }
}

/** A fiber started with `Nursery.fork` failed, and the block has ended with it. */
export class ForkFailed extends Schema.TaggedError<ForkFailed>()("ForkFailed", {
  cause: AnyCause
}) {
  override get message() {
    return `A fiber started with Nursery.fork failed: ${oneLine(Cause.squash(this.cause))}`
  }
}

const MachineError = Schema.Union([ActorCrashed, ForkFailed, SpawnError, PortalError])
