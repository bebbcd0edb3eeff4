/**
 * What a test sees of its tree: every event, and the reasons of a failure told apart.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Events from "furrow/Events"

/** Events of one kind. */
type Kind<Tag extends Events.Event["_tag"]> = Extract<Events.Event, { readonly _tag: Tag }>

/** What has happened since it was asked for, until the scope ends. */
export interface Watch {
  readonly all: ReadonlyArray<Events.Event>
  readonly of: <Tag extends Events.Event["_tag"]>(tag: Tag) => ReadonlyArray<Kind<Tag>>
}

/** Watches from now on. */
export const events: Effect.Effect<Watch, never, Scope.Scope> = Effect.gen(function* () {
  const all: Array<Events.Event> = []
  // Not by `Events.stream`: what a fiber reads, it reads a moment later.
  const { watchers } = yield* Events.CurrentHub
  const watcher = (event: Events.Event) => void all.push(event)
  yield* Effect.acquireRelease(
    Effect.sync(() => watchers.add(watcher)),
    () => Effect.sync(() => watchers.delete(watcher))
  )
  return {
    all,
    of: (tag) => all.filter((event): event is Kind<typeof tag> => event._tag === tag)
  }
})

/** What a failure is made of: errors and defects as they are, interruptions as the word. */
export const reasonsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> => {
  assert(Exit.isFailure(exit), "it should have failed")
  return exit.cause.reasons.map((reason) =>
    Cause.isFailReason(reason)
      ? reason.error
      : Cause.isDieReason(reason)
        ? reason.defect
        : "interrupt"
  )
}

/** The one thing that a failure is made of. */
export const only = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const [first, ...others] = reasonsOf(exit)
  assert.deepStrictEqual(others, [])
  return first
}
