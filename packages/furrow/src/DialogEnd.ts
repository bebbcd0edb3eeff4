/**
 * One end of one dialog as a session keeps it: what it may send, what it has received, and how it ended.
 *
 * Answers for waiting: for credit to send, for items to take, for the end. It moves bytes; what they mean is the
 * router's. The laws are `DialogState`'s, the writing is the session's.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { OutboxLane } from "./Outbox.ts"
import * as DialogState from "./protocol/DialogState.ts"
import { kept, Parts } from "./protocol/Framing.ts"
import type { ActorRef, Hop } from "./protocol/Identity.ts"
import type { DialogFrame, FrameOf, Lane, Window } from "./protocol/Protocol.ts"
import { Violation } from "./protocol/Protocol.ts"

/** What a dialog's end asks of its session. */
export interface Carrier {
  readonly push: (end: DialogEnd, frame: DialogFrame) => void
  readonly urgent: (frame: DialogFrame) => void
  /** An item has come that somebody waits for, who is to be woken when all that came with it is taken in. */
  readonly arrived: (end: DialogEnd) => void
}

/** Why nothing more can be sent. */
export type SendRefusal = "ended" | "exited"

interface Waiter {
  readonly bytes: Uint8Array
  readonly resume: (sent: SendRefusal | undefined) => void
}

// A list that is begun with its first element takes a word; one that is begun empty, room for seventeen. There may be
// many dialogs, in most of which there is one at most of anything that waits.

const withLast = <A>(list: Array<A> | undefined, element: A): Array<A> => {
  if (list === undefined) return [element]
  list.push(element)
  return list
}

const without = <A>(list: Array<A> | undefined, element: A): Array<A> | undefined => {
  const index = list?.indexOf(element) ?? -1
  if (list === undefined || index < 0) return list
  if (list.length === 1) return undefined
  list.splice(index, 1)
  return list
}

/**
 * Somebody who waits for items. One that was interrupted does not say so, which would cost all others memory: it is
 * forgotten when its fiber has ended, and does nothing if it is woken before.
 */
class Taker<A, E> {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  private readonly resume: (next: Effect.Effect<A, E>) => void
  private readonly next: Effect.Effect<A, E>

  constructor(
    fiber: Fiber.Fiber<unknown, unknown>,
    resume: (next: Effect.Effect<A, E>) => void,
    next: Effect.Effect<A, E>
  ) {
    this.fiber = fiber
    this.resume = resume
    this.next = next
  }

  wake(): void {
    this.resume(this.next)
  }
}

/** See the module. It is what of it waits to be written, too: there may be many. */
export class DialogEnd extends OutboxLane {
  readonly operation: string
  state: DialogState.DialogState
  /** What this end takes of the other's items before they are taken out, and keeps of its own before they are written. */
  readonly window: Window
  private readonly carrier: Carrier
  // Most dialogs are calls, which have no items: what only items need is made for the first of them.
  private senders: Array<Waiter> | undefined
  private items: Array<Uint8Array> | undefined
  private takers: Array<Pick<Taker<unknown, unknown>, "fiber" | "wake">> | undefined
  /** Items were received, but not yet given back as credit. */
  private owedItems = 0
  private owedBytes = 0
  /** The items handed out by the last `take`; they count as taken out when the next is asked for. */
  private handedItems = 0
  private handedBytes = 0
  /** The other end sends no more items: it said so, or the dialog is over. */
  private drained = false
  /** The dialog was cancelled before everything that the other end had to send was taken. */
  cut = false
  private parts: Parts | undefined
  private partsLane: Lane | undefined

  constructor(
    operation: string,
    state: DialogState.DialogState,
    window: Window,
    carrier: Carrier,
    id?: number
  ) {
    super(id)
    this.operation = operation
    this.state = state
    this.window = window
    this.carrier = carrier
  }

  /** What of it waits to be written. */
  get lane(): OutboxLane {
    return this
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Sending
  // -------------------------------------------------------------------------------------------------------------------

  /** Says a word that needs no credit. A word that the laws forbid is our own mistake and is thrown. */
  say(frame: DialogFrame): void {
    const next = DialogState.sent(this.state, frame)
    if (next instanceof Violation) throw next
    this.state = next
    this.carrier.push(this, frame)
  }

  /** Sends one item once there is credit; tells why not, if the dialog is over before. */
  send(bytes: Uint8Array): Effect.Effect<SendRefusal | undefined> {
    return Effect.suspend(() => {
      return this.sendNow(bytes) ? Effect.undefined : this.sendLater(bytes)
    })
  }

  private sendLater(bytes: Uint8Array): Effect.Effect<SendRefusal | undefined> {
    return Effect.callback<SendRefusal | undefined>((resume) => {
      const waiter: Waiter = { bytes, resume: (sent) => resume(Effect.succeed(sent)) }
      this.senders = withLast(this.senders, waiter)
      // A fiber may rest between looking and waiting; what came in between is seen here.
      this.releaseSenders()
      return Effect.sync(() => {
        this.senders = without(this.senders, waiter)
      })
    })
  }

  /** Sends one item, if there is credit, and nobody waits for it who came before; tells whether it did. */
  sendNow(bytes: Uint8Array): boolean {
    if (this.senders !== undefined) return false
    if (this.refusal !== undefined || !this.hasRoom) return false
    this.sayItem(bytes)
    return true
  }

  /** There is credit, and not too much that waits to be written: the other end may take much, and read nothing. */
  private get hasRoom(): boolean {
    return (
      DialogState.canSend(this.state) &&
      this.length < this.window.bytes &&
      this.parcels < this.window.items
    )
  }

  /** Says that no more items follow; items that wait for credit are refused. */
  endSending(): void {
    if (this.refusal !== undefined) return
    this.say({ _tag: "End", id: 0 })
    this.releaseSenders()
  }

  /** The caller leaves: nothing more is sent, what is there and what comes is not taken. */
  cancelled(): void {
    this.cut = this.hasItems || !this.state.receiveEnded
    this.state = DialogState.left(this.state)
    this.drained = true
    this.discard()
    this.releaseSenders()
    this.wakeTakers()
  }

  private get refusal(): SendRefusal | undefined {
    return this.state.exited || this.state.cancelled
      ? "exited"
      : this.state.sendEnded
        ? "ended"
        : undefined
  }

  private sayItem(bytes: Uint8Array): void {
    this.say({ _tag: "Item", id: this.id ?? 0, payload: bytes })
  }

  /** @internal There may be room again. */
  override written(): void {
    this.releaseSenders()
  }

  private releaseSenders(): void {
    while (this.senders !== undefined) {
      const { refusal } = this
      if (refusal === undefined && !this.hasRoom) return
      const waiter = this.senders[0]!
      this.senders = without(this.senders, waiter)
      if (refusal === undefined) this.sayItem(waiter.bytes)
      waiter.resume(refusal)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Receiving
  // -------------------------------------------------------------------------------------------------------------------

  /**
   * Takes between one and `max` items, in order, waiting for the first; none when no more will come, or none need come
   * because the dialog was cancelled. What the last `take` handed out counts as taken out now, and is given back as
   * credit.
   */
  take(max: number): Effect.Effect<ReadonlyArray<Uint8Array>> {
    return Effect.suspend(() => {
      const taken = this.takeNow(max)
      return taken === undefined ? this.awaitItem(this.take(max)) : Effect.succeed(taken)
    })
  }

  /** The same at once, or nothing if it has to be waited for. */
  takeNow(max: number): ReadonlyArray<Uint8Array> | undefined {
    this.giveBack()
    const { items } = this
    if (items === undefined) return this.isDry ? [] : undefined
    let taken = items
    if (items.length <= max) this.items = undefined
    else taken = items.splice(0, max)
    this.handedItems += taken.length
    for (const item of taken) this.handedBytes += item.length
    return taken
  }

  /** Waits until there may be something to take, and goes on with what looks again. */
  awaitItem<A, E>(next: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.callback<A, E>((resume) => {
      // A fiber may rest between looking and waiting; what came in between is seen here.
      if (this.hasItems || this.isDry) return resume(next)
      this.takers = withLast(
        this.takers?.filter(({ fiber }) => fiber.pollUnsafe() === undefined),
        new Taker(Fiber.getCurrent()!, resume, next)
      )
    })
  }

  /** No item will come any more, or none need come. */
  private get isDry(): boolean {
    return this.drained || this.state.cancelled
  }

  private get hasItems(): boolean {
    return this.items !== undefined
  }

  private giveBack(): void {
    this.owedItems += this.handedItems
    this.owedBytes += this.handedBytes
    this.handedItems = 0
    this.handedBytes = 0
    if (this.drained || this.id === undefined) return
    // Half of the items or three quarters of the bytes at a time: often enough to keep the sender going, seldom enough to
    // cost little. Few items are many bytes, and for each of these words a sender that waits has to be woken.
    const { bytes, items } = this.window
    const due = this.owedItems * 2 >= items || this.owedBytes * 4 >= bytes * 3
    if (!due || this.owedItems === 0) return
    const frame = {
      _tag: "Credit" as const,
      id: this.id,
      items: this.owedItems,
      bytes: this.owedBytes
    }
    this.owedItems = 0
    this.owedBytes = 0
    const next = DialogState.sent(this.state, frame)
    if (next instanceof Violation) return
    this.state = next
    this.carrier.urgent(frame)
  }

  /** @internal Whoever waits for an item looks again. */
  wakeTakers(): void {
    const { takers } = this
    this.takers = undefined
    if (takers !== undefined) for (const taker of takers) taker.wake()
  }

  /** Items that were received and not taken are forgotten; nobody will take them. */
  discard(): void {
    this.items = undefined
  }

  /**
   * Takes in a frame of the other end. Gives the whole value, if one is complete with it, or the rule that was broken.
   */
  receive(frame: DialogFrame, valueLimit: number): Uint8Array | undefined | Violation {
    const next = DialogState.received(this.state, frame)
    if (next instanceof Violation) return next
    this.state = next
    switch (frame._tag) {
      case "More": {
        if (frame.lane !== this.partsLane) this.forgetParts()
        this.partsLane = frame.lane
        const parts = (this.parts ??= new Parts())
        parts.push(frame.payload, frame.whole)
        return parts.length > valueLimit
          ? new Violation({
              rule: "ValueTooLong",
              detail: `a value of more than ${valueLimit} bytes in ${this.operation}`
            })
          : undefined
      }
      case "Item": {
        const item = this.whole(frame.payload)
        // A caller that has cancelled takes nothing more; what was under way is let pass.
        if (this.state.cancelled && this.state.role === "caller") return undefined
        this.items = withLast(this.items, kept(item))
        if (this.takers !== undefined) this.carrier.arrived(this)
        return undefined
      }
      case "End": {
        this.drained = true
        this.wakeTakers()
        return undefined
      }
      case "Credit": {
        this.releaseSenders()
        return undefined
      }
      case "Exit":
        // A last word may give up a value that was under way.
        if (this.partsLane !== "exit") this.forgetParts()
        return this.whole(frame.payload)
      case "Open":
      case "Started":
        return this.whole(frame.payload)
      case "Cancel":
        return undefined
    }
  }

  /** The caller has left: it grants no credit any more, and need not say End, so nobody may wait for either. */
  release(): void {
    this.releaseSenders()
    this.wakeTakers()
  }

  /** Whether this frame of the other end has the last part of a value whose other parts are there. */
  isLastPart({ _tag }: DialogFrame): boolean {
    return this.parts !== undefined && (_tag !== "Exit" || this.partsLane === "exit")
  }

  private whole(last: Uint8Array): Uint8Array {
    if (this.parts === undefined) return last
    const value = this.parts.join(last)
    this.forgetParts()
    return value
  }

  private forgetParts(): void {
    this.parts = undefined
    this.partsLane = undefined
  }

  /** The dialog is over: nobody sends any more, and whoever waits is told. Items that are there can still be taken. */
  over(): void {
    this.state = DialogState.over(this.state)
    this.drained = true
    this.forgetParts()
    this.releaseSenders()
    this.wakeTakers()
  }
}

/** Who cancels, and by which way the word came. */
export interface CancelWord {
  readonly by: ActorRef
  readonly hops: ReadonlyArray<Hop>
  readonly timeLeft?: number
}

/** How a caller's dialog ended: with the callee's last word, with the connection, or before it was written. */
export type CallerEnd =
  | { readonly _tag: "Exit"; readonly frame: FrameOf<"Exit">; readonly payload: Uint8Array }
  | { readonly _tag: "Lost" }
  | { readonly _tag: "Unwritten" }
