/**
 * What a hostile end says, as bytes: recordings of lawful traffic that were tampered with, frames that are lawful one by
 * one, sequences that are nearly lawful, and noise.
 *
 * Answers for choosing by `Dice` alone, so that a seed says the same again. What becomes of it is `Fuzzer`'s.
 */
import * as fc from "fast-check"
import { Codec } from "furrow/protocol"
import { Protocol } from "furrow/protocol"
import { dialogFrame, frame } from "../furrow/protocol/arbitraries.ts"
import type { Dice } from "./Dice.ts"
import { operations } from "./Target.ts"
import type { Recording } from "./Target.ts"

const by = { path: "hostile", incarnation: "hostile" }
const exits = [
  "success",
  "failure",
  "overloaded",
  "unimplemented",
  "deadline",
  "cancelled"
] as const

/** Where numbers break. */
const numbers = [0, 1, 2, 63, 64, 65, 32_768, 262_144, 4_194_305, 2 ** 31, 2 ** 32, 2 ** 53 - 1]

/** Speaks for one kind of end, in one codec. */
export class Hostile {
  private readonly dice: Dice
  private readonly codec: Codec.Codec
  private readonly recording: Recording
  private readonly calls: boolean
  private readonly pool: ReadonlyArray<Protocol.Frame>

  /** `recording` is what its end says lawfully; `calls` if it is the caller, which has dialled. */
  constructor(dice: Dice, codec: Codec.Codec, recording: Recording, calls: boolean) {
    this.dice = dice
    this.codec = codec
    this.recording = recording
    this.calls = calls
    this.pool = fc.sample(fc.oneof(dialogFrame(fc.nat({ max: 9 })), frame), {
      numRuns: 300,
      seed: dice.below(2 ** 31)
    })
  }

  /** What is said over one connection. */
  connection(): Uint8Array {
    const { dice } = this
    const bodies = this.tampered(this.sequence())
    const lengths = bodies.map(({ length }) => length)
    // A length that lies: the rest is read as something else.
    if (dice.once(12) && bodies.length > 0) {
      const at = dice.below(bodies.length)
      lengths[at] = dice.pick([0, lengths[at]! + 1, Math.max(0, lengths[at]! - 1), 2 ** 32 - 1])
    }
    const bytes = new Uint8Array(bodies.reduce((sum, { length }) => sum + length + 4, 0))
    const view = new DataView(bytes.buffer)
    let at = 0
    for (const [n, body] of bodies.entries()) {
      view.setUint32(at, lengths[n]!)
      bytes.set(body, at + 4)
      at += 4 + body.length
    }
    const cut = dice.once(8) ? dice.below(bytes.length + 1) : bytes.length
    return bytes.subarray(0, cut)
  }

  /** The bodies of a sequence of frames. */
  private sequence(): Array<Uint8Array> {
    const { dice } = this
    const encode = (said: Protocol.Frame) => Codec.encodeFrame(this.codec, said)
    switch (dice.below(20)) {
      case 0:
        return Array.from({ length: 1 + dice.below(4) }, () => this.noise())
      case 1:
        return Array.from({ length: 1 + dice.below(30) }, () => encode(dice.pick(this.pool)))
      case 2:
      case 3:
      case 4:
      case 5:
      case 6: {
        const length = 1 + dice.below(this.recording.length)
        const start = dice.once(8) ? dice.below(this.recording.length) : 0
        return this.recording.slice(start, start + length).map(encode)
      }
      default:
        return this.nearlyLawful().map(encode)
    }
  }

  /** Frames that follow from each other, and now and then do not. */
  private nearlyLawful(): Array<Protocol.Frame> {
    const { dice } = this
    const said: Array<Protocol.Frame> = []
    for (let n = 3 + dice.below(90); n > 0; n--) {
      if (dice.once(80)) said.push(dice.pick(this.pool))
      else if (dice.once(25)) said.push(this.aside())
      else if (this.calls) this.asCaller(said)
      else said.push(this.asCallee())
    }
    return said
  }

  /** What a caller may say: it opens, cancels, and goes on in what it has opened. */
  private asCaller(said: Array<Protocol.Frame>): void {
    const { dice } = this
    const opened = said.filter((frame) => frame._tag === "Open")
    const id = 1 + 2 * opened.length
    const { id: known, operation } = dice.once(60)
      ? { id: dice.below(12), operation: "Talk" }
      : opened.length === 0
        ? { id: 1, operation: "none" }
        : dice.pick(opened)
    switch (dice.below(opened.length === 0 ? 5 : 10)) {
      case 5:
      case 6:
        return void said.push({ _tag: "Cancel", id: known, by, hops: [] })
      case 7:
        if (operation !== "Count" && operation !== "Talk") return
        return void said.push(this.credit(known))
      case 8:
        if (operation !== "Talk") return
        return void said.push({ _tag: "Item", id: known, payload: this.payload() })
      case 9:
        if (operation !== "Talk") return
        return void said.push({ _tag: "End", id: known })
    }
    for (let parts = dice.once(3) ? dice.below(6) : 0; parts > 0; parts--) {
      said.push({ _tag: "More", id, lane: "open", ...this.whole(), payload: this.payload() })
    }
    said.push({
      _tag: "Open",
      id,
      operation: dice.once(12) ? "Nonsense" : dice.pick(operations),
      window: this.window(),
      payload: this.payload(),
      ...(dice.once(4) ? { json: true } : {}),
      ...(dice.once(6) ? { timeLeft: dice.pick([0, 0.5, 1, 60_000, 1e300]) } : {}),
      ...(dice.once(8) ? { headers: [["x", "y"] as const] } : {}),
      ...(dice.once(8) ? { travelling: { z: [[[[1]]]], "furrow/Log": { a: 1 } } } : {})
    })
  }

  /** What it says of the length of a value in parts: nothing, or whatever. */
  private whole(): { readonly whole?: number } {
    const { dice } = this
    return dice.once(2) ? {} : { whole: dice.pick([1, 7, 4096, 1e6, Number.MAX_SAFE_INTEGER]) }
  }

  /** What a callee may say to one of the first dialogs that its caller has opened. */
  private asCallee(): Protocol.Frame {
    const { dice } = this
    const id = dice.once(200) ? dice.below(40) : 1 + 2 * dice.below(7)
    const payload = this.payload()
    switch (dice.below(8)) {
      case 0:
        return {
          _tag: "More",
          id,
          lane: dice.once(10) ? "item" : "exit",
          ...this.whole(),
          payload
        }
      case 1:
        return {
          _tag: "Started",
          id: dice.once(20) ? id : dice.pick([11, 13]),
          window: this.window(),
          payload
        }
      case 2:
        return { _tag: "Item", id: dice.once(20) ? id : dice.pick([9, 9, 11, 13]), payload }
      case 3:
        return { _tag: "End", id: dice.pick([9, 11, 13]) }
      default:
        return {
          _tag: "Exit",
          id,
          exit: dice.pick(exits),
          cancelSeen: dice.once(2),
          hops: [],
          payload
        }
    }
  }

  /** What is said beside dialogs. */
  private aside(): Protocol.Frame {
    const payload = this.payload()
    return this.dice.pick<Protocol.Frame>([
      { _tag: "Ping" },
      { _tag: "Pong" },
      { _tag: "Ready" },
      { _tag: "Stop", by, hops: [], grace: 0 },
      { _tag: "StartFailed", payload },
      this.credit(0)
    ])
  }

  private payload(): Uint8Array {
    const text = this.dice.pick(["1", "-1", "null", '"x"', "[[", "{}", "9e999", ""])
    return this.dice.once(3) ? this.noise() : new TextEncoder().encode(text)
  }

  private credit(id: number): Protocol.Frame {
    const { bytes, items } = this.window()
    return { _tag: "Credit", id, items, bytes }
  }

  private window(): Protocol.Window {
    return { items: this.dice.pick(numbers), bytes: this.dice.pick(numbers) }
  }

  private noise(): Uint8Array {
    return Uint8Array.from({ length: this.dice.below(200) }, () => this.dice.below(256))
  }

  /** The same with one, two or no faults in it. */
  private tampered(bodies: Array<Uint8Array>): Array<Uint8Array> {
    const { dice } = this
    for (let faults = dice.pick([0, 0, 1, 2]); faults > 0 && bodies.length > 0; faults--) {
      const at = dice.below(bodies.length)
      const body = bodies[at]!
      const other = dice.below(bodies.length)
      switch (dice.below(8)) {
        case 0: {
          const flipped = body.slice()
          if (flipped.length > 0) flipped[dice.below(flipped.length)]! ^= 1 << dice.below(8)
          bodies[at] = flipped
          break
        }
        case 1:
          bodies[at] = body.subarray(0, dice.below(body.length + 1))
          break
        case 2:
          bodies[at] = Uint8Array.from([...body, ...this.noise()])
          break
        case 3:
          bodies.splice(at, 0, body)
          break
        case 4:
          bodies.splice(at, 1)
          break
        case 5:
          bodies[at] = bodies[other]!
          bodies[other] = body
          break
        case 6: {
          const head = body.subarray(0, dice.below(body.length + 1))
          const tail = bodies[other]!
          bodies[at] = Uint8Array.from([...head, ...tail.subarray(dice.below(tail.length + 1))])
          break
        }
        default: {
          const frame = this.decoded(body)
          if (frame !== undefined && "id" in frame) {
            bodies[at] = Codec.encodeFrame(this.codec, { ...frame, id: dice.below(40) })
          }
        }
      }
    }
    return bodies
  }

  private decoded(body: Uint8Array): Protocol.Frame | undefined {
    try {
      return this.codec.decodeFrame(body)
    } catch (thrown) {
      if (thrown instanceof Protocol.Violation) return undefined
      throw thrown
    }
  }
}
