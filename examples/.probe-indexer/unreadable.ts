/** What the system says of a file that cannot be read, as a value for a report and in words for a reader. */
import type { PlatformError } from "effect/PlatformError"
import type { Unreadable } from "./indexer.ts"

/** The news of a path that cannot be read, with its reason in few words: "permission denied". */
export const unreadable = (path: string, error: PlatformError): Unreadable => ({
  _tag: "Unreadable",
  path: path === "" ? "." : path,
  reason: inWords(error)
})

const inWords = ({ message, reason }: PlatformError): string =>
  reason._tag === "Unknown" || reason._tag === "BadArgument"
    ? message
    : reason._tag.replace(/(?<!^)[A-Z]/g, (letter) => ` ${letter}`).toLowerCase()
