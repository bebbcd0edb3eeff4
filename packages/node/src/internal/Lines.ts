/**
 * Output cut into lines, each with a name in front.
 *
 * Answers for lines that arrive in pieces, for memory that stays bounded, and for characters that are not cut in two.
 * Where the lines go is `ChildOutput`'s.
 */

import * as Stream from "effect/Stream"

/** A line that with its name is longer than this many bytes is passed on in pieces. */
export const LongestLine = 65_536

const NewLine = 10

/** Where to cut before `at` without cutting a UTF-8 character in two. */
const boundary = (bytes: Uint8Array, from: number, at: number): number => {
  let cut = at
  while (cut > from && at - cut < 3 && (bytes[cut]! & 0xc0) === 0x80) cut--
  return cut > from ? cut : at
}

/**
 * Cuts bytes into lines: whole ones come out at once, what is left over with the rest of it, or with `flush`. Each gets
 * `prefix` in front, but for one that begins with `named`: it has a name already.
 */
export class Lines {
  private readonly prefix: Uint8Array
  private readonly named: Uint8Array
  private parts: Array<Uint8Array> = []
  private size = 0

  constructor(prefix: string, named?: string) {
    this.prefix = Buffer.from(prefix)
    this.named = Buffer.from(named ?? "")
  }

  /** The lines that are complete now, each with its newline. */
  push(chunk: Uint8Array): Uint8Array {
    const out: Array<Uint8Array> = []
    let from = 0
    for (;;) {
      const newLine = chunk.indexOf(NewLine, from)
      const end = newLine === -1 ? chunk.length : newLine
      for (;;) {
        const longest = this.longest(chunk.subarray(from, end))
        if (this.size + end - from <= longest) break
        const cut = boundary(chunk, from, Math.max(from, from + longest - this.size))
        this.emit(out, chunk.subarray(from, cut))
        from = cut
      }
      if (newLine === -1) {
        // A copy: the piece must not hold on to the chunk that it came in.
        if (from < end) this.parts.push(Uint8Array.from(chunk.subarray(from, end)))
        this.size += end - from
        return Buffer.concat(out)
      }
      this.emit(out, chunk.subarray(from, end))
      from = newLine + 1
    }
  }

  /** The last line, if it did not end with a newline. */
  flush(): Uint8Array {
    const out: Array<Uint8Array> = []
    if (this.size > 0) this.emit(out, new Uint8Array())
    return Buffer.concat(out)
  }

  /** How long the line may become that ends with this: one that is cut here is short enough for whoever names it next. */
  private longest(last: Uint8Array): number {
    const own = LongestLine - this.prefix.length
    return this.size + last.length > own && this.hasName(last) ? LongestLine : own
  }

  /** Whether the line that ends with this begins with a name. */
  private hasName(last: Uint8Array): boolean {
    const { named } = this
    if (named.length === 0) return false
    const begin = this.size === 0 ? last : Buffer.concat([...this.parts, last], named.length)
    return named.every((byte, at) => begin[at] === byte)
  }

  private emit(out: Array<Uint8Array>, last: Uint8Array): void {
    if (!this.hasName(last)) out.push(this.prefix)
    out.push(...this.parts, last, Uint8Array.of(NewLine))
    this.parts = []
    this.size = 0
  }
}

/** Whole lines as texts, without their ends. */
const texts = (whole: Uint8Array): ReadonlyArray<string> =>
  whole.length === 0 ? [] : Buffer.from(whole.subarray(0, -1)).toString().split("\n")

/** An output line by line; a line that is too long comes in pieces. */
export const ofStream = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<string, E, R> =>
  Stream.mapAccumArray(
    bytes,
    () => new Lines(""),
    (lines, chunks) => [lines, texts(Buffer.concat(chunks.map((chunk) => lines.push(chunk))))],
    { onHalt: (lines) => texts(lines.flush()) }
  )
