/**
 * What an actor's root failed with, as it tells whoever spawned it: a Cause in one frame.
 *
 * Answers for a Cause of any length being told: the reasons that have no room are told in short, rather than none at
 * all. A dialog's Cause is `LastWord`'s; it travels in parts and has no such bound.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { laneCodec } from "./Operations.ts"
import type { Codec } from "./protocol/Codec.ts"
import { AnyCause } from "./TreeError.ts"

/** How many characters of an error are told in short. */
const ShortText = 300

/** How many bytes of the limit there must be for each reason that is told: it may have to be told in short. */
const ReasonRoom = 4900

const codecOf = (codec: Codec, actor: string) => laneCodec(codec, actor, "error", AnyCause)

/** Reads what {@link encode} has written. */
export const decode = (
  codec: Codec,
  actor: string,
  bytes: Uint8Array
): Effect.Effect<Cause.Cause<unknown>> => codecOf(codec, actor).decode(bytes)

/**
 * The Cause for one frame, in at most `limit` bytes: whole if it has room; else its first reasons are whole, and the
 * others told in short.
 */
export const encode = (
  codec: Codec,
  actor: string,
  cause: Cause.Cause<unknown>,
  limit: number
): Effect.Effect<Uint8Array> =>
  Effect.gen(function* () {
    const causes = codecOf(codec, actor)
    const whole = yield* causes.encode(cause, Infinity)
    if (whole.length <= limit) return whole
    const reasons: Array<Cause.Reason<unknown>> = []
    // Half of the room is kept for those that are told in short.
    let room = limit / 2
    const told = Math.floor(limit / ReasonRoom)
    for (const reason of cause.reasons.slice(0, told)) {
      const { length } = yield* causes.encode(Cause.fromReasons([reason]), Infinity)
      const fits = length <= room
      if (fits) room -= length
      reasons.push(fits ? reason : inShort(reason))
    }
    const left = cause.reasons.length - told
    if (left > 0) reasons.push(Cause.makeDieReason(new Error(`and ${left} more`)))
    return yield* causes.encode(Cause.fromReasons(reasons), Infinity)
  })

/** A reason with the beginning of what its error says; its way stays with it. */
const inShort = (reason: Cause.Reason<unknown>): Cause.Reason<unknown> => {
  if (Cause.isInterruptReason(reason)) return reason
  const [error] = Cause.prettyErrors(Cause.fromReasons([reason]))
  const short = new Error(`${error?.message.slice(0, ShortText)} [cut]`)
  short.name = error?.name.slice(0, ShortText) ?? short.name
  delete short.stack
  return Cause.makeDieReason(short).annotate(Cause.reasonAnnotations(reason))
}
