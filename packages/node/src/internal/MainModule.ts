/**
 * The module that is to run an actor, found before anything is started.
 *
 * Answers for what is wrong with a `main`, said with what to do about it. Starting something with it is a spawner's.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SpawnRequest } from "furrow/Spawner"
import { SpawnError, StartFailed } from "furrow/TreeError"
import { statSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

/** The module that runs every actor spawned without a `main`; set by `NodeActor.main`. Defaults to none. */
export const DefaultMain = Context.Reference<URL | undefined>("furrow/NodeSpawner/DefaultMain", {
  defaultValue: () => undefined
})

/** An actor that could not be started at all. */
export const startFailed = (request: SpawnRequest, cause: Cause.Cause<unknown>): SpawnError =>
  new SpawnError({ actor: request.path, reason: new StartFailed({ cause, stderr: "" }) })

/** Fails as {@link startFailed} says, with one sentence of why. */
export const refuse = (request: SpawnRequest, message: string): Effect.Effect<never, SpawnError> =>
  Effect.fail(startFailed(request, Cause.fail(new Error(message))))

/** The file of the module that is to run the actor, or what is wrong with it. */
export const find = Effect.fnUntraced(function* (
  request: SpawnRequest
): Effect.fn.Return<string, SpawnError> {
  const name = request.actor.actorName
  const main = request.options.main ?? (yield* DefaultMain)
  if (main === undefined) {
    return yield* refuse(
      request,
      `No module is known that runs it: give "main" when spawning (main: new URL("./${name.toLowerCase()}.main.ts", import.meta.url)), or run the program with NodeActor.main`
    )
  }
  const url = typeof main === "string" && URL.canParse(main) ? new URL(main) : main
  if (typeof url !== "string" && url.protocol === "data:") {
    return yield* refuse(
      request,
      `Its "main" is a data: URL, which no actor can be started with. A bundler has put the module into the bundle; give it each main as an entry of its own, or run the program with NodeActor.main`
    )
  }
  if (typeof url !== "string" && url.protocol !== "file:") {
    return yield* refuse(request, `Its "main" is no file: ${url.href}`)
  }
  const file = typeof url === "string" ? resolve(url) : fileURLToPath(url)
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    return yield* refuse(request, `Its "main" does not exist: ${file}`)
  }
  return file
})
