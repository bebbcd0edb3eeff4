/**
 * All that has been found so far, merged. It grows with the different contents, places on the disk and identifiers that
 * there are; of everything else it keeps sums. It is whole after each answer, so it can be reported at any time.
 */
import { Order } from "effect"
import { extname } from "node:path"
import type { Answer, Indexed, Unreadable } from "./indexer.ts"
import { descending, top } from "./top.ts"

/** How many of the largest files, and of the files with one content, are kept by name. */
const Named = 10

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
  paths: ReadonlyArray<string>
  /** Where they are on the disk: hard links share one place. */
  readonly places: Set<string>
}

const bySize = descending<Indexed>(
  ({ bytes }) => bytes,
  ({ path }) => path
)

const none = (): Sums => ({ files: 0, bytes: 0, lines: 0 })

/** What the answers of all workers add up to. */
export class Collection {
  readonly totals = { ...none(), binaries: 0 }
  readonly extensions = new Map<string, Sums>()
  readonly identifiers = new Map<string, number>()
  readonly contents = new Map<string, Content>()
  readonly unreadable: Array<Unreadable> = []
  largest: ReadonlyArray<Indexed> = []

  /** Adds an answer of a worker. */
  add(answer: Answer): void {
    switch (answer._tag) {
      case "Indexed":
        return this.file(answer)
      case "Unreadable":
        return void this.unreadable.push(answer)
      case "BatchDone":
        for (const [name, count] of answer.identifiers) {
          this.identifiers.set(name, (this.identifiers.get(name) ?? 0) + count)
        }
    }
  }

  private file(file: Indexed): void {
    const extension = extname(file.path).toLowerCase()
    const sums = this.extensions.get(extension) ?? none()
    this.extensions.set(extension, sums)
    for (const sum of [this.totals, sums]) {
      sum.files++
      sum.bytes += file.bytes
      sum.lines += file.text?.lines ?? 0
    }
    if (file.text === undefined) this.totals.binaries++
    this.largest = top(Named, bySize, [...this.largest, file])

    const { bytes, sha256 } = file
    const content = this.contents.get(sha256) ?? {
      sha256,
      bytes,
      files: 0,
      paths: [],
      places: new Set()
    }
    this.contents.set(sha256, content)
    content.files++
    content.places.add(file.storage)
    content.paths = top(Named, Order.String, [...content.paths, file.path])
  }
}
