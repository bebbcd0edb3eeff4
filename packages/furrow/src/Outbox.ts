/**
 * What one end of a connection is about to write, and in which order.
 *
 * Answers for the order: control frames overtake everything, then dialogs in turn, a frame each, so that a large value
 * of one delays the others by a part and not by its length. Leaves to its owner when to write, and to the dialogs
 * whether they may.
 */
import { OpenRoom } from "./OpenRoom.ts"
import { Apart, Batch } from "./protocol/Framing.ts"
import type { Codec } from "./protocol/Codec.ts"
import { PartSize } from "./protocol/Protocol.ts"
import type { DialogFrame, Frame, FrameOf, Lane } from "./protocol/Protocol.ts"

/** A frame that nobody else has. */
type Own<F> = F extends unknown ? { -readonly [Key in keyof F]: F[Key] } : never

/** A frame of a dialog on its way out; its payload leaves in parts if it is long. */
interface Parcel {
  readonly frame: Own<DialogFrame>
  readonly payload: Uint8Array
  readonly lane: Lane
  offset: number
  next: Parcel | undefined
}

/** The frames of one dialog that wait to be written, in order. */
export class OutboxLane {
  /** The dialog's id; for a caller's dialog it is drawn when its first frame is written. */
  id: number | undefined
  /** @internal */
  first: Parcel | undefined
  /** @internal */
  last: Parcel | undefined
  /** How many frames wait to be written. */
  parcels = 0
  /** @internal */
  queued = false
  /** How many bytes of payloads wait to be written. */
  length = 0

  constructor(id?: number) {
    this.id = id
  }

  /** @internal Is told that something of it has been written. */
  written(): void {}

  /** Whether a part of a value has been written and its end has not. */
  get midway(): boolean {
    return (this.first?.offset ?? 0) > 0
  }

  /** @internal */
  push(parcel: Parcel): void {
    if (this.last === undefined) this.first = parcel
    else this.last.next = parcel
    this.last = parcel
    this.parcels++
    this.length += parcel.payload.length
  }

  /** @internal The first has been written. */
  shift(): void {
    this.first = this.first?.next
    if (this.first === undefined) this.last = undefined
    this.parcels--
  }

  /** @internal */
  clear(): void {
    this.first = this.last = undefined
    this.parcels = 0
    this.length = 0
  }
}

const empty = new Uint8Array(0)

const laneOf = (frame: DialogFrame): Lane => {
  switch (frame._tag) {
    case "Open":
      return "open"
    case "Started":
      return "started"
    case "Exit":
      return "exit"
    default:
      return "item"
  }
}

/** See the module. */
export class Outbox {
  private readonly batch = new Batch()
  private readonly control: Array<Frame> = []
  private ring: Array<OutboxLane> = []
  /** Dialogs whose Open waits for room in the peer's window for Opens, in the order they were made. */
  private waiting: Array<OutboxLane> = []
  /** The length of the shortest of them. An Open may pass those that are longer, but none that is as short. */
  private shortest = Infinity
  private readonly room: OpenRoom
  private exits = 0
  private spent: Array<Uint8Array> = []
  private readonly drawId: (lane: OutboxLane) => number
  private readonly wake: () => void

  /**
   * @param window bytes of Open payloads that the peer takes
   * @param drawId gives a dialog its id, when its first frame is written
   * @param wake is told that there is something to write
   */
  constructor(window: number, drawId: (lane: OutboxLane) => number, wake: () => void) {
    this.room = new OpenRoom(window)
    this.drawId = drawId
    this.wake = wake
  }

  /** Something can be written now. */
  get ready(): boolean {
    return this.control.length > 0 || this.ring.length > 0
  }

  /** How many dialogs have ended here whose last word is not written yet. */
  get unwrittenExits(): number {
    return this.exits
  }

  /** How many frames wait that no window bounds: the answers to whatever the other end says. */
  get answers(): number {
    return this.control.length + this.exits
  }

  /** The dialogs of which nothing is written yet. */
  get unbegun(): ReadonlyArray<OutboxLane> {
    return [...this.ring, ...this.waiting].filter(({ id }) => id === undefined)
  }

  /** Queues a frame that overtakes all dialogs. */
  urgent(frame: Frame): void {
    this.control.push(frame)
    this.wake()
  }

  /**
   * Queues a frame of a dialog, which is the outbox's own from now on, behind those that it has already. The id in it is
   * the lane's when it is written.
   */
  push(lane: OutboxLane, frame: Own<DialogFrame>): void {
    const payload = "payload" in frame ? frame.payload : empty
    lane.push({ frame, payload, lane: laneOf(frame), offset: 0, next: undefined })
    if (frame._tag === "Exit") this.exits++
    if (!lane.queued) this.enqueue(lane)
    this.wake()
  }

  /** Forgets what a dialog had still to write. */
  drop(lane: OutboxLane): void {
    if (!lane.queued) return
    const { first } = lane
    if (lane.last?.frame._tag === "Exit") this.exits--
    lane.clear()
    lane.queued = false
    const inRing = this.ring.indexOf(lane)
    if (inRing >= 0) this.ring.splice(inRing, 1)
    const inWaiting = this.waiting.indexOf(lane)
    if (inWaiting >= 0) this.waiting.splice(inWaiting, 1)
    // What the peer never gets, it never gives back.
    else if (first?.lane === "open") this.grantOpens(first.payload.length - first.offset)
  }

  /** There is room for this many more bytes of Open payloads: the peer has said so, or they were given up. */
  grantOpens(bytes: number): void {
    this.room.giveBack(bytes)
    const waiting = this.waiting
    this.waiting = []
    this.shortest = Infinity
    for (const lane of waiting) this.begin(lane)
    if (this.waiting.length < waiting.length) this.wake()
  }

  /** The next bytes to write, at most about `limit`, in pieces; or nothing. */
  take(codec: Codec, limit: number): ReadonlyArray<Uint8Array> | undefined {
    const { batch } = this
    const add = (frame: Frame) => {
      batch.begin()
      codec.writeFrame(frame, batch)
      batch.end()
    }
    let controls = 0
    while (controls < this.control.length && batch.length < limit) add(this.control[controls++]!)
    if (controls > 0) this.control.splice(0, controls)
    const { ring } = this
    let turn = 0
    while (turn < ring.length && batch.length < limit) {
      const lane = ring[turn++]!
      add(this.nextFrame(lane))
      if (lane.parcels > 0) ring.push(lane)
      else lane.queued = false
    }
    this.ring = turn === ring.length ? [] : ring.slice(turn)
    // Whoever is told may have more to say: that is for the next time.
    for (let told = 0; told < turn; told++) ring[told]!.written()
    return batch.length === 0 ? undefined : batch.takePieces()
  }

  /** The payloads of many bytes whose last were taken since the last time: nobody here needs them any more. */
  takeSpent(): ReadonlyArray<Uint8Array> {
    const { spent } = this
    if (spent.length > 0) this.spent = []
    return spent
  }

  private enqueue(lane: OutboxLane): void {
    lane.queued = true
    if (lane.id === undefined) this.begin(lane)
    else this.ring.push(lane)
  }

  /** Begins an Open, if there is room for it now. */
  private begin(lane: OutboxLane): void {
    const { length } = lane.first!.payload
    if (length < this.shortest && this.room.takes(length)) {
      this.room.begin(length)
      this.ring.push(lane)
    } else {
      this.shortest = Math.min(this.shortest, length)
      this.waiting.push(lane)
    }
  }

  private nextFrame(lane: OutboxLane): Frame {
    const id = (lane.id ??= this.drawId(lane))
    const parcel = lane.first!
    const left = parcel.payload.length - parcel.offset
    if (left > PartSize) {
      const part = parcel.payload.subarray(parcel.offset, parcel.offset + PartSize)
      parcel.offset += PartSize
      lane.length -= PartSize
      const whole = parcel.payload.length
      return {
        _tag: "More",
        id,
        lane: parcel.lane,
        whole,
        payload: part
      } satisfies FrameOf<"More">
    }
    lane.shift()
    lane.length -= left
    if (parcel.payload.length >= Apart) this.spent.push(parcel.payload)
    const { frame, offset } = parcel
    if (frame._tag === "Exit") this.exits--
    frame.id = id
    if ("payload" in frame && offset > 0) frame.payload = parcel.payload.subarray(offset)
    return frame
  }
}
