/**
 * The files of a tree as a stream. In memory are one directory's entries at a time, and the names of the directories that
 * are still to come; symbolic links, sockets and devices are passed by.
 */
import { Effect, FileSystem, Option, Stream } from "effect"
import type { Unreadable } from "./indexer.ts"
import type { Target } from "./target.ts"
import { unreadable } from "./unreadable.ts"

/** A file, by its path from the root. */
export interface Found {
  readonly _tag: "Found"
  readonly path: string
}

const found = (path: string): Found => ({ _tag: "Found", path })

/** Everything below a directory, depth first, with the news of what cannot be read; or the one file. */
export const walk = ({
  file,
  root
}: Target): Stream.Stream<Found | Unreadable, never, FileSystem.FileSystem> =>
  file === undefined
    ? Stream.suspend(() => Stream.paginate([""], (ahead) => next(root, ahead)))
    : Stream.make(found(file))

/** Looks into the last of the directories ahead, and puts those it finds there in its place. */
const next = Effect.fnUntraced(function* (root: string, ahead: Array<string>) {
  const fs = yield* FileSystem.FileSystem
  const directory = ahead.pop() ?? ""
  const here: Array<Found | Unreadable> = []
  const entries = yield* fs.readDirectoryEntries(`${root}/${directory}`).pipe(
    Effect.catch((error) => {
      here.push(unreadable(directory, error))
      return Effect.succeed([])
    })
  )
  for (const { name, type } of entries) {
    const path = directory === "" ? name : `${directory}/${name}`
    if (type === "Directory") ahead.push(path)
    else if (type === "File") here.push(found(path))
  }
  return [here, ahead.length === 0 ? Option.none() : Option.some(ahead)] as const
})
