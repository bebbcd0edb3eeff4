/**
 * Who is who: an actor's name, its place in the tree, and the one life it is living now.
 *
 * Answers for the rules a name keeps and for telling two lives apart. Finding an actor by its name is the registry's.
 */
import * as Schema from "effect/Schema"

/** The longest name an actor may carry, in UTF-16 units: it appears in paths, process titles and every log line. */
export const MaxNameLength = 128

// oxlint-disable-next-line no-control-regex -- control characters are what the rule is about
const forbidden = /[\u0000-\u001f\u007f-\u009f\u2028\u2029/]/

/** A text that somebody gave for a name, as it can be shown: what could reach a terminal's control is written out. */
export const shown = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/**
 * A name an actor may carry: 1 to 128 characters, no control characters (they would reach terminals and logs) and no
 * `/` (it separates the names of a path).
 */
export const ActorName = Schema.String.check(
  Schema.makeFilter((name) =>
    name.length === 0
      ? "an actor's name may not be empty"
      : name.length > MaxNameLength
        ? `an actor's name may have at most ${MaxNameLength} characters, this one has ${name.length}`
        : forbidden.test(name)
          ? `an actor's name may hold neither control characters nor "/": "${shown(name)}"`
          : undefined
  )
)

/**
 * One life of one actor: its path from the root (`root/indexer/worker-3`) and its incarnation, a UUID drawn when the
 * process (or the fiber, in the test world) began. Names repeat, incarnations never do: two lives are never equal.
 */
export interface ActorRef extends Schema.Schema.Type<typeof ActorRef> {}

/** Schema of {@link ActorRef}. */
export const ActorRef = Schema.Struct({
  path: Schema.String,
  incarnation: Schema.String
})

/** Whether two references name the same life. */
export const isSameLife = (a: ActorRef, b: ActorRef): boolean => a.incarnation === b.incarnation

/**
 * One station of an error's or a cancel's way through the tree: the actor it passed, and the operation it passed
 * through, if it was one.
 */
export interface Hop extends Schema.Schema.Type<typeof Hop> {}

/** Schema of {@link Hop}. */
export const Hop = Schema.Struct({
  actor: ActorRef,
  operation: Schema.optional(Schema.String)
})
