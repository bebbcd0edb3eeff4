/**
 * What can go wrong with the life of an actor, sorted by who meets it: whoever spawns (`SpawnError`), the block that
 * owns it (`ActorCrashed`, `ForkFailed`), and the owner of its supervisor (`RestartIntensityExceeded`).
 *
 * They stand in one file because each may be the cause of the other: a Cause that climbs the tree carries any of them,
 * as `AnyCause`. Deciding what follows from a crash is the nursery's or the supervisor's.
 */
import * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"
import { PortalError } from "./PortalError.ts"
import { describeExit, lastWords, ProcessExit } from "./ProcessExit.ts"
import { Defect } from "./protocol/Defect.ts"
import { ActorRef } from "./protocol/Identity.ts"
import { Reasons } from "./protocol/Reasons.ts"

/**
 * A Cause of any kind as it crosses between actors. The machinery's own errors arrive as instances of their classes,
 * any other as what `Defect` makes of it: its name, message and fields, without its class.
 */
export const AnyCause = Reasons(Schema.suspend((): Schema.Codec<unknown, unknown> => AnyError))

/** An error in few words, for the middle of a sentence: its first line, without a full stop. */
const inShort = (error: unknown): string => {
  try {
    const text =
      error instanceof Error && error.name !== "Error" && !isOurs(error)
        ? `${error.name}: ${error.message}`
        : error instanceof Error
          ? error.message
          : String(error)
    return text.split("\n", 1)[0]!.replace(/[.:]$/, "")
  } catch {
    return "an error that cannot be shown"
  }
}

/** A Cause in few words: its first error, and how many there are beside it. */
const causeInShort = (cause: Cause.Cause<unknown>): string => {
  const errors = cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
  const others = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ""
  return errors.length === 0 ? "it was interrupted" : inShort(Cause.squash(cause)) + others
}

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

/** The nursery, the supervisor, or the operating system has no room for one more. */
export class LimitReached extends Schema.TaggedClass<LimitReached>()("LimitReached", {
  detail: Schema.String,
  /** The limit of the nursery, or of the supervisor, that was reached, and its value; absent if it is the system's. */
  limit: Schema.optional(Schema.Literals(["actors", "spawnsPerSecond", "maxChildren"])),
  most: Schema.optional(Schema.Int)
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
      const told = reason.cause.reasons.length > 0
      const parts: Array<string> = []
      if (told) parts.push(causeInShort(reason.cause))
      if (reason.exit !== undefined) parts.push(`its process ${describeExit(reason.exit)}`)
      const why = parts.length === 0 ? "" : `: ${parts.join("; ")}`
      // What it could still say itself says more than what it wrote, which was passed on already.
      return `The actor "${actor}" did not start${why}.${told ? "" : lastWords(reason.stderr, reason.exit)}`
    }
    case "HandshakeTimeout":
      return `The process of "${actor}" did not say hello within ${reason.waited} ms and was ended. Does its main module call NodeActor.runMain (or NodeActor.main) with this actor's program? If it only needs longer, raise "helloTimeout".${lastWords(reason.stderr)}`
    case "HandshakeRefused":
      return `The actor "${actor}" was not started, because the two programs do not fit: ${reason.detail}`
    case "StartTimeout":
      return `The Layer of "${actor}" was not built within ${reason.waited} ms and the actor was ended; raise "startTimeout" if it needs longer.${lastWords(reason.stderr)}`
    case "NurseryClosed":
      return `The actor "${actor}" was not started: its nursery has ended or is ending. Spawn it while the body of its block runs.`
    case "LimitReached":
      return `The actor "${actor}" was not started: ${reason.detail}. ${reason.limit === "spawnsPerSecond" ? "Spawn it a moment later" : "End some actors first"}, or raise the limit.`
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

/** What its owner had done to a process that did not end when it was asked to. */
const sentBy = (stage: LadderStage | undefined): string => {
  switch (stage) {
    case undefined:
    case "asked":
      return ""
    case "terminated":
      return " (its owner had sent SIGTERM)"
    case "killed":
      return " (its owner had sent SIGKILL)"
  }
}

/**
 * Why an actor is gone. `exit` is how its process ended, `cause` what its root failed with, if it could still say so,
 * `stderr` the last of what it wrote there (at most 16 KiB), `stage` the stage of the ladder that ended it, `detail`
 * what else is known, in words.
 */
export class CrashCause extends Schema.Class<CrashCause>("CrashCause")({
  exit: Schema.optional(ProcessExit),
  cause: Schema.optional(AnyCause),
  stderr: Schema.optional(Schema.String),
  stage: Schema.optional(LadderStage),
  detail: Schema.optional(Schema.String)
}) {
  /** What is known of the death, as the end of a sentence: `its process was ended by SIGKILL`. */
  override toString(): string {
    const parts: Array<string> = []
    if (this.cause !== undefined) parts.push(causeInShort(this.cause))
    if (this.exit !== undefined) {
      parts.push(`its process ${describeExit(this.exit)}${sentBy(this.stage)}`)
    }
    if (this.detail !== undefined) parts.push(this.detail.replace(/\.$/, ""))
    if (parts.length === 0) parts.push("it ended without being asked to")
    return parts.join("; ")
  }
}

/** An actor of a nursery ended without having been asked to, or failed while it did, and the block has ended with it. */
export class ActorCrashed extends Schema.TaggedError<ActorCrashed>()("ActorCrashed", {
  actor: ActorRef,
  cause: CrashCause
}) {
  override get message() {
    // What it could still say itself says more than what it wrote, which was passed on already.
    const { cause, exit, stderr } = this.cause
    const words = cause === undefined ? lastWords(stderr, exit) : ""
    return `The actor "${this.actor.path}" crashed: ${String(this.cause)}.${words}`
  }
}

/** A fiber started with `Nursery.fork`, or a task of `Nursery.start`, failed, and the block has ended with it. */
export class ForkFailed extends Schema.TaggedError<ForkFailed>()("ForkFailed", {
  cause: AnyCause
}) {
  override get message() {
    return `A fiber started with Nursery.fork, or Nursery.start, failed: ${causeInShort(this.cause)}.`
  }
}

/**
 * A supervised child has crashed once more than its supervisor allows, and everything that was supervised with it has
 * been ended. `cause` is what ended it last.
 */
export class RestartIntensityExceeded extends Schema.TaggedError<RestartIntensityExceeded>()(
  "RestartIntensityExceeded",
  {
    /** The child's name with its supervisor. */
    child: Schema.String,
    /**
     * What allows no further restart: the `intensity`, which is `maxRestarts` within a window; the `budget` for all
     * time; or the `backoff`, a schedule that has ended.
     */
    limit: Schema.Literals(["intensity", "budget", "backoff"]),
    /** How many restarts there had been, over all children of the supervisor; within the window, if it was the intensity. */
    restarts: Schema.Int,
    /** The window in milliseconds, if it was the intensity. */
    within: Schema.optional(Schema.Finite),
    cause: AnyCause
  }
) {
  override get message() {
    const { child, limit, restarts } = this
    const so =
      limit === "intensity"
        ? `within ${this.within} ms, which is as many as it allows`
        : limit === "budget"
          ? "in all, which is its budget"
          : "in all, where its backoff ends"
    return `The supervisor gave up after ${restarts} restart${restarts === 1 ? "" : "s"} ${so}. The last to end was "${child}": ${causeInShort(this.cause)}.`
  }
}

/** What ends a supervised child: a crash, a start that failed, or a supervisor below that gave up. */
export type Crash = ActorCrashed | SpawnError | RestartIntensityExceeded

/** The machinery's own errors say what they are in their first words. */
const isOurs = (error: unknown): boolean =>
  error instanceof ActorCrashed ||
  error instanceof ForkFailed ||
  error instanceof RestartIntensityExceeded ||
  error instanceof SpawnError ||
  error instanceof PortalError

const AnyError = Schema.Union([
  ActorCrashed,
  ForkFailed,
  RestartIntensityExceeded,
  SpawnError,
  PortalError,
  Defect
])
