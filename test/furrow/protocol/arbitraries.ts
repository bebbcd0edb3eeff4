/**
 * Generated frames, each lawful in itself: every field holds what its schema allows. Which of them may follow which is
 * not looked at here.
 */
import * as fc from "fast-check"
import type * as Schema from "effect/Schema"
import { Protocol } from "furrow/protocol"
import type { Identity } from "furrow/protocol"

type FrameOf<Tag extends Protocol.Frame["_tag"]> = Protocol.FrameOf<Tag>

const count = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat())
const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: "grapheme", maxLength: 20 }))
const timeLeft = fc.oneof(count, fc.double({ min: 0, max: 1e9, noNaN: true }))

/** Names that an actor may carry. */
export const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((name) => !/[\p{Cc}\u2028\u2029/]/u.test(name))

/** Short payloads. */
const payload = fc.uint8Array({ maxLength: 64 })

/** Payloads of at least one byte. */
const part = fc.uint8Array({ minLength: 1, maxLength: 64 })

/** Windows small enough for a sequence of frames to meet their edges. */
export const window: fc.Arbitrary<Protocol.Window> = fc.record({
  items: fc.nat({ max: 4 }),
  bytes: fc.nat({ max: 100 })
})

/** References to one life. */
export const actor: fc.Arbitrary<Identity.ActorRef> = fc.record({
  path: text,
  incarnation: fc.uuid()
})

/** Hops, with and without an operation. */
export const hop: fc.Arbitrary<Identity.Hop> = fc.record(
  { actor, operation: text },
  { requiredKeys: ["actor"] }
)

const hops = fc.array(hop, { maxLength: 3 })

/** Values that JSON can say, as JSON says them: it has one zero. */
const json: fc.Arbitrary<Schema.Json> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value): Schema.Json => JSON.parse(JSON.stringify(value)))

const operation: fc.Arbitrary<Protocol.OperationInfo> = fc.record({
  name: text,
  kind: fc.constantFrom("call", "stream", "dialog"),
  fingerprint: text
})

const settings: fc.Arbitrary<Protocol.Settings> = fc.record({
  dialogs: count,
  value: count,
  window: count,
  frame: fc.integer({ min: Protocol.LeastFrame, max: Protocol.FrameLimit })
})

const tag = <const Tag extends string>(tag: Tag) => fc.constant(tag)

/** What an end says first. */
export const hello: fc.Arbitrary<FrameOf<"Hello">> = fc.record({
  _tag: tag("Hello"),
  versions: fc.record({ lowest: fc.nat({ max: 5 }), highest: fc.nat({ max: 5 }) }),
  codecs: fc.uniqueArray(fc.constantFrom("json", "binary/effect-4.1", "binary/effect-4.2", "x"), {
    maxLength: 4
  }),
  actor: name,
  incarnation: fc.uuid(),
  operations: fc.array(operation, { maxLength: 3 }),
  settings
})

const connection: ReadonlyArray<fc.Arbitrary<Protocol.Frame>> = [
  hello,
  fc.record<FrameOf<"Start">, "_tag" | "name" | "ancestors" | "logLevel" | "grace" | "payload">(
    {
      _tag: tag("Start"),
      name,
      ancestors: fc.array(actor, { maxLength: 3 }),
      logLevel: text,
      registry: text,
      grace: timeLeft,
      payload
    },
    { requiredKeys: ["_tag", "name", "ancestors", "logLevel", "grace", "payload"] }
  ),
  fc.record({ _tag: tag("Ready") }),
  fc.record({ _tag: tag("StartFailed"), payload }),
  fc.record({ _tag: tag("Stop"), by: actor, hops, grace: timeLeft }),
  fc.record({
    _tag: tag("Stopping"),
    waits: fc.array(
      fc.record<Protocol.Wait, "actor" | "for" | "millis">(
        {
          actor: text,
          for: fc.constantFrom(
            "operation",
            "callee",
            "finalizers",
            "start",
            "fork",
            "word",
            "exit"
          ),
          operation: text,
          millis: timeLeft
        },
        { requiredKeys: ["actor", "for", "millis"] }
      ),
      { maxLength: 3 }
    ),
    more: fc.nat()
  }),
  fc.record({
    _tag: tag("Bye"),
    why: fc.constantFrom("ended", "failed", "violation", "refused"),
    detail: text,
    payload
  }),
  fc.record({ _tag: tag("Ping") }),
  fc.record({ _tag: tag("Pong") })
]

/** Frames of the dialog with the given id. */
export const dialogFrame = (id: fc.Arbitrary<number>): fc.Arbitrary<Protocol.DialogFrame> =>
  fc.oneof(
    fc.record<FrameOf<"More">, "_tag" | "id" | "lane" | "payload">(
      {
        _tag: tag("More"),
        id,
        lane: fc.constantFrom("open", "started", "item", "exit"),
        whole: fc.oneof(
          fc.integer({ min: 1, max: 300 }),
          fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
        ),
        payload: part
      },
      { requiredKeys: ["_tag", "id", "lane", "payload"] }
    ),
    fc.record<FrameOf<"Open">, "_tag" | "id" | "operation" | "window" | "payload">(
      {
        _tag: tag("Open"),
        id,
        operation: text,
        window,
        headers: fc.array(fc.tuple(text, text), { maxLength: 3 }),
        trace: fc.record({ traceId: text, spanId: text, sampled: fc.boolean() }),
        timeLeft,
        travelling: fc.dictionary(text, json, { maxKeys: 3 }),
        payload
      },
      { requiredKeys: ["_tag", "id", "operation", "window", "payload"] }
    ),
    fc.record({ _tag: tag("Started"), id, window, payload }),
    fc.record({ _tag: tag("Item"), id, payload }),
    fc.record({ _tag: tag("End"), id }),
    fc.record({ _tag: tag("Credit"), id, items: fc.nat({ max: 4 }), bytes: fc.nat({ max: 100 }) }),
    fc.record<FrameOf<"Cancel">, "_tag" | "id" | "by" | "hops">(
      { _tag: tag("Cancel"), id, by: actor, hops, timeLeft },
      { requiredKeys: ["_tag", "id", "by", "hops"] }
    ),
    fc.record({
      _tag: tag("Exit"),
      id,
      exit: fc.constantFrom("success", "failure", "overloaded", "unimplemented", "deadline"),
      cancelSeen: fc.boolean(),
      hops,
      payload
    })
  )

/** Every frame there is. */
export const frame: fc.Arbitrary<Protocol.Frame> = fc.oneof(...connection, dialogFrame(count))
