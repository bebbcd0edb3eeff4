/**
 * Where one frame ends and the next begins: a length prefix of four bytes, unsigned, big-endian, before every body.
 *
 * Answers for cutting a stream of bytes into bodies, however the chunks fall, and for refusing a body that is too long
 * before anything is allocated for it. What stands in a body is the codec's.
 */
import { FrameLimit, PartSize, Violation } from "./Protocol.ts"

const PrefixSize = 4

const joined = (pieces: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(pieces.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

/** Joins bodies to one buffer that can be written at once, each body behind its length. */
export const join = (bodies: ReadonlyArray<Uint8Array>): Uint8Array => {
  let size = 0
  for (const body of bodies) size += PrefixSize + body.length
  const joined = new Uint8Array(size)
  const view = new DataView(joined.buffer)
  let at = 0
  for (const body of bodies) {
    view.setUint32(at, body.length)
    joined.set(body, at + PrefixSize)
    at += PrefixSize + body.length
  }
  return joined
}

/** What a batch begins with, in bytes: small ones are cut from it one after the other, a larger one grows by doubling. */
const BatchSize = 8192

/** The most that a batch begins with after a large one, in bytes: as much as is written at once, and some more. */
const LargeBatch = 3 * PartSize + 2048

/** From how many bytes on they are taken as they are, beside what is written: copying them would cost more. */
export const Apart = 8192

/** Copies that nobody else has. */
const copies = new WeakSet<Uint8Array>()

/** A copy of some bytes on their way out, which is the outbox's own. */
export const copyOf = (bytes: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(bytes)
  if (copy.length >= Apart) copies.add(copy)
  return copy
}

/**
 * Gives back the memory of bytes that were written, if they are such a copy and many. Left to V8, the copies of a stream
 * of large chunks are what it collects garbage for: it marks the whole heap every few MB.
 */
export const freeCopy = (bytes: Uint8Array): void => {
  if (copies.delete(bytes) && bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0)
}

/**
 * Frames on their way out: each is written behind the last, its length before it, and all are taken at once, so that a
 * frame costs no buffer of its own. Many bytes are not copied: they must stay as they are until they are written.
 */
export class Batch {
  private buffer = new Uint8Array(BatchSize)
  private view = new DataView(this.buffer.buffer)
  /** What is before it has been taken. */
  private taken = 0
  private filled = 0
  /** Where the frame began that is being written, and how many bytes there were. */
  private began = 0
  private before = 0
  /** What stands apart, each with how much of what is copied stands before it. */
  private apart: Array<{ readonly at: number; readonly bytes: Uint8Array }> = []
  private apartLength = 0

  /** How many bytes wait to be taken. */
  get length(): number {
    return this.copied + this.apartLength
  }

  private get copied(): number {
    return this.filled - this.taken
  }

  /** The next frame begins. */
  begin(): void {
    this.began = this.filled
    this.room(PrefixSize)
    this.filled += PrefixSize
    this.before = this.length
  }

  /** The frame is complete. */
  end(): void {
    this.view.setUint32(this.began, this.length - this.before)
  }

  /** One byte. */
  byte(value: number): void {
    this.room(1)
    this.buffer[this.filled++] = value
  }

  /** A whole number from 0 to 2 ** 53 - 1 in one to eight bytes: seven bits a byte, lowest first, the high bit set on all but the last. */
  count(value: number): void {
    this.room(8)
    let rest = value
    while (rest >= 128) {
      this.buffer[this.filled++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    this.buffer[this.filled++] = rest
  }

  /** A number in eight bytes, big-endian. */
  float(value: number): void {
    this.room(8)
    this.view.setFloat64(this.filled, value)
    this.filled += 8
  }

  /** Some bytes; they are copied, if they are few. */
  bytes(bytes: Uint8Array): void {
    if (bytes.length >= Apart) {
      this.apart.push({ at: this.copied, bytes })
      this.apartLength += bytes.length
      return
    }
    this.room(bytes.length)
    this.buffer.set(bytes, this.filled)
    this.filled += bytes.length
  }

  /** All that was written since the last time, in one piece; it is not written to again. */
  take(): Uint8Array {
    const pieces = this.takePieces()
    const [first] = pieces
    return pieces.length === 1 && first !== undefined ? first : joined(pieces)
  }

  /** The same in as many pieces as there are, in order. */
  takePieces(): ReadonlyArray<Uint8Array> {
    const copied = this.takeCopied()
    const { apart } = this
    if (apart.length === 0) return [copied]
    this.apart = []
    this.apartLength = 0
    const pieces: Array<Uint8Array> = []
    let from = 0
    for (const { at, bytes } of apart) {
      if (at > from) pieces.push(copied.subarray(from, at))
      pieces.push(bytes)
      from = at
    }
    if (from < copied.length) pieces.push(copied.subarray(from))
    return pieces
  }

  private takeCopied(): Uint8Array {
    const { buffer, filled, taken } = this
    if (buffer.length === BatchSize) {
      this.taken = filled
      return buffer.subarray(taken, filled)
    }
    const isFull = filled * 2 >= buffer.length
    // The next one is likely to be as large: growing copies all that is there, again and again.
    if (isFull) this.use(new Uint8Array(Math.min(buffer.length, LargeBatch)))
    else if (filled < BatchSize) this.use(new Uint8Array(BatchSize))
    this.filled = 0
    return isFull ? buffer.subarray(0, filled) : buffer.slice(0, filled)
  }

  private room(bytes: number): void {
    if (this.filled + bytes <= this.buffer.length) return
    const { buffer, filled, taken } = this
    const needed = filled - taken + bytes
    let size = buffer.length
    while (size < needed) size *= 2
    // As large as they mostly get, and not twice as large: what is not filled is memory all the same.
    if (needed <= LargeBatch && size > LargeBatch) size = LargeBatch
    const other = new Uint8Array(size)
    other.set(buffer.subarray(taken, filled))
    this.use(other)
    this.began -= taken
    this.filled -= taken
    this.taken = 0
  }

  private use(buffer: Uint8Array<ArrayBuffer>): void {
    this.buffer = buffer
    this.view = new DataView(buffer.buffer)
  }
}

/** The longest body that a deframer gives away, in bytes. */
const Lasting = 8192

/** Bytes that are to be kept: a view would keep all of the chunk that it was cut from, so a short one is copied. */
export const kept = (bytes: Uint8Array): Uint8Array =>
  bytes.buffer.byteLength > 2 * bytes.length ? bytes.slice() : bytes

/** What there is room for at once when the first part of a value arrives, in bytes. */
const LeastRoom = 4096

/** Once a value is there by one part in so many, there is room for all of it, if its length was said. */
const Ahead = 16

/**
 * The parts of one value as they arrive. There is room for at most twice what is there, or sixteen times as much of a
 * value that has been said to be so long: joining a long one at its end would take as long as all the rest.
 */
export class Parts {
  private room = new Uint8Array(0)
  private filled = 0

  /** How many bytes have arrived. */
  get length(): number {
    return this.filled
  }

  /** How many bytes there is room for. */
  get held(): number {
    return this.room.length
  }

  /** Takes in the next part. `whole`: how long the value is said to be. */
  push(part: Uint8Array, whole = 0): void {
    const filled = this.filled + part.length
    if (filled > this.room.length) {
      this.grow(
        filled <= whole && whole <= filled * Ahead ? whole : Math.max(filled * 2, LeastRoom)
      )
    }
    this.room.set(part, this.filled)
    this.filled = filled
  }

  /** The whole value, whose last part this is. */
  join(last: Uint8Array): Uint8Array {
    const length = this.filled + last.length
    if (this.room.length !== length) this.grow(length)
    this.room.set(last, this.filled)
    return this.room
  }

  private grow(size: number): void {
    const larger = new Uint8Array(size)
    larger.set(this.room.subarray(0, this.filled))
    this.room = larger
  }
}

/** The longest body that is put together in a place that is used again, in bytes: a part, and what stands beside it. */
const LongestPart = PartSize + 1024

/**
 * Cuts chunks into bodies. A body of more than 8 KiB lasts until the next `push`, as the chunk has to: most are parts,
 * which are copied to their value's place at once. Shorter ones are copies, one for all that stand side by side. After a
 * violation the connection is over, and nothing more is cut.
 */
export class Deframer {
  /** The longest body let in, in bytes. */
  limit: number
  /** How the bytes that were pushed broke the protocol, once they have. */
  broken: Violation | undefined
  readonly #prefix = new Uint8Array(PrefixSize)
  #prefixFilled = 0
  #body: Uint8Array | undefined
  #bodyFilled = 0
  /** Where the next long body is put together, and where the last was: it may be given with the beginning of the next. */
  #place: Uint8Array | undefined
  #otherPlace: Uint8Array | undefined

  /** `limit`: the longest body let in, in bytes. Defaults to `FrameLimit`. */
  constructor(limit: number = FrameLimit) {
    this.limit = limit
  }

  /** Whether a body lasts until the next `push` only. */
  static isLent(body: Uint8Array): boolean {
    return body.length > Lasting
  }

  /** How many bytes of an unfinished frame are held, its prefix included. */
  get pending(): number {
    return this.#prefixFilled + this.#bodyFilled
  }

  /**
   * The bodies that this chunk completes, in order. If a frame of it is longer than the limit (`FrameTooLong`), those
   * before it, and what is wrong is in `broken` from then on.
   */
  push(bytes: Uint8Array): ReadonlyArray<Uint8Array> {
    // A platform's own kind of bytes (Node's Buffer) would reach users in the values that are decoded from it.
    const chunk = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const bodies: Array<Uint8Array> = []
    let at = this.pending === 0 ? 0 : this.#goOn(chunk, 0, bodies)
    let short = at
    while (at < chunk.length && this.broken === undefined) {
      const begin = at + PrefixSize
      const length = begin > chunk.length ? Infinity : lengthAt(chunk, at)
      const isWhole = length <= this.limit && begin + length <= chunk.length
      if (isWhole && length <= Lasting) at = begin + length
      else {
        copyShort(chunk, short, at, bodies)
        if (isWhole) bodies.push(chunk.subarray(begin, (at = begin + length)))
        else at = this.#goOn(chunk, at, bodies)
        short = at
      }
    }
    copyShort(chunk, short, at, bodies)
    return bodies
  }

  /** Takes in what there is of one frame, from its prefix on, or from where an earlier chunk had ended; tells where that ends. */
  #goOn(chunk: Uint8Array, from: number, bodies: Array<Uint8Array>): number {
    let at = from
    while (this.#prefixFilled < PrefixSize) {
      if (at === chunk.length) return at
      this.#prefix[this.#prefixFilled++] = chunk[at++]!
    }
    const length = lengthAt(this.#prefix, 0)
    if (length > this.limit) {
      this.broken = new Violation({
        rule: "FrameTooLong",
        detail: `a frame of ${length} bytes, where at most ${this.limit} are allowed`
      })
      return at
    }
    this.#body ??= this.#placeFor(length)
    const part = chunk.subarray(at, at + length - this.#bodyFilled)
    this.#body.set(part, this.#bodyFilled)
    this.#bodyFilled += part.length
    if (this.#bodyFilled === length) {
      bodies.push(this.#body)
      this.#body = undefined
      this.#bodyFilled = 0
      this.#prefixFilled = 0
    }
    return at + part.length
  }

  #placeFor(length: number): Uint8Array {
    if (length <= Lasting || length > LongestPart) return new Uint8Array(length)
    const place = this.#otherPlace ?? new Uint8Array(LongestPart)
    this.#otherPlace = this.#place
    this.#place = place
    return place.subarray(0, length)
  }
}

/** Copies short bodies that stand side by side. */
const copyShort = (
  chunk: Uint8Array,
  from: number,
  to: number,
  bodies: Array<Uint8Array>
): void => {
  if (from === to) return
  const copy = chunk.slice(from, to)
  for (let at = 0; at < copy.length;) {
    const begin = at + PrefixSize
    at = begin + lengthAt(copy, at)
    bodies.push(copy.subarray(begin, at))
  }
}

/** The length that a prefix says. */
const lengthAt = (bytes: Uint8Array, at: number): number =>
  bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)
