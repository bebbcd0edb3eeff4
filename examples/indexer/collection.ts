/**
 * All that has been found so far, merged. It grows with the number of different contents and identifiers there are, and
 * not with the number of files; and it is whole after each message, so that it can be reported at any time.
 */
import { extname } from "node:path"
import type { Indexed, Report as Message, Unreadable } from "./indexer.ts"
import { descending, top } from "./top.ts"

/** How many of the largest files, and of the files of one content, are remembered. */
const Remembered = 10

/** Sums over some of the files. */
export interface Sums {
  files: number
  bytes: number
  lines: number
}

/** A content, and the files that have it. */
export interface Content {
  readonly sha256: string
  readonly bytes: number
  files: number
  /** The first of their paths, in order. */
  paths: Array<string>
  /** Where they are on the disk, each place once: hard links share theirs. */
  readonly places: Set<string>
}
