/**
 * One file read once, chunk by chunk: its bytes, its hash, and, if it is text, its lines and its identifiers. What cannot
 * be read is an answer and no error: whoever asked for a thousand files wants the others.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { extname } from "node:path"
import { Identifiers, isSource } from "./identifiers.ts"
import type { Indexed, Text } from "./indexer.ts"
import { mostFrequent } from "./top.ts"
import { unreadable } from "./unreadable.ts"

/** How much of a file is in memory at once. */
const ChunkSize = 256 * 1024

/** A file with a zero among its first bytes is binary; so Git tells, too. */
const BinaryWithin = 8000

const IdentifiersOfFile = 5

const Newline = 10

/** What of a file only text has, or nothing once it is seen to be binary. */
class TextFacts {
  private lines = 0
  private last = Newline
  private readonly identifiers: Identifiers | undefined
  private first = true
  private binary = false

  constructor(path: string) {
    this.identifiers = isSource(extname(path).toLowerCase()) ? new Identifiers() : undefined
  }

  push(chunk: Uint8Array): void {
    if (this.first) this.binary = chunk.subarray(0, BinaryWithin).includes(0)
    this.first = false
    if (this.binary) return
    for (const byte of chunk) if (byte === Newline) this.lines++
    this.last = chunk.at(-1) ?? this.last
    this.identifiers?.push(chunk)
  }

  /** Adds the identifiers to a sum. A last line may do without its end. */
  end(sum: Map<string, number>): Text | undefined {
    if (this.binary) return undefined
    const found = this.identifiers?.end() ?? new Map<string, number>()
    for (const [name, count] of found) sum.set(name, (sum.get(name) ?? 0) + count)
    return {
      lines: this.last === Newline ? this.lines : this.lines + 1,
      identifiers: mostFrequent(IdentifiersOfFile, found)
    }
  }
}

/** Reads a file, no further than it is long when it is opened, and adds its identifiers to a sum. */
export const readFile = Effect.fnUntraced(
  function* (root: string, path: string, sum: Map<string, number>) {
    const fs = yield* FileSystem.FileSystem
    const file = `${root}/${path}`
    const { dev, ino, size } = yield* fs.stat(file)
    const hash = createHash("sha256")
    const text = new TextFacts(path)
    let bytes = 0
    yield* fs.stream(file, { bytesToRead: size, chunkSize: ChunkSize }).pipe(
      Stream.runForEach((chunk) =>
        Effect.sync(() => {
          bytes += chunk.length
          hash.update(chunk)
          text.push(chunk)
        })
      )
    )
    const facts: Indexed = {
      _tag: "Indexed",
      path,
      bytes,
      sha256: hash.digest("hex"),
      storage: `${dev}:${Option.getOrElse(ino, () => path)}`,
      text: text.end(sum)
    }
    return facts
  },
  (effect, _root, path) => Effect.catch(effect, (error) => Effect.succeed(unreadable(path, error)))
)
