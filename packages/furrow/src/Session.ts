/**
 * One connection's table of dialogs: the only reader and the only writer of its socket.
 *
 * Answers for the handshake, the order of writing, the laws (by `DialogState`), and for telling everybody who waits
 * when the connection is over. It moves bytes and frames; what a payload means, and who answers an Open, is the
 * router's; who it is that is at the other end, `launch`'s and `ActorProgram`'s.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { ById } from "./ById.ts"
import { DialogEnd } from "./DialogEnd.ts"
import type { CallerEnd, CancelWord, Carrier } from "./DialogEnd.ts"
import { Outbox, OutboxLane } from "./Outbox.ts"
import type { ProcessExit } from "./ProcessExit.ts"
import * as Codec from "./protocol/Codec.ts"
import * as DialogState from "./protocol/DialogState.ts"
import { Deframer, freeCopy, Parts } from "./protocol/Framing.ts"
import { negotiate } from "./protocol/Handshake.ts"
import type { Agreement } from "./protocol/Handshake.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import type {
  DialogFrame,
  Frame,
  FrameOf,
  OperationInfo,
  Settings,
  Window
} from "./protocol/Protocol.ts"
import { Violation } from "./protocol/Protocol.ts"
import { inTime } from "./Spawner.ts"
import * as SessionLimits from "./SessionLimits.ts"
import * as Wire from "./Wire.ts"

/** The most that is handed to the socket at once, in bytes: a small frame waits for no more than this. */
const WriteSize = 98_304

/**
 * How many frames are taken in before what was said because of them is written: the other end, on another core, is busy
 * with it while the rest is taken in. Half of the items of a window, so that a stream goes on in the same way.
 */
const SliceSize = 32

/**
 * How many answers may wait for an end that speaks and does not read, beyond those of its dialogs. One that reads while
 * it writes is never near it: what is on the way between two ends is a few thousand frames at most.
 */
const UnreadLimit = 65_536

/** What `Start`, `StartFailed` and `Bye` leave to what stands beside their payload, in bytes. */
const FrameOverhead = 65_536

/** How many frames that belong to no dialog are kept until somebody listens; an end has that many to say at most. */
const EarlyLimit = 8

/** How a session ended: the other end said so, it broke the protocol, the connection was lost, or this end closed it. */
export type SessionEnd =
  | { readonly _tag: "Bye"; readonly frame: FrameOf<"Bye"> }
  | { readonly _tag: "Violation"; readonly violation: Violation }
  | { readonly _tag: "Lost"; readonly detail: string }
  | { readonly _tag: "Closed" }

/** A dialog of which this end is the caller. */
export interface Outgoing {
  readonly end: DialogEnd
  /** Cancels it, once; it still ends with the callee's last word. A dialog not yet written just ends. */
  readonly cancel: (word: CancelWord) => void
  /** Says once more that it is cancelled, with less time left. */
  readonly hurry: (word: CancelWord) => void
}

/** Whoever opened a dialog is told here, outside of any fiber; each is called at most once. */
export interface CallerListener {
  readonly onStarted: (payload: Uint8Array) => void
  readonly onEnd: (end: CallerEnd) => void
}

/** A dialog of which this end is the callee. */
export interface Incoming {
  readonly id: number
  readonly end: DialogEnd
  /** Says the last word, by a frame that is nobody else's from then on. */
  readonly exit: (frame: FrameOf<"Exit">) => void
  /** Gives back the room that the payload took in the window for Opens: a handler has it now. */
  readonly taken: () => void
}

/** What few Opens say. */
export type Rare = Pick<FrameOf<"Open">, "json" | "headers" | "trace" | "timeLeft" | "travelling">

/** Why an Open never became a dialog. */
export type Refused = "overloaded" | "unimplemented" | "cancelled"

/** Whoever answers one dialog. Called outside of any fiber. */
export interface Answerer {
  /** Its caller has cancelled it, or is lost. */
  readonly onLeft: (why: FrameOf<"Cancel"> | "lost") => void
}

/** Whoever answers Opens. Called outside of any fiber. */
export interface CalleeListener {
  /**
   * A dialog was opened, by a frame that has all of the payload, and is not to be kept: it lasts longer than it is needed,
   * and keeps the chunk that it came in. Gives who answers it.
   */
  readonly onOpen: (incoming: Incoming, open: FrameOf<"Open">) => Answerer
  /** An Open is refused, or was cancelled before it was complete: the frame of its Exit. */
  readonly refuse: (operation: string, why: Refused, cancel?: FrameOf<"Cancel">) => FrameOf<"Exit">
  /** What kind of operation this is; `undefined` if it is not served. */
  readonly kindOf: (operation: string) => DialogState.Kind | undefined
}

/** What a session is made of. */
export interface SessionOptions {
  readonly socket: Socket.Socket
  readonly role: DialogState.Ids["role"]
  /** What this end says of itself. */
  readonly hello: FrameOf<"Hello">
  /** The name that the actor at the other end must have. */
  readonly expected?: string | undefined
  /** The operations this end means to call; differences are in the session's agreement. Defaults to none. */
  readonly calls?: ReadonlyArray<OperationInfo> | undefined
  /** Waits for the exit of the process at the other end, if it is ours; callers are told of it, late by `ExitPatience` at most. */
  readonly processExit?: Effect.Effect<ProcessExit> | undefined
}

/** The handshake failed: refused by this end, by the other, or never finished. */
export class HandshakeFailed {
  readonly _tag = "HandshakeFailed"
  readonly detail: string
  readonly lost: boolean
  constructor(detail: string, lost: boolean) {
    this.detail = detail
    this.lost = lost
  }
}

/** A caller's end, and how its session finds it. */
class LiveOutgoing extends DialogEnd implements Outgoing {
  readonly listener: CallerListener
  /** @internal */
  after: LiveOutgoing | undefined = undefined
  private readonly session: Session

  constructor(
    session: Session,
    carrier: Carrier,
    operation: string,
    state: DialogState.DialogState,
    window: Window,
    listener: CallerListener
  ) {
    super(operation, state, window, carrier)
    this.session = session
    this.listener = listener
  }

  get end(): DialogEnd {
    return this
  }

  cancel(word: CancelWord): void {
    this.session.cancel(this, word)
  }

  hurry(word: CancelWord): void {
    this.session.hurry(this, word)
  }
}

/** A callee's end, and how its session finds it. */
class LiveIncoming extends DialogEnd implements Incoming {
  declare readonly id: number
  answerer: Answerer | undefined = undefined
  /** @internal */
  after: LiveIncoming | undefined = undefined
  private readonly session: Session
  private owed: number

  constructor(
    session: Session,
    carrier: Carrier,
    { id, operation, payload }: FrameOf<"Open">,
    state: DialogState.DialogState,
    window: Window
  ) {
    super(operation, state, window, carrier, id)
    this.session = session
    this.owed = payload.length
  }

  get end(): DialogEnd {
    return this
  }

  exit(frame: FrameOf<"Exit">): void {
    this.session.exit(this, frame)
  }

  taken(): void {
    const { owed } = this
    this.owed = 0
    if (owed > 0) this.session.giveOpenRoom(owed)
  }
}

/** A frame whose payload is its own. */
const owned = (frame: Frame): Frame =>
  "payload" in frame ? { ...frame, payload: frame.payload.slice() } : frame

const none = { items: 0, bytes: 0 }

/** See the module. Made with {@link make}. */
export class Session {
  readonly agreement: Agreement
  readonly peer: FrameOf<"Hello">
  readonly codec: Codec.Codec
  /** JSON, for what is written in it whatever the codec. */
  readonly json: Codec.Codec
  /** How the process at the other end ended, once that is known. */
  crash: ProcessExit | undefined
  /** Who told the actor at the other end to stop, if this end knows. */
  stoppedBy: ActorRef | undefined
  /** Answers the other end's Opens; without one, none is implemented. */
  callee: CalleeListener | undefined

  private readonly own: Settings
  private readonly window: Window
  private readonly ended = Deferred.makeUnsafe<SessionEnd>()
  private readonly told = Deferred.makeUnsafe<void>()
  private readonly outgoing = new ById<LiveOutgoing>()
  /** How many have no id yet: nothing of them is written. */
  private unwritten = 0
  private readonly incoming = new ById<LiveIncoming>()
  private readonly arriving = new Map<number, Parts>()
  /** Dialogs with items that somebody waits for, while a chunk is taken in. */
  private readonly arrivals: Array<DialogEnd> = []
  private readonly outbox: Outbox
  private readonly carrier: Carrier
  private ids: DialogState.Ids
  private lastWord: FrameOf<"Bye"> | undefined
  /** What the window for Open payloads has left; below zero is what is beyond it, at most one value. */
  private openRoom: number
  private openRoomOwed = 0
  private endedWith: SessionEnd | undefined
  private readonly wire: Wire.Wire
  private readonly dispatcher: Scheduler.SchedulerDispatcher
  /** How often the wire has taken what it was given. */
  private writes = 0
  /** What waits to be written will be, in this turn of the scheduler or with what is being taken in. */
  private isDue = false
  private isTakingIn = false
  /** The wire has bytes that it has not taken. */
  private isWriting = false
  /** The last word is written, or nothing can be any more. */
  private readonly silent = Deferred.makeUnsafe<void>()
  private listener: ((frame: Frame) => void) | undefined
  private readonly early: Array<Frame> = []

  /** @internal */
  constructor(
    options: SessionOptions,
    agreement: Agreement,
    peer: FrameOf<"Hello">,
    codec: Codec.Codec,
    limits: SessionLimits.SessionLimits,
    wire: Wire.Wire,
    dispatcher: Scheduler.SchedulerDispatcher
  ) {
    this.agreement = agreement
    this.peer = peer
    this.codec = Codec.bounded(codec, limits.depth)
    this.json = Codec.bounded(Codec.json, limits.depth)
    this.own = options.hello.settings
    this.window = limits.window
    this.ids = DialogState.ids(options.role)
    this.openRoom = this.own.window
    this.wire = wire
    this.dispatcher = dispatcher
    this.outbox = new Outbox(
      peer.settings.window,
      (lane) => this.drawId(lane),
      () => this.writeSoon()
    )
    this.carrier = {
      push: (end, frame) => this.outbox.push(end.lane, frame),
      urgent: (frame) => this.outbox.urgent(frame),
      arrived: (end) => {
        if (this.arrivals.at(-1) !== end) this.arrivals.push(end)
      }
    }
  }

  /**
   * Is told of frames that belong to no dialog: `Start`, `Ready`, `StartFailed`, `Stop`, `Stopping`. The first of them may arrive
   * in one piece with the Hello; what came before there was somebody to tell is told now.
   */
  set onFrame(listener: (frame: Frame) => void) {
    this.listener = listener
    for (const frame of this.early.splice(0)) listener(frame)
  }

  /** Whether the connection is over, or about to be. */
  get isOver(): boolean {
    return this.lastWord !== undefined || Deferred.isDoneUnsafe(this.ended)
  }

  /** Waits for the end of the connection. */
  get end(): Effect.Effect<SessionEnd> {
    return Deferred.await(this.ended)
  }

  /** What is known of the loss of the connection, in words. */
  get lostDetail(): string | undefined {
    const end = this.endedWith
    if (end === undefined) return undefined
    switch (end._tag) {
      case "Lost":
        return end.detail
      case "Violation":
        return end.violation.message
      case "Bye":
        return end.frame.detail === "" ? undefined : end.frame.detail
      case "Closed":
        return undefined
    }
  }

  /** Waits until everybody who waited for the other end has been told of the end of the connection. */
  get settled(): Effect.Effect<void> {
    return Deferred.await(this.told)
  }

  /** Waits, if the connection was lost a moment ago, until it is known why: callers are told then. */
  get explained(): Effect.Effect<void> {
    return Deferred.isDoneUnsafe(this.ended) ? this.settled : Effect.void
  }

  /** The process at the other end is known to be gone: whatever the socket says, so is the connection. */
  lose(detail: string): void {
    this.finish({ _tag: "Lost", detail })
  }

  /** How many dialogs are open, in both directions. */
  get dialogs(): number {
    return this.outgoing.size + this.unwritten + this.incoming.size + this.arriving.size
  }

  /** How many bytes the payload of a frame that belongs to no dialog may have. */
  get frameRoom(): number {
    return this.peer.settings.frame - FrameOverhead
  }

  /** The longest value that the other end takes, in bytes. */
  get valueLimit(): number {
    return this.peer.settings.value
  }

  /** Sends a frame that belongs to no dialog. */
  send(frame: Frame): void {
    if (!this.isOver) this.outbox.urgent(frame)
  }

  /** Writes everything that waits, then `Bye`, and ends the connection. Waits for none of it. */
  close(why: FrameOf<"Bye">["why"], detail = "", payload: Uint8Array = new Uint8Array(0)): void {
    if (this.lastWord !== undefined) return
    this.lastWord = { _tag: "Bye", why, detail, payload }
    this.writeSoon()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The caller's side
  // -------------------------------------------------------------------------------------------------------------------

  /**
   * Opens a dialog; `undefined` if the connection is over. The listener hears of its end exactly once. `rare`: what most
   * Opens do not say.
   */
  open(
    kind: DialogState.Kind,
    { operation, payload }: Pick<FrameOf<"Open">, "operation" | "payload">,
    listener: CallerListener,
    rare?: Rare
  ): Outgoing | undefined {
    if (this.isOver) return undefined
    const window = kind === "call" ? none : this.window
    const state = DialogState.caller(kind, window)
    const live = new LiveOutgoing(this, this.carrier, operation, state, window, listener)
    this.unwritten++
    live.say(
      rare === undefined
        ? { _tag: "Open", id: 0, operation, window, payload }
        : { _tag: "Open", id: 0, operation, window, payload, ...rare }
    )
    return live
  }

  /** A dialog's first frame is about to be written: it is known by its id from now on. */
  private drawId(lane: OutboxLane): number {
    const [id, ids] = DialogState.takeOwn(this.ids)
    this.ids = ids
    lane.id = id
    // One that was lost is nobody's any more.
    if (lane instanceof LiveOutgoing && !lane.state.exited) {
      this.unwritten--
      this.outgoing.add(lane)
    }
    return id
  }

  /** @internal */
  hurry({ id, state }: LiveOutgoing, word: CancelWord): void {
    if (state.exited || !state.cancelled || id === undefined) return
    this.outbox.urgent({ ...word, _tag: "Cancel", id })
  }

  /** @internal */
  cancel(live: LiveOutgoing, word: CancelWord): void {
    if (live.state.exited || live.state.cancelled) return
    if (live.id === undefined) {
      this.unwritten--
      this.outbox.drop(live)
      live.over()
      live.listener.onEnd({ _tag: "Unwritten" })
      return
    }
    if (live.midway) this.outbox.drop(live)
    live.cancelled()
    this.outbox.urgent({ ...word, _tag: "Cancel", id: live.id })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What arrives
  // -------------------------------------------------------------------------------------------------------------------

  /** Takes in one frame. Never waits; throws the rule that it breaks. */
  private dispatch(frame: Frame): void {
    switch (frame._tag) {
      case "Hello":
        throw new Violation({ rule: "UnexpectedFrame", detail: "a second Hello" })
      case "Bye":
        this.finish({ _tag: "Bye", frame })
        // The other end reads on until this one has closed, so that nothing takes back what it had said.
        return this.close("ended")
      case "Ping":
        return this.outbox.urgent({ _tag: "Pong" })
      case "Start":
      case "Ready":
      case "StartFailed":
      case "Stop":
      case "Stopping":
      case "Pong":
        if (this.listener !== undefined) return this.listener(frame)
        if (this.early.push(frame) <= EarlyLimit) return
        throw new Violation({
          rule: "UnexpectedFrame",
          detail: `${frame._tag}, and ${EarlyLimit} frames before it, before anybody listens`
        })
      default:
        return this.dispatchDialog(frame)
    }
  }

  private dispatchDialog(frame: DialogFrame): void {
    const { id } = frame
    const mine = this.outgoing.get(id)
    const theirs = mine === undefined ? this.incoming.get(id) : undefined
    const arriving = this.arriving.size === 0 ? undefined : this.arriving.get(id)
    const place = DialogState.classify(this.ids, frame, (mine ?? theirs ?? arriving) !== undefined)
    if (place instanceof Violation) throw place
    if (id === 0 && frame._tag === "Credit") return this.outbox.grantOpens(frame.bytes)
    if (frame._tag === "Open" || (frame._tag === "More" && frame.lane === "open")) {
      this.openRoom -= frame.payload.length
      if (this.openRoom < -this.own.value) {
        throw new Violation({
          rule: "OpenWithoutRoom",
          detail: `payloads of Opens beyond the window of ${this.own.window} bytes and one value`
        })
      }
      if (place._tag === "Late") this.giveOpenRoom(frame.payload.length)
    }
    if (place._tag === "Late") return
    if (mine !== undefined) return this.toCaller(mine, frame)
    if (theirs !== undefined) return this.toCallee(theirs, frame)
    if (place._tag === "Open") this.ids = DialogState.opened(this.ids, id)
    return this.toOpening(id, frame, arriving)
  }

  /** Whether the payload of a frame is copied to its value's place as it is taken in. */
  private isPart(frame: Frame): boolean {
    if (frame._tag === "More") return true
    if (!("id" in frame)) return false
    const live = this.outgoing.get(frame.id) ?? this.incoming.get(frame.id)
    return live === undefined ? this.arriving.has(frame.id) : live.end.isLastPart(frame)
  }

  private toCaller(live: LiveOutgoing, frame: DialogFrame): void {
    const { listener } = live
    const value = live.receive(frame, this.own.value)
    if (value instanceof Violation) throw value
    if (frame._tag === "Started" && value !== undefined) listener.onStarted(value)
    if (frame._tag === "Exit" && value !== undefined) {
      this.outgoing.delete(frame.id)
      this.outbox.drop(live)
      live.over()
      // A dialog that failed has nothing more to say; what was not read yet is not read.
      if (frame.exit !== "success") live.discard()
      listener.onEnd({ _tag: "Exit", frame, payload: value })
    }
  }

  private toCallee(live: LiveIncoming, frame: DialogFrame): void {
    const value = live.receive(frame, this.own.value)
    if (value instanceof Violation) throw value
    if (frame._tag === "Cancel") {
      // The interruption first: a handler that waits here would end of itself, and not because of its caller.
      live.answerer?.onLeft(frame)
      live.release()
    }
  }

  /** A frame of a dialog whose Open is not complete, or is complete with it. */
  private toOpening(id: number, frame: DialogFrame, before: Parts | undefined): void {
    switch (frame._tag) {
      case "More": {
        if (before === undefined && this.isFull) {
          this.giveOpenRoom(frame.payload.length)
          return this.refuse(id, "", "overloaded")
        }
        if (frame.lane !== "open") break
        if (frame.payload.length === 0) {
          throw new Violation({ rule: "UnexpectedFrame", detail: "a part without bytes" })
        }
        const arriving = before ?? new Parts()
        arriving.push(frame.payload, frame.whole)
        if (arriving.length > this.own.value) {
          throw new Violation({
            rule: "ValueTooLong",
            detail: `the payload of an Open of more than ${this.own.value} bytes`
          })
        }
        this.arriving.set(id, arriving)
        return
      }
      case "Cancel": {
        this.arriving.delete(id)
        this.giveOpenRoom(before?.length ?? 0)
        return this.refuse(id, "", "cancelled", frame)
      }
      case "Credit":
        return
      case "Open": {
        if (before !== undefined) {
          this.arriving.delete(id)
          return this.opened({ ...frame, payload: before.join(frame.payload) })
        }
        if (!this.isFull) return this.opened(frame)
        this.giveOpenRoom(frame.payload.length)
        return this.refuse(id, frame.operation, "overloaded")
      }
    }
    throw new Violation({
      rule: "UnexpectedFrame",
      detail: `${frame._tag} between the parts of an Open`
    })
  }

  private opened(open: FrameOf<"Open">): void {
    const kind = this.callee?.kindOf(open.operation)
    if (this.callee === undefined || kind === undefined) {
      this.giveOpenRoom(open.payload.length)
      return this.refuse(open.id, open.operation, "unimplemented")
    }
    const state = DialogState.callee(kind, open.window)
    const live = new LiveIncoming(this, this.carrier, open, state, this.window)
    this.incoming.add(live)
    live.answerer = this.callee.onOpen(live, open)
  }

  /** @internal */
  exit(live: LiveIncoming, frame: FrameOf<"Exit">): void {
    if (live.state.exited) return
    live.say(frame)
    this.incoming.delete(live.id)
    live.over()
  }

  private get isFull(): boolean {
    // A dialog is over for its caller when its last word has been written.
    const { unwrittenExits } = this.outbox
    return this.incoming.size + this.arriving.size + unwrittenExits >= this.own.dialogs
  }

  /**
   * Gives back room for Opens, a quarter of the window at a time: the sender waits only when all of it is taken, and
   * then more than a quarter is still to come back.
   *
   * @internal
   */
  giveOpenRoom(bytes: number): void {
    this.openRoomOwed += bytes
    if (this.openRoomOwed * 4 < this.own.window || this.isOver) return
    this.outbox.urgent({ _tag: "Credit", id: 0, items: 0, bytes: this.openRoomOwed })
    this.openRoom += this.openRoomOwed
    this.openRoomOwed = 0
  }

  /** Answers an Open that never becomes a dialog here. */
  private refuse(id: number, operation: string, why: Refused, cancel?: FrameOf<"Cancel">): void {
    const exit = this.callee?.refuse(operation, why, cancel) ?? {
      _tag: "Exit",
      id,
      exit: "unimplemented",
      cancelSeen: cancel !== undefined,
      hops: [],
      payload: new Uint8Array(0)
    }
    this.outbox.push(new OutboxLane(id), exit)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The end
  // -------------------------------------------------------------------------------------------------------------------

  private finish(end: SessionEnd): void {
    this.endedWith ??= end
    Deferred.doneUnsafe(this.ended, Exit.succeed(end))
  }

  /** Whoever answers a caller at the other end is told that it is gone. */
  private loseCallees(): void {
    const lost = this.incoming.clear()
    this.arriving.clear()
    for (const live of lost) {
      // First the interruption, so that nobody takes the end of the connection for the end of a stream.
      live.answerer?.onLeft("lost")
      live.over()
      live.discard()
    }
  }

  /** Whoever waits for an answer of the other end is told that there will be none. */
  private loseCallers(): void {
    const unwritten = this.outbox.unbegun.filter((lane) => lane instanceof LiveOutgoing)
    const lost = [...this.outgoing.clear(), ...unwritten]
    this.unwritten = 0
    for (const live of lost) {
      live.over()
      live.discard()
      live.listener.onEnd({ _tag: "Lost" })
    }
    Deferred.doneUnsafe(this.told, Exit.void)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The wire
  // -------------------------------------------------------------------------------------------------------------------

  /** Takes in frames that came in one piece, and writes what is said because of them. Never waits, and never throws. */
  private takeIn(bodies: ReadonlyArray<Uint8Array>, deframer: Deframer): void {
    this.isTakingIn = true
    try {
      for (let from = 0; from < bodies.length; from += SliceSize) {
        this.takeInSlice(bodies, from, Math.min(from + SliceSize, bodies.length))
        if (this.isDue) this.write()
      }
      // What was said before it counts.
      if (deframer.broken !== undefined) throw deframer.broken
    } catch (thrown) {
      if (thrown instanceof Violation) {
        this.close("violation", thrown.message)
        this.finish({ _tag: "Violation", violation: thrown })
      } else {
        this.close("violation", "the connection's reader failed")
        this.lose(`the reader failed: ${String(thrown)}`)
      }
    }
    this.isTakingIn = false
    if (this.isDue) this.write()
  }

  private takeInSlice(bodies: ReadonlyArray<Uint8Array>, from: number, to: number): void {
    try {
      for (let index = from; index < to; index++) {
        if (Deferred.isDoneUnsafe(this.ended)) return
        const body = bodies[index]!
        const frame = this.codec.decodeFrame(body)
        this.dispatch(Deframer.isLent(body) && !this.isPart(frame) ? owned(frame) : frame)
      }
    } finally {
      // Whoever waits gets all that has come at once, and not one at a time.
      if (this.arrivals.length > 0) for (const end of this.arrivals.splice(0)) end.wakeTakers()
    }
    if (this.outbox.answers <= this.own.dialogs + UnreadLimit) return
    throw new Violation({
      rule: "NotReading",
      detail: `it speaks and does not read: ${this.outbox.answers} answers wait for it`
    })
  }

  /** What waits is written in this turn of the scheduler, with all that is said until then. */
  private writeSoon(): void {
    if (this.isDue || this.isWriting) return
    this.isDue = true
    if (!this.isTakingIn) this.dispatcher.scheduleTask(this.write, 0)
  }

  /** Writes a turn's worth of what waits; the last word after all else. */
  private readonly write = (): void => {
    this.isDue = false
    if (this.isWriting || Deferred.isDoneUnsafe(this.silent)) return
    const isLast = !this.outbox.ready
    let pieces: ReadonlyArray<Uint8Array> | undefined
    try {
      if (!isLast) pieces = this.outbox.take(this.codec, WriteSize)
      else if (this.lastWord !== undefined) pieces = [Codec.framed(this.codec, this.lastWord)]
    } catch (defect) {
      Deferred.doneUnsafe(this.silent, Exit.void)
      return this.lose(`a frame could not be written: ${String(defect)}`)
    }
    if (pieces === undefined || !Arr.isReadonlyArrayNonEmpty(pieces)) return
    const spent = this.outbox.takeSpent()
    this.isWriting = true
    this.wire.put(pieces, (exit) => {
      this.isWriting = false
      if (this.wire.isCopied && exit._tag === "Success") spent.forEach(freeCopy)
      if (exit._tag === "Failure" && Cause.hasDies(exit.cause)) {
        this.lose(`a frame could not be written: ${String(Cause.squash(exit.cause))}`)
      }
      // A connection that takes no more bytes has ended; its reader tells.
      if (isLast || exit._tag === "Failure") {
        Deferred.doneUnsafe(this.silent, Exit.void)
        return
      }
      this.writes++
      // Not before what has come is read, and others had their turn: a socket may take all that it is given.
      if (this.outbox.ready || this.lastWord !== undefined) this.writeSoon()
    })
  }

  /** @internal Runs the session in the current scope. */
  run(
    deframer: Deframer,
    first: ReadonlyArray<Uint8Array>,
    writing: Scope.Closeable,
    processExit: Effect.Effect<ProcessExit> | undefined
  ): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const written = yield* Effect.forkScoped(
        Effect.ensuring(Deferred.await(this.silent), Scope.close(writing, Exit.void)),
        { startImmediately: true }
      )
      this.takeIn(first, deframer)
      this.wire.flow(
        (chunk) => {
          if (!Deferred.isDoneUnsafe(this.ended)) this.takeIn(deframer.push(chunk), deframer)
        },
        (why) => this.lose(why)
      )
      yield* Effect.forkScoped(
        Effect.gen({ self: this }, function* () {
          const { _tag: how } = yield* this.end
          this.loseCallees()
          // The exit of a process follows its last word by a moment, and says more; but not more than what it did wrong.
          if (processExit !== undefined && how !== "Violation") {
            this.crash = yield* inTime(processExit).pipe(Effect.map(Option.getOrUndefined))
          }
          this.loseCallers()
        }),
        { startImmediately: true }
      )
      yield* Effect.addFinalizer(() =>
        Effect.gen({ self: this }, function* () {
          this.close("ended")
          // As long as the other end takes something, it gets all of it.
          let before: number
          do {
            before = this.writes
            yield* Effect.timeoutOption(Fiber.await(written), ClosePatience)
          } while (this.writes > before && written.pollUnsafe() === undefined)
          this.finish({ _tag: "Closed" })
          this.loseCallees()
          this.loseCallers()
        })
      )
    })
  }
}

/** How long the other end may take nothing when a session is closed, before what it has not taken is given up. */
const ClosePatience = "5 seconds"

/**
 * Says hello, hears hello, and runs a session in the current scope; closing the scope writes what waits and says
 * `Bye`. Waits for the other end as long as it takes: the caller sets a bound.
 */
export const make = (
  options: SessionOptions
): Effect.Effect<Session, HandshakeFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const codecs = yield* Codec.Codecs
    const limits = yield* SessionLimits.Current
    const writing = yield* Scope.fork(yield* Effect.scope)
    const wire = yield* Wire.open(options.socket, writing)
    // Whoever takes no more bytes may still have said something.
    yield* Effect.ignore(wire.write(Codec.framed(Codec.json, options.hello)))
    const deframer = new Deframer()
    const bodies: Array<Uint8Array> = []
    while (bodies.length === 0) {
      for (const chunk of yield* wire.pull) bodies.push(...deframer.push(chunk))
      if (bodies.length === 0 && deframer.broken !== undefined) {
        return yield* Effect.die(deframer.broken)
      }
    }
    const hello = Codec.json.decodeFrame(bodies[0]!)
    if (hello._tag !== "Hello") {
      return yield* Effect.fail(
        new HandshakeFailed(
          hello._tag === "Bye"
            ? hello.detail
            : `the other end began with ${hello._tag} instead of Hello`,
          false
        )
      )
    }
    const agreement = negotiate(options.hello, hello, { operations: options.calls ?? [] })
    const refusal =
      agreement._tag === "Refusal" || options.expected === undefined
        ? agreement
        : negotiate(options.hello, hello, { expected: options.expected })
    const codec =
      (agreement._tag === "Agreement"
        ? codecs.find(({ name }) => name === agreement.codec)
        : undefined) ?? Codec.json
    if (refusal._tag === "Refusal" || agreement._tag === "Refusal") {
      const detail = refusal._tag === "Refusal" ? refusal.detail : ""
      yield* wire.write(
        Codec.framed(codec, { _tag: "Bye", why: "refused", detail, payload: new Uint8Array(0) })
      )
      return yield* Effect.fail(new HandshakeFailed(detail, false))
    }
    deframer.limit = options.hello.settings.frame
    const { currentDispatcher } = Fiber.getCurrent()!
    const session = new Session(options, agreement, hello, codec, limits, wire, currentDispatcher)
    yield* session.run(deframer, bodies.slice(1), writing, options.processExit)
    return session
  }).pipe(
    Effect.catchTag("SocketError", (error) =>
      Effect.fail(new HandshakeFailed(error.message, true))
    ),
    Effect.catchDefect((defect) =>
      defect instanceof Violation
        ? Effect.fail(new HandshakeFailed(defect.message, false))
        : Effect.die(defect)
    )
  )
