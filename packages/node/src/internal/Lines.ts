/**
 * Output cut into lines, each with a name in front.
 *
 * Answers for lines that arrive in pieces, for memory that stays bounded, and for characters that are not cut in two.
 * Where the lines go is `ChildOutput`'s.
 */

/** A line longer than this many bytes is passed on in pieces. */
export const LongestLine = 65_536

const NewLine = 10

/** Where to cut before `at` without cutting a UTF-8 character in two. */
const boundary = (bytes: Uint8Array, from: number, at: number): number => {
  let cut = at
  while (cut > from && at - cut < 3 && (bytes[cut]! & 0xc0) === 0x80) cut--
  return cut > from ? cut : at
}

/** Cuts bytes into lines: whole ones come out at once, what is left over with the rest of it, or with `flush`. */
export class Lines {
  private readonly prefix: Uint8Array
  private parts: Array<Uint8Array> = []
  private size = 0

  constructor(prefix: string) {
    this.prefix = Buffer.from(prefix)
  }

  /** The lines that are complete now, each with its newline. */
  push(chunk: Uint8Array): Uint8Array {
    const out: Array<Uint8Array> = []
    let from = 0
    for (;;) {
      const newLine = chunk.indexOf(NewLine, from)
      const end = newLine === -1 ? chunk.length : newLine
      while (this.size + end - from > LongestLine) {
        const cut = boundary(chunk, from, from + LongestLine - this.size)
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

  private emit(out: Array<Uint8Array>, last: Uint8Array): void {
    out.push(this.prefix, ...this.parts, last, Uint8Array.of(NewLine))
    this.parts = []
    this.size = 0
  }
}
