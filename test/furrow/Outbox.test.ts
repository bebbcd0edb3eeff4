/** In which order one end of a connection writes, whatever the order in which it was asked to. */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Codec, Framing, Protocol } from "furrow/protocol"
import { Outbox, OutboxLane } from "furrow/Outbox"

const bytes = (length: number) => new Uint8Array(length).fill(32)

const item = (length: number): Protocol.DialogFrame => ({
  _tag: "Item",
  id: 0,
  payload: bytes(length)
})
const opening = (length: number): Protocol.DialogFrame => ({
  _tag: "Open",
  id: 0,
  operation: "Work",
  window: { items: 0, bytes: 0 },
  payload: bytes(length)
})
const credit: Protocol.Frame = { _tag: "Credit", id: 7, items: 1, bytes: 1 }

/** An outbox whose dialogs of its own get the ids 1, 2, 3 … as their first frames are written. */
const make = (openCredit = 1_000_000) => {
  let lastId = 0
  let woken = 0
  const outbox = new Outbox(
    openCredit,
    () => ++lastId,
    () => woken++
  )
  /** The frames of the next write, each with its length. */
  const take = (
    limit = 65_536
  ): ReadonlyArray<readonly [tag: string, id: number, length: number]> => {
    const deframer = new Framing.Deframer()
    return (outbox.take(Codec.binary, limit) ?? [])
      .flatMap((piece) => deframer.push(piece))
      .map((body) => Codec.binary.decodeFrame(body))
      .map((frame) => [
        frame._tag,
        "id" in frame ? frame.id : 0,
        "payload" in frame ? frame.payload.length : 0
      ])
  }
  return { outbox, take, woken: () => woken }
}

const laneWith = (
  outbox: Outbox,
  id: number | undefined,
  ...frames: Array<Protocol.DialogFrame>
) => {
  const lane = new OutboxLane(id)
  for (const frame of frames) outbox.push(lane, frame)
  return lane
}

describe("the order of writing", () => {
  it("D9 control frames go before everything that dialogs have queued", () => {
    const { outbox, take } = make()
    laneWith(outbox, 2, item(1), item(2))
    outbox.urgent(credit)
    expect(take()).toEqual([
      ["Credit", 7, 0],
      ["Item", 2, 1],
      ["Item", 2, 2]
    ])
  })

  it("D9 dialogs take turns, a frame each, and End and Exit wait for no other dialog's items", () => {
    const { outbox, take } = make()
    laneWith(outbox, 2, item(1), item(2), item(3))
    laneWith(
      outbox,
      4,
      { _tag: "End", id: 0 },
      { _tag: "Exit", id: 0, exit: "success", cancelSeen: false, hops: [], payload: bytes(9) }
    )
    expect(take()).toEqual([
      ["Item", 2, 1],
      ["End", 4, 0],
      ["Item", 2, 2],
      ["Exit", 4, 9],
      ["Item", 2, 3]
    ])
  })

  it("D9 D10 a small frame behind 100 MiB waits for one write's worth and no more", () => {
    const { outbox, take } = make()
    const large = laneWith(outbox, 2, item(100 * 1024 * 1024))
    let written = 0
    for (let round = 0; round < 20; round++) for (const [, , length] of take()) written += length
    expect(large.midway).toBe(true)
    laneWith(outbox, 4, item(5))
    outbox.urgent(credit)
    const next = take()
    expect(next[0]).toEqual(["Credit", 7, 0])
    expect(next).toContainEqual(["Item", 4, 5])
    const before = next.slice(
      0,
      next.findIndex(([, id]) => id === 4)
    )
    expect(before.reduce((sum, [, , length]) => sum + length, 0)).toBeLessThanOrEqual(
      Protocol.PartSize
    )
    for (const [, , length] of next) written += length
    while (outbox.ready) for (const [, , length] of take()) written += length
    expect(written).toBe(100 * 1024 * 1024 + 5)
  })

  it("a write is at most a part longer than its limit, whatever waits", () => {
    const { outbox } = make()
    for (let id = 2; id < 400; id += 2) laneWith(outbox, id, item(5000), item(70_000))
    for (let round = 0; round < 1000; round++) outbox.urgent(credit)
    while (outbox.ready) {
      const written = outbox.take(Codec.binary, 65_536) ?? []
      expect(written.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(
        65_536 + Protocol.PartSize + 200
      )
    }
  })

  it("a dialog's own frames keep their order, in parts or not", () => {
    const { outbox, take } = make()
    laneWith(outbox, 2, item(40_000), item(1), item(33_000))
    const frames: Array<unknown> = []
    while (outbox.ready) frames.push(...take(1))
    expect(frames).toEqual([
      ["More", 2, 32_768],
      ["Item", 2, 7232],
      ["Item", 2, 1],
      ["More", 2, 32_768],
      ["Item", 2, 232]
    ])
  })

  it("each part says how long the whole is", () => {
    const { outbox } = make()
    laneWith(outbox, 2, item(70_000))
    const deframer = new Framing.Deframer()
    const frames = outbox
      .take(Codec.binary, 100_000)!
      .flatMap((piece) => deframer.push(piece))
      .map((body) => Codec.binary.decodeFrame(body))
    expect(frames).toMatchObject([
      { _tag: "More", whole: 70_000 },
      { _tag: "More", whole: 70_000 },
      { _tag: "Item" }
    ])
  })

  it("is asked for nothing when there is nothing to write", () => {
    const { outbox, woken } = make()
    expect(outbox.ready).toBe(false)
    expect(outbox.take(Codec.binary, 100)).toBeUndefined()
    expect(woken()).toBe(0)
  })
})

describe("ids", () => {
  it("are drawn in the order in which first frames are written; a large Open lets small ones pass whole", () => {
    const { outbox, take } = make()
    const large = laneWith(outbox, undefined, opening(70_000))
    const small = laneWith(outbox, undefined, opening(1))
    const frames: Array<unknown> = []
    while (outbox.ready) frames.push(...take(1))
    expect([large.id, small.id]).toEqual([1, 2])
    expect(frames).toEqual([
      ["More", 1, 32_768],
      ["Open", 2, 1],
      ["More", 1, 32_768],
      ["Open", 1, 4464]
    ])
  })

  it("D1 an Open that is given up before it was written takes none and leaves nothing to write", () => {
    const { outbox, take } = make()
    const given = laneWith(outbox, undefined, opening(10))
    laneWith(outbox, undefined, opening(20))
    outbox.drop(given)
    expect(given.id).toBeUndefined()
    expect(take()).toEqual([["Open", 1, 20]])
    expect(outbox.ready).toBe(false)
  })
})

describe("the window for Opens", () => {
  it("holds what fits into it, and one value beyond it; then Opens wait until there is room", () => {
    const { outbox, take, woken } = make(100)
    laneWith(outbox, undefined, opening(60))
    laneWith(outbox, undefined, opening(150))
    laneWith(outbox, undefined, opening(50))
    laneWith(outbox, undefined, opening(60))
    expect(take()).toEqual([
      ["Open", 1, 60],
      ["Open", 2, 150]
    ])
    expect(outbox.ready).toBe(false)
    const before = woken()
    outbox.grantOpens(9)
    expect(outbox.ready).toBe(false)
    outbox.grantOpens(1)
    expect(woken()).toBeGreaterThan(before)
    expect(take()).toEqual([["Open", 3, 50]])
    outbox.grantOpens(150)
    expect(take()).toEqual([["Open", 4, 60]])
  })

  it("D10 small Opens pass a large one that is under way, or that waits, and keep their own order", () => {
    const { outbox, take } = make(100)
    laneWith(outbox, undefined, opening(100_000))
    laneWith(outbox, undefined, opening(100_000))
    laneWith(outbox, undefined, opening(90))
    laneWith(outbox, undefined, opening(10))
    laneWith(outbox, undefined, opening(10))
    laneWith(outbox, undefined, opening(0))
    const frames: Array<readonly [string, number, number]> = []
    while (outbox.ready) frames.push(...take(1))
    expect(frames.filter(([tag]) => tag === "Open")).toEqual([
      ["Open", 2, 90],
      ["Open", 3, 10],
      // Nothing has no weight, and passes the ten bytes that wait.
      ["Open", 4, 0],
      ["Open", 1, 1696]
    ])
    outbox.grantOpens(10)
    expect(take()).toEqual([["Open", 5, 10]])
    outbox.grantOpens(100_000)
    expect(take(1)).toEqual([["More", 6, 32_768]])
  })

  it("a value beyond it counts until everything would fit, and no longer", () => {
    const { outbox, take } = make(100)
    laneWith(outbox, undefined, opening(250))
    laneWith(outbox, undefined, opening(250))
    take()
    // The peer may owe a quarter of the window for as long as it likes.
    outbox.grantOpens(149)
    expect(outbox.ready).toBe(false)
    outbox.grantOpens(1)
    expect(take()).toEqual([["Open", 2, 250]])
  })

  it("what waits for room delays no other word", () => {
    const { outbox, take } = make(1)
    laneWith(outbox, undefined, opening(10))
    laneWith(outbox, undefined, opening(10))
    laneWith(outbox, 2, item(3))
    outbox.urgent(credit)
    expect(take()).toEqual([
      ["Credit", 7, 0],
      ["Open", 1, 10],
      ["Item", 2, 3]
    ])
  })

  it("an Open that is given up gives its room to those that wait, all of it or what was not written yet", () => {
    const { outbox, take } = make(100)
    const first = laneWith(outbox, undefined, opening(200))
    laneWith(outbox, undefined, opening(300))
    outbox.drop(first)
    expect(take()).toEqual([["Open", 1, 300]])
    outbox.grantOpens(300)

    const large = laneWith(outbox, undefined, opening(100_000))
    laneWith(outbox, undefined, opening(100_000))
    expect(take(1)).toEqual([["More", 2, 32_768]])
    outbox.drop(large)
    // The peer has 32 768 bytes of it, and has to give those back itself.
    expect(outbox.ready).toBe(false)
    outbox.grantOpens(32_768)
    expect(take(1)).toEqual([["More", 3, 32_768]])
  })

  it("an Open that is given up while it waits takes no room with it, and lets those behind it pass", () => {
    const { outbox, take } = make(10)
    laneWith(outbox, undefined, opening(50))
    laneWith(outbox, undefined, opening(8))
    const waiting = laneWith(outbox, undefined, opening(4))
    laneWith(outbox, undefined, opening(4))
    take()
    expect(outbox.ready).toBe(false)
    outbox.drop(waiting)
    expect(outbox.ready).toBe(false)
    outbox.grantOpens(2)
    expect(take()).toEqual([["Open", 3, 4]])

    // What was short and is given up keeps nobody waiting for it.
    const short = laneWith(outbox, undefined, opening(3))
    outbox.drop(short)
    outbox.grantOpens(60)
    laneWith(outbox, undefined, opening(7))
    expect(take()).toEqual([["Open", 4, 7]])
  })

  it("of any values, given back in any pieces, never holds more than itself and one, and starves none", () => {
    const window = 50
    const longest = 120
    // The peer may keep owing what is less than a quarter of the window.
    const owed = 12
    const someValues = fc.array(fc.nat(longest), { minLength: 1, maxLength: 60 })
    const somePieces = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 })
    fc.assert(
      fc.property(someValues, somePieces, (values, pieces) => {
        const { outbox, take } = make(window)
        for (const value of values) laneWith(outbox, undefined, opening(value))
        const seen: Array<number> = []
        let held = 0
        for (let round = 0; ; round++) {
          const written = take(1_000_000)
          for (const [, , length] of written) {
            seen.push(length)
            held += length
          }
          expect(held).toBeLessThanOrEqual(window + longest)
          if (seen.length === values.length) break
          expect(held).toBeGreaterThan(owed)
          const back = Math.min(held - owed, pieces[round % pieces.length]!)
          held -= back
          outbox.grantOpens(back)
        }
        expect(seen.toSorted((a, b) => a - b)).toEqual(values.toSorted((a, b) => a - b))
      })
    )
  })
})
