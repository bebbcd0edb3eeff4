/**
 * The Furrow wire protocol, version 1: what two actors say to each other. This file is the specification; a second
 * implementation can be written from it, without Effect and in another language.
 *
 * ## One idea
 *
 * A *dialog* is the only thing on the wire. It joins two fibers in two processes for their whole lives: the *caller*
 * opens, the *callee* may say `Started`, both may send items, and the callee ends with exactly one `Exit`, sent after
 * its last finalizer has run. A call is a dialog without items. A stream is a dialog in which only the callee sends
 * items, and nobody says `Started`. Which of the three a dialog is follows from its operation; what has no place in it
 * (`Started` in a call, an `Item` of a stream's caller, an `Item` or an `End` of either before `Started`) breaks the
 * protocol.
 *
 * ## The four laws
 *
 *  1. Every `Open` is answered by exactly one `Exit`, or by the loss of the connection.
 *  2. `Exit` is sent after the last finalizer of the callee has run, its request scope's included.
 *  3. A caller that leaves early sends `Cancel` and waits for `Exit`.
 *  4. Nobody sends an `Item` without credit.
 *
 * ## Roles
 *
 * A connection has two ends. One *dialled* (of a parent and its child: the parent), the other *accepted*. Both say
 * `Hello` at once, without waiting for the other's. Then either end may open dialogs and so be a caller; roles belong
 * to a dialog, not to a connection. `Start`, `Ready` and `StartFailed` are said once, between an actor and whoever
 * spawned it; the spawner opens no dialog before `Ready`, the actor may from `Start` on.
 *
 * ## Ids
 *
 * A dialog's id is odd if its caller dialled the connection, even if it accepted, and at least 1. Ids of one side
 * strictly increase. An id is taken when its first frame is written (`More` or `Open`) and counts as opened from then
 * on. A frame for an id at or below the highest opened, whose dialog has ended, is late and is ignored: a `Cancel`
 * crosses an `Exit` in lawful traffic. Id 0 is the connection itself.
 *
 * A connection is closed with a named reason (a `Violation`, told in `Bye`) on: an id never opened, a second `Open`
 * of a dialog that lives, an id of the wrong parity, an `Item` without credit, payloads of `Open` beyond their window, a
 * frame out of order, a frame that is malformed or longer than the limit, frames that are sent and answers that are not
 * read, more than an end keeps (`NotReading`). Nothing else on either side is harmed by it.
 *
 * ## Framing
 *
 * A frame travels as its length and its body: four bytes, unsigned, big-endian, then that many bytes. A body longer
 * than `FrameLimit`, or after `Hello` than `Settings.frame`, is refused before anything is allocated for it.
 *
 * The *JSON codec* writes a body as one line of JSON, the frame without its payload, and a newline; if the frame
 * carries a payload of any length but zero, the payload follows as JSON text and a newline. The *binary codec* writes
 * the frames that calls, streams and dialogs consist of as `Layout` says, and any other as a byte of zero and Effect's
 * SchemaBinary over the schemas below. Payloads are SchemaBinary over their own schemas; one whose schema it cannot say
 * is JSON text, and one that is nothing but bytes is those bytes.
 *
 * `Hello` itself is always JSON. After it both ends use a codec that both offered by the same name; of several the one
 * whose two places in their lists add up to the least, and of equals the first by name. If there is none, JSON.
 *
 * ## Payloads
 *
 * A payload is a value of the operation's own schema (an argument, an item, a result), written by the codec in use. It
 * stands in these frames as bytes. A payload longer than `PartSize` travels in parts: `More` frames of the same id and
 * lane hold its first bytes in order, at least one byte each, the frame itself holds the last. Parts may be cut
 * anywhere. `More.whole` says how long the payload will be, so that there can be room for it before it is there; it is
 * believed only as far as that costs little, and need not be said. Until a value is complete its sender says nothing
 * else in that dialog but `Cancel` and `Credit`; only `Exit` (or its first part) gives up a `Started` or an `Item` that
 * is still under way. Only payloads of dialogs travel in parts: those of `Start`, `StartFailed` and `Bye` have room in
 * their frame.
 *
 * A `Cancel` for a dialog whose `Open` is still in parts drops them, and is answered by `Exit`. The callee may say `Exit`
 * before it has all of `Open`, too; the rest of it is late.
 *
 * A Cause is a payload like any other: an array of reasons, each with its `_tag`, the `hops` it travelled, and
 * `notJoined` if a wait for its end was given up. `Fail` holds `error`, the JSON of the operation's error, and `stack`
 * if it has one; `Die` holds `defect`, the JSON of a `DefectEncoded` (see `Defect`); `Interrupt` holds `by`, the actor
 * that asked, if that is known.
 *
 * A caller that knows the operation by another fingerprint than its callee's `Hello` told says `json` in `Open`: then
 * all payloads of that dialog, in both directions, are JSON text whatever the codec, because bytes of the binary codec
 * can be taken for a value of another schema without anybody noticing. An operation that is of another kind at the
 * callee is not opened at all. The arguments in `Start` are JSON text for the same reason.
 *
 * ## Credit
 *
 * `Open.window` and `Started.window` say how many items, and how many payload bytes, their sender is ready to take in
 * that dialog; a stream's caller grants in `Open`. To send an item both must be above zero; one item may overdraw
 * the bytes. Sending subtracts 1 and the length of the payload; `Credit` gives back what was taken out, and no more.
 * `Started`, `End` and `Exit` need no credit.
 *
 * `Open` payloads draw on one window for the whole connection (`Settings.window`, bytes), given back by `Credit` with
 * id 0 when a handler has taken the payload, or when the Open was refused; in pieces, but at the latest when a quarter
 * of the window is owed. Opens wait at their sender while their payloads do not fit into it. One value at a time may go
 * beyond it, however long, and the others keep within the window as if it were not there; it counts until all that was
 * not given back would fit. An end holds at most its window and one value, and more is a violation.
 *
 * `Settings.dialogs` bounds dialogs at once: one more is answered by an Exit `overloaded`. A value longer than
 * `Settings.value` is an error at its sender. `Start`, `StartFailed` and `Bye` leave 64 KiB of `Settings.frame` to what
 * stands beside their payload.
 *
 * ## Order
 *
 * Frames of one dialog arrive in the order they were sent, except that `Cancel` and `Credit` overtake. Opens arrive
 * in the order they were made, except behind a larger value. Nothing else is ordered between dialogs.
 *
 * ## The end
 *
 * `Bye` is the last frame either end sends. The end of the connection without it is a loss: every dialog under way is
 * over, callers learn `Disconnected`, callees are interrupted.
 *
 * Whoever hears `Bye` says its own and closes. Whoever has said it reads on until then, for a bounded time: a transport
 * may take back what was not read yet, if it is closed while the other end still writes.
 */
import * as Schema from "effect/Schema"
import { ActorName, ActorRef, Hop } from "./Identity.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Numbers
// ---------------------------------------------------------------------------------------------------------------------

/** The lowest and the highest version of this protocol that this implementation speaks. */
export const Versions = { lowest: 1, highest: 1 } as const

/** The longest body of a frame, in bytes: 1 MiB. An end may say in `Hello` that it takes less. */
export const FrameLimit = 1_048_576

/** The least that an end may say there, in bytes: 128 KiB, room for a part and all that may stand beside it. */
export const LeastFrame = 131_072

/** A payload longer than this many bytes (32 KiB) travels in parts of at most this length. */
export const PartSize = 32_768

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A dialog's number on its connection; 0 is the connection itself. */
export const DialogId = Count

/** How much one end is ready to take: items, and payload bytes. */
export const Window = Schema.Struct({ items: Count, bytes: Count })

/** See {@link Window}. */
export interface Window extends Schema.Schema.Type<typeof Window> {}

const Payload = Schema.Uint8Array

/** Milliseconds, never a clock: clocks of two machines differ, and a suspended one stands still. */
const TimeLeft = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

// ---------------------------------------------------------------------------------------------------------------------
// The connection
// ---------------------------------------------------------------------------------------------------------------------

/** What an end accepts; the other keeps within it. Times and sizes are this end's own, nothing is negotiated. */
export const Settings = Schema.Struct({
  /** Dialogs open at once, of which the other end is the caller. */
  dialogs: Count,
  /** The longest payload, in bytes. */
  value: Count,
  /** Bytes of `Open` payloads that no handler has taken yet. */
  window: Count,
  /** The longest body of a frame, in bytes, after `Hello`. */
  frame: Schema.Int.check(Schema.isBetween({ minimum: LeastFrame, maximum: FrameLimit }))
})

/** See the schema. */
export interface Settings extends Schema.Schema.Type<typeof Settings> {}

/** 65 536 dialogs, 256 MiB a value, 4 MiB of Open payloads, 1 MiB a frame. */
export const DefaultSettings: Settings = {
  dialogs: 65_536,
  value: 268_435_456,
  window: 4_194_304,
  frame: FrameLimit
}

/**
 * An operation as its actor serves it. The fingerprint is a hash of the encoded side of its schemas; two ends whose
 * fingerprints differ may still understand each other, so a difference is told, not refused.
 */
export const OperationInfo = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["call", "stream", "dialog"]),
  fingerprint: Schema.String
})

/** See the schema. */
export interface OperationInfo extends Schema.Schema.Type<typeof OperationInfo> {}

/**
 * The first frame of each end, always in JSON. `actor` is the name of the definition this end runs, `codecs` the
 * codecs it offers, best first, each with its version in its name; `json` is understood by all, offered or not.
 */
export const Hello = Schema.TaggedStruct("Hello", {
  versions: Schema.Struct({ lowest: Count, highest: Count }),
  codecs: Schema.Array(Schema.String),
  actor: ActorName,
  incarnation: Schema.String,
  operations: Schema.Array(OperationInfo),
  settings: Settings
})

/**
 * From whoever spawned an actor to the actor, once, after both Hellos: who it is in the tree. The payload is the
 * actor's arguments, as JSON text in any codec. `grace` is how long the actor has to end when it is told to stop without
 * a word about time.
 */
export const Start = Schema.TaggedStruct("Start", {
  name: ActorName,
  ancestors: Schema.Array(ActorRef),
  logLevel: Schema.String,
  registry: Schema.optional(Schema.String),
  grace: TimeLeft,
  payload: Payload
})

/** The actor's Layer is built; dialogs may be opened. */
export const Ready = Schema.TaggedStruct("Ready", {})

/** The actor's Layer failed, or its arguments did not decode. The payload is the Cause (see `Reasons`); the actor ends. */
export const StartFailed = Schema.TaggedStruct("StartFailed", { payload: Payload })

/**
 * End the whole actor: interrupt what runs, run every finalizer, end the children, say `Bye`. `grace` is the time left
 * for all of that; an actor gives its own children less, so that it is done in time.
 */
export const Stop = Schema.TaggedStruct("Stop", {
  by: ActorRef,
  hops: Schema.Array(Hop),
  grace: TimeLeft
})

/**
 * Something that an actor waits for that has been told to stop, and for how many milliseconds. `operation`: a handler of
 * `operation` in `actor`, which was interrupted and has not ended; `callee`: the end of `operation` in `actor`, which was
 * called and left; `finalizers`: those of `actor` itself; `start`: that a Layer is built; `fork`: a fiber of its nursery;
 * `guest`: code in `actor` that is called `operation` and was asked to end; `word`: that `actor`, a child, says anything
 * since it was told to stop; `exit`: that its process exits.
 */
export const Wait = Schema.Struct({
  /** A path. */
  actor: Schema.String,
  for: Schema.Literals([
    "operation",
    "callee",
    "finalizers",
    "start",
    "fork",
    "guest",
    "word",
    "exit"
  ]),
  operation: Schema.optional(Schema.String),
  millis: TimeLeft
})

/** See the schema. */
export type Wait = typeof Wait.Type

/**
 * From an actor that was told to stop to whoever spawned it, a moment after and then about each second until it ends: what it
 * still waits for, down to the last level, and how many more there are. It is for people, and needs no answer.
 */
export const Stopping = Schema.TaggedStruct("Stopping", {
  waits: Schema.Array(Wait),
  more: Count
})

/**
 * The last frame. `ended`: nothing more to say. `failed`: the actor's root failed by itself, the payload is the Cause.
 * `violation`: the other end broke the protocol; `detail` says how, by the name of the rule.
 * `refused`: the handshake failed; `detail` says why.
 */
export const Bye = Schema.TaggedStruct("Bye", {
  why: Schema.Literals(["ended", "failed", "violation", "refused"]),
  detail: Schema.String,
  payload: Payload
})

/** On links that ask for it: is anybody there? */
export const Ping = Schema.TaggedStruct("Ping", {})

/** The answer to {@link Ping}. */
export const Pong = Schema.TaggedStruct("Pong", {})

// ---------------------------------------------------------------------------------------------------------------------
// The dialog, in order of speech
// ---------------------------------------------------------------------------------------------------------------------

/** Which value of a dialog a part belongs to. */
export const Lane = Schema.Literals(["open", "started", "item", "exit"])

/** See the schema. */
export type Lane = typeof Lane.Type

/**
 * A part of a payload, not the last. The last part is in the frame that the lane names. `whole`: how many bytes the
 * payload has in all.
 */
export const More = Schema.TaggedStruct("More", {
  id: DialogId,
  lane: Lane,
  whole: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  payload: Payload
})

/**
 * The caller's first word. `window`: what the caller takes of the callee's items. `timeLeft`: how long the caller will
 * wait. `travelling`: values that follow the call by name; unknown names are ignored. `json`: the payloads of this
 * dialog are JSON text in any codec.
 */
export const Open = Schema.TaggedStruct("Open", {
  id: DialogId,
  operation: Schema.String,
  window: Window,
  headers: Schema.optional(Schema.Array(Schema.Tuple([Schema.String, Schema.String]))),
  trace: Schema.optional(
    Schema.Struct({ traceId: Schema.String, spanId: Schema.String, sampled: Schema.Boolean })
  ),
  timeLeft: Schema.optional(TimeLeft),
  travelling: Schema.optional(Schema.Record(Schema.String, Schema.Json)),
  json: Schema.optional(Schema.Boolean),
  payload: Payload
})

/** The callee's first word, in a two-way dialog. `window`: what the callee takes of the caller's items. */
export const Started = Schema.TaggedStruct("Started", {
  id: DialogId,
  window: Window,
  payload: Payload
})

/** One item, of the callee or, after `Started`, of the caller. Needs credit. */
export const Item = Schema.TaggedStruct("Item", { id: DialogId, payload: Payload })

/** The sender sends no more items in this dialog; it may still receive. */
export const End = Schema.TaggedStruct("End", { id: DialogId })

/** The sender has taken this much out and is ready for as much again. Id 0: bytes of Open payloads. */
export const Credit = Schema.TaggedStruct("Credit", { id: DialogId, items: Count, bytes: Count })

/**
 * The caller leaves. The callee is interrupted and answers with `Exit`. It may be said again, with less time left; items
 * that it has overtaken may follow.
 */
export const Cancel = Schema.TaggedStruct("Cancel", {
  id: DialogId,
  by: ActorRef,
  hops: Schema.Array(Hop),
  timeLeft: Schema.optional(TimeLeft)
})

/**
 * The callee's last word. `success`: the payload is the result. `failure`: the payload is the Cause, see `Reasons`.
 * The others are the machinery's own and carry no payload: `overloaded` (too many dialogs), `unimplemented` (no such
 * operation), `deadline` (no time left), `cancelled` (before the Open was complete). `cancelSeen`: the callee had seen `Cancel` before it ended, so a value is not
 * an answer any more. `hops`: the stations that the error or the cancel has passed, this callee the last; a result has none.
 */
export const Exit = Schema.TaggedStruct("Exit", {
  id: DialogId,
  exit: Schema.Literals([
    "success",
    "failure",
    "overloaded",
    "unimplemented",
    "deadline",
    "cancelled"
  ]),
  cancelSeen: Schema.Boolean,
  hops: Schema.Array(Hop),
  payload: Payload
})

/** Everything that can be said. */
export const Frame = Schema.Union([
  Hello,
  Start,
  Ready,
  StartFailed,
  Stop,
  Stopping,
  Bye,
  Ping,
  Pong,
  More,
  Open,
  Started,
  Item,
  End,
  Credit,
  Cancel,
  Exit
])

/** See {@link Frame}. */
export type Frame = typeof Frame.Type

/** A frame of one kind, by its tag. */
export type FrameOf<Tag extends Frame["_tag"]> = Extract<Frame, { readonly _tag: Tag }>

/** Frames that belong to a dialog. */
export type DialogFrame = FrameOf<
  "More" | "Open" | "Started" | "Item" | "End" | "Credit" | "Cancel" | "Exit"
>

/**
 * How a peer broke the protocol. The name is the rule, `detail` is for people. The connection it happened on closes.
 */
export class Violation extends Schema.TaggedError<Violation>()("Violation", {
  rule: Schema.Literals([
    "FrameTooLong",
    "MalformedFrame",
    "NotHello",
    "UnexpectedFrame",
    "NeverOpened",
    "OpenedTwice",
    "WrongParity",
    "ItemWithoutCredit",
    "OpenWithoutRoom",
    "ItemBeforeStarted",
    "StartedTwice",
    "AfterEnd",
    "AfterExit",
    "NotTheCaller",
    "NotTheCallee",
    "NotReading",
    "ValueTooLong"
  ]),
  detail: Schema.String
}) {
  override get message() {
    return `The peer broke the protocol (${this.rule}): ${this.detail}. The connection was closed.`
  }
}
