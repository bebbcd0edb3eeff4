/** Cutting a stream of bytes into frames, however its chunks fall. */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Framing, Protocol } from "furrow/protocol"

/** Cuts at the given places, which may repeat: an empty chunk is a chunk. */
const cut = (bytes: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b
  )
  return ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end))
}

const prefix = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, length)
  return bytes
}

describe("Framing", () => {
  it("the bodies that were joined come out whole and in order, wherever the chunks are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (bodies, places) => {
          const deframer = new Framing.Deframer()
          const out = cut(Framing.join(bodies), places).flatMap((chunk) => deframer.push(chunk))
          expect(out.map((body) => [...body])).toEqual(bodies.map((body) => [...body]))
          expect(deframer.pending).toBe(0)
        }
      )
    )
  })

  it("a body is plain bytes, whatever kind of bytes the platform reads into", () => {
    const bytes = Buffer.from(Framing.join([new Uint8Array([1, 2, 3])]))
    const [whole] = new Framing.Deframer().push(bytes)
    expect(whole?.constructor).toBe(Uint8Array)
    const deframer = new Framing.Deframer()
    expect(deframer.push(bytes.subarray(0, 6))).toEqual([])
    expect(deframer.push(bytes.subarray(6))).toEqual([new Uint8Array([1, 2, 3])])
  })

  it("pending is what was pushed and did not come out", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (body, places) => {
          const joined = Framing.join([body])
          const deframer = new Framing.Deframer()
          let pushed = 0
          for (const chunk of cut(joined, places)) {
            const out = deframer.push(chunk)
            pushed += chunk.length
            expect(deframer.pending).toBe(pushed === joined.length ? 0 : pushed)
            expect(out.length).toBe(pushed === joined.length && chunk.length > 0 ? 1 : 0)
          }
        }
      )
    )
  })

  it("the prefix is four bytes, unsigned and big-endian", () => {
    expect([...Framing.join([new Uint8Array(258)]).subarray(0, 4)]).toEqual([0, 0, 1, 2])
  })

  it("a frame of exactly the limit is let in", () => {
    const deframer = new Framing.Deframer(8)
    expect(deframer.push(Framing.join([new Uint8Array(8)]))).toHaveLength(1)
  })

  it("a length over the limit is refused as soon as it is read, before its body is there", () => {
    for (const length of [9, 2 ** 31, 2 ** 32 - 1]) {
      const deframer = new Framing.Deframer(8)
      expect(deframer.push(prefix(length).subarray(0, 3))).toEqual([])
      expect(deframer.broken).toBeUndefined()
      expect(deframer.push(prefix(length).subarray(3))).toEqual([])
      expect(deframer.broken).toBeInstanceOf(Protocol.Violation)
      expect(deframer.broken).toMatchObject({ rule: "FrameTooLong" })
    }
  })

  it("frames before one that is too long are given, and nothing after it", () => {
    const deframer = new Framing.Deframer(8)
    const body = Uint8Array.of(1, 2)
    const good = Framing.join([body, body])
    const bad = new Uint8Array([...good, ...prefix(9), ...good])
    expect(deframer.push(bad)).toEqual([body, body])
    expect(deframer.broken?.rule).toBe("FrameTooLong")
    expect(deframer.push(good)).toEqual([])
  })

  it("the limit is that of the protocol unless told otherwise", () => {
    const [exactly, more] = [new Framing.Deframer(), new Framing.Deframer()]
    exactly.push(prefix(Protocol.FrameLimit))
    more.push(prefix(Protocol.FrameLimit + 1))
    expect(exactly.broken).toBeUndefined()
    expect(more.broken).toMatchObject({ rule: "FrameTooLong" })
  })

  it("a large frame in single bytes costs one copy of each byte, not one for each chunk", () => {
    const body = new Uint8Array(Protocol.FrameLimit).fill(7)
    const deframer = new Framing.Deframer()
    let out: ReadonlyArray<Uint8Array> = []
    for (const byte of Framing.join([body])) out = deframer.push(Uint8Array.of(byte))
    // Quadratic work would be half a million million copies here, and end in the test's timeout.
    expect(out).toHaveLength(1)
    expect(out[0]!.every((byte) => byte === 7)).toBe(true)
  })

  it("short bodies are their own, and long ones last until the next chunk", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (lengths, places) => {
          const bodies = lengths.map((length, n) => new Uint8Array(length).fill(n + 1))
          const deframer = new Framing.Deframer()
          const out: Array<Uint8Array> = []
          for (const chunk of cut(Framing.join(bodies), places)) {
            const given = deframer.push(chunk)
            for (const body of given) {
              expect(body.every((byte) => byte === bodies[out.length]![0])).toBe(true)
              out.push(Framing.Deframer.isLent(body) ? body.slice() : body)
            }
            // Whoever reads may read the next into the same place.
            chunk.fill(255)
          }
          expect(out).toEqual(bodies)
        }
      ),
      { numRuns: 50 }
    )
  })

  it("parts that do not lie within one chunk are put together in the same two places again and again", () => {
    const deframer = new Framing.Deframer()
    const whole = Framing.join([new Uint8Array(32_780)])
    const places = new Set<ArrayBufferLike>()
    deframer.push(whole.subarray(0, 20_000))
    for (let n = 0; n < 10; n++) {
      for (const chunk of [whole.subarray(20_000), whole.subarray(0, 20_000)]) {
        for (const body of deframer.push(chunk)) places.add(body.buffer)
      }
    }
    expect(places.size).toBe(2)
  })

  it("what is kept of a chunk is at most half of what it keeps", () => {
    const chunk = new Uint8Array(65_536).fill(7)
    expect(Framing.kept(chunk.subarray(10, 20)).buffer.byteLength).toBe(10)
    expect(Framing.kept(chunk.subarray(10, 20))).toEqual(chunk.subarray(0, 10))
    expect(Framing.kept(chunk.subarray(0, 40_000)).buffer).toBe(chunk.buffer)
  })

  it("a value in parts comes out whole, however long it was said to be", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 20_000 }),
        fc.array(fc.nat({ max: 20_000 }), { minLength: 1 }),
        fc.array(
          fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 30_000 }), fc.maxSafeNat()),
          { minLength: 1 }
        ),
        (value, places, said) => {
          const parts = new Framing.Parts()
          const all = cut(value, places)
          for (const [i, part] of all.slice(0, -1).entries()) {
            parts.push(part, said[i % said.length])
          }
          expect(parts.length).toBe(value.length - all.at(-1)!.length)
          const whole = parts.join(all.at(-1)!)
          expect(whole).toEqual(value)
          expect(whole.buffer.byteLength).toBe(value.length)
        }
      )
    )
  })

  it("a value that was said to be as long as it is has its place as soon as a sixteenth of it is there", () => {
    const parts = new Framing.Parts()
    const part = new Uint8Array(1000).fill(7)
    const held: Array<number> = []
    for (let n = 1; n < 32; n++) {
      parts.push(part, 32_000)
      held.push(parts.held)
    }
    // The first bytes have some room in any case.
    expect(held).toEqual(held.map((_, n) => (n < 4 ? 4096 : 32_000)))
    expect(parts.join(part)).toEqual(new Uint8Array(32_000).fill(7))
  })

  it("F15 a value takes no more room than sixteen times what is there of it, whatever is said of its length", () => {
    for (const said of [Number.MAX_SAFE_INTEGER, 2 ** 30, 1_000_000, 100_000]) {
      const parts = new Framing.Parts()
      for (let n = 1; n <= 1000; n++) {
        parts.push(new Uint8Array(100), said)
        expect(parts.held).toBeLessThanOrEqual(Math.max(4096, 16 * parts.length))
      }
    }
  })

  it("a batch is its frames, each behind its length, however long; what was taken is not written again", () => {
    const batch = new Framing.Batch()
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(fc.uint8Array({ maxLength: 50 }), fc.constant(new Uint8Array(9000).fill(1)))
        ),
        (bodies) => {
          for (const body of bodies) {
            batch.begin()
            batch.bytes(body)
            batch.end()
          }
          const taken = batch.take()
          const before = taken.slice()
          batch.bytes(new Uint8Array(100).fill(255))
          batch.take()
          expect(taken).toEqual(before)
          expect(taken).toEqual(Framing.join(bodies))
        }
      )
    )
  })

  it("a batch copies few bytes and takes many as they are, between what was copied", () => {
    const batch = new Framing.Batch()
    const [few, many] = [new Uint8Array(100).fill(1), new Uint8Array(20_000).fill(2)]
    for (const body of [few, many, few, many]) {
      batch.begin()
      batch.byte(7)
      batch.bytes(body)
      batch.end()
    }
    expect(batch.length).toBe(4 * 5 + 2 * 20_100)
    const pieces = batch.takePieces()
    expect(pieces.map(({ length }) => length)).toEqual([110, 20_000, 110, 20_000])
    expect([pieces[1]?.buffer, pieces[3]?.buffer]).toEqual([many.buffer, many.buffer])
    const bodies = [few, many, few, many].map((body) => Uint8Array.of(7, ...body))
    expect(Buffer.concat(pieces)).toEqual(Buffer.from(Framing.join(bodies)))
    expect(batch.length).toBe(0)
  })
})
