/**
 * Several things opened at once and held together: dialogs above all, and whatever else is opened for a scope.
 *
 * Answers for all or nothing: if one cannot be opened, the others are closed and joined before anybody hears of it. What
 * each of them does afterwards is its own; a block that ends when one of them fails is `Dialog.use`'s.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { reasonsOf, withNotesOf } from "./Exits.ts"

/** What can be opened: any effect, a dialog's `Opening` among them. */
type Openable = Effect.Effect<unknown, unknown, unknown>

/** A tuple, an array or a record of what is to be opened. */
type Openables = ReadonlyArray<Openable> | { readonly [name: string]: Openable }

/** Nothing fits what is known to be empty. */
type Some<Entries extends Openables> = keyof Entries extends never
  ? never
  : Entries extends readonly []
    ? never
    : unknown

/** What comes of each, at its place. */
type Opened<Entries extends Openables> = {
  -readonly [Name in keyof Entries]: Effect.Success<Entries[Name]>
}

const gather = <A, E, R>(
  entries: ReadonlyArray<Effect.Effect<A, E, R>>
): Effect.Effect<ReadonlyArray<A>, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      if (entries.length === 0) {
        return yield* Effect.die(
          new Error("Gather.all was given nothing to open. Ask whether there is anything first.")
        )
      }
      const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
      const ended: Array<Cause.Reason<E>> = []
      const opened = yield* Effect.forEach(
        entries,
        (entry) =>
          Effect.flatMap(Scope.fork(scope), (own) =>
            Effect.onExit(Scope.provide(entry, own), (exit) =>
              Effect.sync(() => void ended.push(...reasonsOf(exit)))
            )
          ),
        { concurrency: "unbounded" }
      ).pipe(restore, Effect.exit)
      if (Exit.isSuccess(opened)) return opened.value
      const closed = yield* Effect.exit(Scope.close(scope, opened))
      // An interruption is told only if it came from outside, or from one that had interrupted itself.
      const told = [
        ...ended.filter((reason) => !Cause.isInterruptReason(reason)),
        ...opened.cause.reasons.filter(Cause.isInterruptReason),
        ...reasonsOf(closed)
      ]
      const untold = ended.filter((reason) => !told.includes(reason))
      return yield* Effect.failCause(Cause.fromReasons(withNotesOf(untold, told)))
    })
  )

/**
 * Opens all at once, for a scope; gives what came of each at its place, in a tuple or record as `Effect.all` does, whoever
 * was first. When the scope closes, all are closed together.
 *
 * If one fails, the others are interrupted, or closed if they were open, and joined; then it fails with the first
 * failure, and beside it what else has failed. Nothing to open is a defect, where it does not compile already.
 *
 * **Example** (The same dialog with two actors)
 *
 * ```ts
 * const [tea, coffee] = yield* Gather.all([
 *   room.client.Chat({ who: "Ada" }),
 *   room.client.Chat({ who: "Grace" })
 * ])
 * ```
 */
export const all = <const Entries extends Openables>(
  entries: Entries & Some<Entries>
): Effect.Effect<
  Opened<Entries>,
  Effect.Error<Entries[keyof Entries]>,
  Effect.Services<Entries[keyof Entries]> | Scope.Scope
> =>
  Effect.map(gather(Object.values<Openable>(entries)), (values) =>
    Array.isArray(entries)
      ? values
      : Object.fromEntries(Object.keys(entries).map((name, at) => [name, values[at]]))
  ) as Effect.Effect<
    Opened<Entries>,
    Effect.Error<Entries[keyof Entries]>,
    Effect.Services<Entries[keyof Entries]> | Scope.Scope
  >
