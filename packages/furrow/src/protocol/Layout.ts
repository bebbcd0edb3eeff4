/**
 * The bytes of the frames that every call, stream and dialog is made of, in the binary codec: written and read by hand.
 *
 * Answers for those frames in their common shape, and for refusing bytes that are none of them. A frame with anything
 * rare in it (a trace, headers, hops) has no layout here and is left to its schema, as all other frames are; the first
 * byte tells. A schema's codec takes ten times as long for a frame of a few numbers.
 *
 * A body is a kind, then numbers (seven bits a byte, lowest first, the high bit set on all but the last) in the order
 * that `write` has them; in `Open`, flags, the time left if one says so (float64, big-endian), and the length and the
 * UTF-8 of the operation's name. What follows is the payload.
 */
import type { Batch } from "./Framing.ts"
import { Exit, Lane } from "./Protocol.ts"
import type { Frame, FrameOf } from "./Protocol.ts"

/** The first byte of a body that its schema has written. */
export const Elsewhere = 0

const Kind = { Open: 1, Started: 2, Item: 3, More: 4, End: 5, Credit: 6, Exit: 7 } as const

/** Lanes and exits are numbers here: their places in the schemas. */
const lanes: ReadonlyArray<Lane> = Lane.literals
const exits: ReadonlyArray<FrameOf<"Exit">["exit"]> = Exit.fields.exit.literals

/** Flags of an Open. */
const InJson = 1
const HasTimeLeft = 2

/** Added to the number of an exit. */
const CancelSeen = 8

const utf8 = new TextEncoder()
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Names of operations are few, and come again with every call. */
const names = new Map<string, Uint8Array>()
const NamesKept = 1024

const nameOf = (operation: string): Uint8Array => {
  let bytes = names.get(operation)
  if (bytes === undefined) {
    bytes = utf8.encode(operation)
    if (names.size < NamesKept) names.set(operation, bytes)
  }
  return bytes
}

/** What a schema says of ids, windows and credit. */
const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/** Writes a frame; `false`, and nothing is written, if it has no layout, or is no frame: its schema has the word then. */
export const write = (frame: Frame, out: Batch): boolean => {
  switch (frame._tag) {
    case "Open": {
      const { headers, id, json, operation, payload, timeLeft, trace, travelling, window } = frame
      const isRare = headers !== undefined || trace !== undefined || travelling !== undefined
      if (isRare || !isCount(id) || !isCount(window.items) || !isCount(window.bytes)) return false
      if (json === false || (timeLeft !== undefined && !(timeLeft >= 0 && timeLeft < Infinity)))
        return false
      const name = nameOf(operation)
      out.byte(Kind.Open)
      out.count(id)
      out.count(window.items)
      out.count(window.bytes)
      out.byte((json === true ? InJson : 0) + (timeLeft === undefined ? 0 : HasTimeLeft))
      if (timeLeft !== undefined) out.float(timeLeft)
      out.count(name.length)
      out.bytes(name)
      out.bytes(payload)
      return true
    }
    case "Started": {
      const { id, payload, window } = frame
      if (!isCount(id) || !isCount(window.items) || !isCount(window.bytes)) return false
      out.byte(Kind.Started)
      out.count(id)
      out.count(window.items)
      out.count(window.bytes)
      out.bytes(payload)
      return true
    }
    case "Item":
    case "End": {
      if (!isCount(frame.id)) return false
      out.byte(Kind[frame._tag])
      out.count(frame.id)
      if (frame._tag === "Item") out.bytes(frame.payload)
      return true
    }
    case "More": {
      const lane = lanes.indexOf(frame.lane)
      if (!isCount(frame.id) || lane < 0) return false
      const { whole } = frame
      if (whole !== undefined && (whole === 0 || !isCount(whole))) return false
      out.byte(Kind.More)
      out.count(frame.id)
      out.byte(lane)
      // None in parts is of no bytes: 0 is unsaid.
      out.count(whole ?? 0)
      out.bytes(frame.payload)
      return true
    }
    case "Credit": {
      const { bytes, id, items } = frame
      if (!isCount(id) || !isCount(items) || !isCount(bytes)) return false
      out.byte(Kind.Credit)
      out.count(id)
      out.count(items)
      out.count(bytes)
      return true
    }
    case "Exit": {
      const { cancelSeen, exit, hops, id, payload } = frame
      const number = exits.indexOf(exit)
      if (hops.length > 0 || !isCount(id) || number < 0) return false
      out.byte(Kind.Exit)
      out.count(id)
      out.byte(cancelSeen ? number + CancelSeen : number)
      out.bytes(payload)
      return true
    }
    default:
      return false
  }
}

/** Where the next byte of the body that is being read stands; one is read at a time. */
let at = 0

const byte = (body: Uint8Array): number => {
  const value = body[at++]
  if (value === undefined) throw new Error("it ends in the middle")
  return value
}

const count = (body: Uint8Array): number => {
  let value = 0
  for (let factor = 1; ; factor *= 128) {
    const next = byte(body)
    value += (next & 127) * factor
    if (next < 128) break
    if (factor > Number.MAX_SAFE_INTEGER) throw new Error("a number has no end")
  }
  if (value > Number.MAX_SAFE_INTEGER) throw new Error("a number is too large")
  return value
}

const nothingMore = (body: Uint8Array): void => {
  if (at < body.length) throw new Error("it goes on after its end")
}

/** The frame in a body that {@link write} has written. Throws for one that is none. */
export const read = (body: Uint8Array): Frame => {
  at = 1
  switch (body[0]) {
    case Kind.Open: {
      const id = count(body)
      const window = { items: count(body), bytes: count(body) }
      const flags = byte(body)
      if (flags > InJson + HasTimeLeft) throw new Error(`it has flags ${flags}`)
      let timeLeft: number | undefined
      if ((flags & HasTimeLeft) !== 0) {
        if (at + 8 > body.length) throw new Error("it ends in the middle")
        timeLeft = new DataView(body.buffer, body.byteOffset + at).getFloat64(0)
        if (!(timeLeft >= 0 && timeLeft < Infinity)) throw new Error("the time left is none")
        at += 8
      }
      const end = count(body) + at
      if (end > body.length) throw new Error("it ends in the middle")
      const operation = readName(body, at, end)
      return {
        _tag: "Open",
        id,
        operation,
        window,
        ...(timeLeft === undefined ? {} : { timeLeft }),
        ...((flags & InJson) === 0 ? {} : { json: true }),
        payload: body.subarray(end)
      }
    }
    case Kind.Started: {
      const id = count(body)
      const window = { items: count(body), bytes: count(body) }
      return { _tag: "Started", id, window, payload: body.subarray(at) }
    }
    case Kind.Item: {
      const id = count(body)
      return { _tag: "Item", id, payload: body.subarray(at) }
    }
    case Kind.More: {
      const id = count(body)
      const lane = lanes[byte(body)]
      if (lane === undefined) throw new Error("it is part of no lane")
      const whole = count(body)
      return {
        _tag: "More",
        id,
        lane,
        ...(whole === 0 ? {} : { whole }),
        payload: body.subarray(at)
      }
    }
    case Kind.End: {
      const id = count(body)
      nothingMore(body)
      return { _tag: "End", id }
    }
    case Kind.Credit: {
      const id = count(body)
      const items = count(body)
      const bytes = count(body)
      nothingMore(body)
      return { _tag: "Credit", id, items, bytes }
    }
    case Kind.Exit: {
      const id = count(body)
      const number = byte(body)
      const exit = exits[number & ~CancelSeen]
      if (exit === undefined || number > 2 * CancelSeen) throw new Error(`it is exit ${number}`)
      const cancelSeen = (number & CancelSeen) !== 0
      return { _tag: "Exit", id, exit, cancelSeen, hops: [], payload: body.subarray(at) }
    }
    default:
      throw new Error(`it is of kind ${body[0]}`)
  }
}

/** Names that were read, by their bytes: made anew for each call, one would cost more than all the rest of the frame. */
const known = new Map<number, { readonly bytes: Uint8Array; readonly name: string }>()

const readName = (body: Uint8Array, from: number, to: number): string => {
  let hash = to - from
  for (let place = from; place < to; place++) hash = (hash * 31 + body[place]!) | 0
  const before = known.get(hash)
  if (before !== undefined && before.bytes.length === to - from) {
    let place = from
    while (place < to && body[place] === before.bytes[place - from]) place++
    if (place === to) return before.name
  }
  const bytes = body.slice(from, to)
  const name = text.decode(bytes)
  if (known.size < NamesKept && bytes.length <= 256) known.set(hash, { bytes, name })
  return name
}
