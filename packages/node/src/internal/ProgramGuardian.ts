/**
 * Who ends the programs that this process has started, once it is gone without a word.
 *
 * Answers for the way from a spawner, which has a guardian for its actors, to whoever starts a program that is no actor:
 * one guardian is enough for both.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Guardian from "./Guardian.ts"

/** Gives the guardian of what is started under this path, for a scope; none where somebody else looks after it. */
type Find = (
  path: string,
  spawner: ChildProcessSpawner["Service"]
) => Effect.Effect<Guardian.Guardian | undefined, PlatformError, Scope.Scope>

/** See the module. Where there are no actors, a program has a guardian of its own. */
export const Current = Context.Reference<Find>("furrow/NodeSpawner/ProgramGuardian", {
  defaultValue: () => (_, spawner) =>
    Guardian.isPossible() ? Guardian.make(spawner, 0) : Effect.undefined
})
