/** What is to be indexed: a directory, or a single file, that is there. */
import { Effect, FileSystem, Path, Runtime, Schema } from "effect"
import { CliError } from "effect/cli"
import { unreadable } from "./unreadable.ts"

/** There is nothing to index where the user has pointed to. The command prints its sentence, and ends with code 2. */
class NothingThere extends Schema.TaggedError<NothingThere>()("NothingThere", {
  path: Schema.String,
  reason: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 2
  override get [CliError.userMessage]() {
    return this.message
  }
  override get message() {
    return `Cannot index ${JSON.stringify(this.path)}: ${this.reason}. Give the path of a file or a directory.`
  }
}

/** A directory, and, if only one file in it is meant, its name. */
export interface Target {
  readonly root: string
  readonly file: string | undefined
}

/** Finds out what a path is. It may be a symbolic link; those below it are not followed. */
export const resolve = Effect.fn("resolve")(function* (given: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const [real, { type }] = yield* fs.realPath(path.resolve(given)).pipe(
    Effect.flatMap((real) => Effect.all([Effect.succeed(real), fs.stat(real)])),
    Effect.mapError(
      (error) => new NothingThere({ path: given, reason: unreadable(given, error).reason })
    )
  )
  const target: Target | undefined =
    type === "Directory"
      ? { root: real, file: undefined }
      : type === "File"
        ? { root: path.dirname(real), file: path.basename(real) }
        : undefined
  return target ?? (yield* new NothingThere({ path: given, reason: "it is something else" }))
})
