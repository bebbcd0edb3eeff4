/**
 * What two ends make of each other's `Hello`: the version and the codec to go on with, what differs between their
 * contracts, or why they do not go on.
 *
 * Answers for both ends coming to the same version and the same codec, each from its own side. A contract that differs
 * is told and not refused: whether that is an event or an error is for whoever asked for the connection.
 */
import type { FrameOf, OperationInfo } from "./Protocol.ts"

type Hello = FrameOf<"Hello">

/** An operation that both ends know, but not in the same shape; the values are the fingerprints. */
export interface Difference {
  readonly operation: string
  readonly mine: string
  readonly theirs: string
}

/** What both ends go on with. */
export interface Agreement {
  readonly _tag: "Agreement"
  /** The wire version: the highest that both speak. */
  readonly version: number
  /** The name of the codec for every frame after `Hello`. */
  readonly codec: string
  /** Operations in whose shape the two ends differ. */
  readonly differing: ReadonlyArray<Difference>
  /** Operations that this end counts on and the other does not serve. */
  readonly missing: ReadonlyArray<string>
}

/** Why the two ends do not go on, in words for whoever reads the log of either. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly detail: string
}

/** What this end asks of the other beyond a common version. */
export interface Expectations {
  /** The name of the actor that is to be at the other end. Defaults to any. */
  readonly expected?: string
  /** The operations this end means to call. Defaults to those it serves itself. */
  readonly operations?: ReadonlyArray<OperationInfo>
}

const refuse = (detail: string): Refusal => ({ _tag: "Refusal", detail })

const span = ({ versions: { lowest, highest } }: Hello): string =>
  lowest === highest ? `wire version ${lowest}` : `wire versions ${lowest} to ${highest}`

/**
 * The codec both ends take: of the names that both offer, the one whose two places in the lists add up to the least;
 * among equals the first in the order of UTF-16 units, so that both ends choose the same. Without one, `json`.
 */
const codecOf = (mine: Hello, theirs: Hello): string => {
  let best = { name: "json", rank: Infinity }
  for (const [place, name] of mine.codecs.entries()) {
    const other = theirs.codecs.indexOf(name)
    if (other < 0) continue
    const rank = place + other
    if (rank < best.rank || (rank === best.rank && name < best.name)) best = { name, rank }
  }
  return best.name
}

/** Compares the two Hellos of a connection, from the side of the end that said `mine`. */
export const negotiate = (
  mine: Hello,
  theirs: Hello,
  options?: Expectations
): Agreement | Refusal => {
  if (options?.expected !== undefined && theirs.actor !== options.expected) {
    return refuse(
      `actor "${mine.actor}" expected actor "${options.expected}" at the other end, but it is actor "${theirs.actor}": ` +
        `check the entry module or the address`
    )
  }
  const version = Math.min(mine.versions.highest, theirs.versions.highest)
  if (version < Math.max(mine.versions.lowest, theirs.versions.lowest)) {
    const older = mine.versions.highest < theirs.versions.lowest ? mine : theirs
    return refuse(
      `actor "${theirs.actor}" speaks ${span(theirs)}, actor "${mine.actor}" (this process) speaks ${span(mine)}: ` +
        `upgrade furrow in "${older.actor}"`
    )
  }
  const served = new Map(theirs.operations.map((operation) => [operation.name, operation]))
  const differing: Array<Difference> = []
  const missing: Array<string> = []
  for (const { fingerprint, kind, name } of options?.operations ?? mine.operations) {
    const other = served.get(name)
    if (other === undefined) missing.push(name)
    else if (other.fingerprint !== fingerprint || other.kind !== kind) {
      differing.push({
        operation: name,
        mine: `${kind} ${fingerprint}`,
        theirs: `${other.kind} ${other.fingerprint}`
      })
    }
  }
  return { _tag: "Agreement", version, codec: codecOf(mine, theirs), differing, missing }
}
