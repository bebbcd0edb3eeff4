/** One connection under a peer that does as it likes: what is answered, what is ignored, and what ends it, by name. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import type { CallerEnd } from "furrow/DialogEnd"
import { Codec, Framing } from "furrow/protocol"
import type { Protocol } from "furrow/protocol"
import { makeServer } from "furrow/Routers"
import type { CallerListener, Incoming } from "furrow/Session"
import { dialogFrame, frame } from "./protocol/arbitraries.ts"
import * as RawPeer from "./RawPeer.ts"
import { connect, lifeOf } from "./RouterPair.ts"

const Echo = Rpc.make("Echo", { payload: Schema.Int, success: Schema.Int })
const Hang = Rpc.make("Hang", { payload: Schema.Int, success: Schema.Int })
const Count = Rpc.make("Count", { payload: Schema.Int, success: Schema.Int, stream: true })
const Take = Rpc.make("Take", { payload: Schema.String, success: Schema.Int })
const Talk = Dialog.make("Talk", {
  payload: Schema.Int,
  fromCaller: Schema.Int,
  fromCallee: Schema.Int
})
const Shy = Dialog.make("Shy", { payload: Schema.Int, fromCaller: Schema.Int })

class Worker extends Actor.make("Worker", [Echo, Hang, Count, Take, Talk, Shy]) {}

const WorkerLive = (release: Effect.Effect<void> = Effect.void, concurrency?: number) =>
  Worker.toLayer(
    {
      Echo: (n) => Effect.succeed(n),
      Hang: () => Effect.never,
      Count: (n) => Stream.range(1, n),
      Take: (text) => Effect.as(release, text.length),
      Talk: (_, dialog) => Effect.flatMap(dialog.accept(), () => Effect.never),
      Shy: () => Effect.never
    },
    { concurrency }
  )

const bytes = (json: unknown) => new TextEncoder().encode(JSON.stringify(json))
const nothing = new Uint8Array(0)
const unimplemented = () =>
  ({
    _tag: "Exit",
    id: 0,
    exit: "unimplemented",
    cancelSeen: false,
    hops: [],
    payload: nothing
  }) as const
const by = { path: "raw", incarnation: "raw" }

const open = (
  id: number,
  operation: string,
  payload: Uint8Array = bytes(1),
  window: Protocol.Window = { items: 64, bytes: 262_144 }
): Protocol.Frame => ({ _tag: "Open", id, operation, window, payload })
const item = (id: number, n: number = 1): Protocol.Frame => ({
  _tag: "Item",
  id,
  payload: bytes(n)
})
const itemOf = (id: number, payload: Uint8Array): Protocol.Frame => ({ _tag: "Item", id, payload })
const end = (id: number): Protocol.Frame => ({ _tag: "End", id })
const more = (id: number, lane: Protocol.Lane, payload: Uint8Array = bytes(1)): Protocol.Frame => ({
  _tag: "More",
  id,
  lane,
  payload
})
const credit = (id: number, bytes = 10): Protocol.Frame => ({
  _tag: "Credit",
  id,
  items: 1,
  bytes
})
const cancel = (id: number): Protocol.Frame => ({ _tag: "Cancel", id, by, hops: [] })
const exit = (id: number): Protocol.FrameOf<"Exit"> => ({
  _tag: "Exit",
  id,
  exit: "success",
  cancelSeen: false,
  hops: [],
  payload: nothing
})
const started = (id: number): Protocol.Frame => ({
  _tag: "Started",
  id,
  window: { items: 2, bytes: 100 },
  payload: nothing
})

/** A raw caller of a worker. */
const caller = Effect.fnUntraced(function* (options?: {
  readonly settings?: Partial<Protocol.Settings>
  readonly release?: Effect.Effect<void>
  readonly concurrency?: number
}) {
  const peer = yield* RawPeer.connect("accepted", options)
  const context = yield* Layer.build(WorkerLive(options?.release, options?.concurrency))
  const server = yield* makeServer(Worker, Context.get(context, Worker.Service), lifeOf("worker"))
  server.attach(peer.session)
  return peer
})

/** The rule that the session says was broken, in its last word and to its own actor. */
const violation = Effect.fnUntraced(function* (peer: RawPeer.RawPeer) {
  const bye = yield* peer.nextOf("Bye")
  expect(bye.why).toBe("violation")
  const ended = yield* peer.session.end
  assert(ended._tag === "Violation")
  expect(bye.detail).toBe(ended.violation.message)
  expect(bye.detail).toContain(`(${ended.violation.rule})`)
  return ended.violation.rule
})

describe("a caller that breaks the protocol ends its own connection, by the name of the rule", () => {
  const talking = [open(1, "Talk")]
  const rows: ReadonlyArray<
    readonly [what: string, rule: Protocol.Violation["rule"], frames: ReadonlyArray<Protocol.Frame>]
  > = [
    ["says Hello twice", "UnexpectedFrame", [RawPeer.hello]],
    ["speaks of an id that was never opened", "NeverOpened", [item(1)]],
    ["cancels what was never opened", "NeverOpened", [cancel(3)]],
    ["opens a dialog that lives again", "OpenedTwice", [open(1, "Hang"), open(1, "Hang")]],
    ["opens an id that is not its own", "WrongParity", [open(2, "Hang")]],
    ["says Exit", "NotTheCallee", [open(1, "Hang"), exit(1)]],
    ["says Started", "NotTheCallee", [...talking, started(1)]],
    ["sends an item in a call", "UnexpectedFrame", [open(1, "Hang"), item(1)]],
    ["sends an item before Started", "ItemBeforeStarted", [open(1, "Shy"), item(1)]],
    ["ends before Started", "ItemBeforeStarted", [open(1, "Shy"), end(1)]],
    ["sends an item in a stream", "NotTheCallee", [open(1, "Count", bytes(100_000)), item(1)]],
    ["grants credit in a call", "UnexpectedFrame", [open(1, "Hang"), credit(1)]],
    ["speaks of the connection itself", "UnexpectedFrame", [cancel(0)]],
    [
      "says something else between the parts of an Open",
      "UnexpectedFrame",
      [more(1, "open"), item(1)]
    ],
    ["sends a part without bytes", "UnexpectedFrame", [more(1, "open", nothing)]],
    ["begins with a part of an item", "NeverOpened", [more(1, "item")]]
  ]
  for (const [what, rule, frames] of rows) {
    it.effect(`F16 it ${what}: ${rule}`, () =>
      Effect.gen(function* () {
        const peer = yield* caller()
        yield* peer.say(...frames)
        expect(yield* violation(peer)).toBe(rule)
        expect(peer.session.dialogs).toBe(0)
      })
    )
  }

  const afterStarted: ReadonlyArray<
    readonly [what: string, rule: Protocol.Violation["rule"], frames: ReadonlyArray<Protocol.Frame>]
  > = [
    [
      "sends an item without credit",
      "ItemWithoutCredit",
      Array.from({ length: 65 }, (_, n) => item(1, n))
    ],
    ["sends an item after End", "AfterEnd", [end(1), item(1)]],
    ["says End twice", "AfterEnd", [end(1), end(1)]],
    ["says End between the parts of an item", "UnexpectedFrame", [more(1, "item"), end(1)]]
  ]
  for (const [what, rule, frames] of afterStarted) {
    it.effect(`F16 it ${what}: ${rule}`, () =>
      Effect.gen(function* () {
        const peer = yield* caller()
        yield* peer.say(...talking)
        yield* peer.nextOf("Started")
        yield* peer.say(...frames)
        expect(yield* violation(peer)).toBe(rule)
      })
    )
  }

  it.effect("F16 it sends bytes that are no frame: MalformedFrame", () =>
    Effect.gen(function* () {
      const peer = yield* caller()
      yield* peer.write(Framing.join([new Uint8Array([0xff, 0xfe, 10])]))
      expect(yield* violation(peer)).toBe("MalformedFrame")
    })
  )

  it.effect(
    "F15 it announces a frame over the limit: FrameTooLong, before a byte of it has come",
    () =>
      Effect.gen(function* () {
        const peer = yield* caller()
        yield* peer.write(new Uint8Array([0x00, 0x10, 0x00, 0x01]))
        expect(yield* violation(peer)).toBe("FrameTooLong")
      })
  )

  it.effect("it sends a value over the limit, in parts: ValueTooLong", () =>
    Effect.gen(function* () {
      const peer = yield* caller({ settings: { value: 10 } })
      yield* peer.say(more(1, "open", new Uint8Array(6).fill(32)))
      yield* peer.say(more(1, "open", new Uint8Array(6).fill(32)))
      expect(yield* violation(peer)).toBe("ValueTooLong")
    })
  )

  it.effect("what came before in the same piece is still answered, and nobody else is harmed", () =>
    Effect.gen(function* () {
      const peer = yield* caller()
      const other = yield* caller()
      yield* other.say(open(1, "Hang"))
      yield* peer.say(open(1, "Echo", bytes(41)), item(99))
      expect((yield* peer.nextOf("Exit")).exit).toBe("success")
      expect(yield* violation(peer)).toBe("NeverOpened")
      yield* other.say(open(3, "Echo", bytes(42)))
      expect((yield* other.nextOf("Exit")).payload).toEqual(bytes(42))
    })
  )
})

describe("a callee that breaks the protocol", () => {
  const listener = () => {
    const ended = Deferred.makeUnsafe<string>()
    const heard: Array<string> = []
    return {
      ended: Deferred.await(ended),
      heard,
      on: {
        onStarted: () => void heard.push("started"),
        onEnd: (end) => {
          heard.push(end._tag)
          Deferred.doneUnsafe(ended, Exit.succeed(end._tag))
        }
      } satisfies CallerListener
    }
  }
  const rows: ReadonlyArray<
    readonly [
      what: string,
      rule: Protocol.Violation["rule"],
      kind: "call" | "stream" | "dialog",
      frames: ReadonlyArray<Protocol.Frame>
    ]
  > = [
    ["answers what was never opened", "NeverOpened", "call", [exit(3)]],
    ["says Started in a call", "UnexpectedFrame", "call", [started(1)]],
    ["says Started twice", "StartedTwice", "dialog", [started(1), started(1)]],
    ["sends an item before Started", "ItemBeforeStarted", "dialog", [item(1)]],
    ["sends an item in a call", "UnexpectedFrame", "call", [item(1)]],
    [
      "sends an item without credit",
      "ItemWithoutCredit",
      "stream",
      Array.from({ length: 65 }, (_, n) => item(1, n))
    ],
    ["sends an item after End", "AfterEnd", "stream", [end(1), item(1)]],
    ["cancels", "NotTheCaller", "call", [cancel(1)]],
    ["opens the caller's dialog", "WrongParity", "call", [open(1, "Echo")]],
    ["gives up an item for another", "UnexpectedFrame", "stream", [more(1, "item"), end(1)]]
  ]
  for (const [what, rule, kind, frames] of rows) {
    it.effect(`it ${what}: ${rule}; its caller learns that it is lost, once`, () =>
      Effect.gen(function* () {
        const peer = yield* RawPeer.connect("dialled")
        const { ended, heard, on } = listener()
        const outgoing = peer.session.open(kind, { operation: "Echo", payload: bytes(1) }, on)
        assert(outgoing !== undefined)
        expect((yield* peer.nextOf("Open")).id).toBe(1)
        yield* peer.say(...frames)
        expect(yield* violation(peer)).toBe(rule)
        expect(yield* ended).toBe("Lost")
        expect(heard.filter((word) => word === "Lost")).toHaveLength(1)
        expect(peer.session.dialogs).toBe(0)
        expect(
          peer.session.open(kind, { operation: "Echo", payload: bytes(1) }, on)
        ).toBeUndefined()
      })
    )
  }
})

describe("what was said before the protocol was broken", () => {
  it.effect("counts, also if both came in one piece: the caller has its answer", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("dialled")
      const heard: Array<CallerEnd> = []
      peer.session.open(
        "call",
        { operation: "Echo", payload: bytes(1) },
        { onStarted: () => {}, onEnd: (end) => void heard.push(end) }
      )
      const { id } = yield* peer.nextOf("Open")
      const said = Codec.framed(Codec.json, {
        _tag: "Exit",
        id,
        exit: "success",
        cancelSeen: false,
        hops: [],
        payload: bytes(42)
      })
      yield* peer.write(new Uint8Array([...said, ...new Uint8Array(64).fill(254)]))
      expect(yield* violation(peer)).toBe("FrameTooLong")
      expect(heard).toMatchObject([{ _tag: "Exit", payload: bytes(42) }])
    })
  )
})

describe("any frames in any order", () => {
  const someId = fc.nat({ max: 7 })
  const someFrame = fc.oneof(
    { weight: 3, arbitrary: dialogFrame(someId) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(dialogFrame(someId), fc.constantFrom("Echo", "Hang", "Count", "Take", "Talk", "Shy"))
        .map(([frame, operation]) => (frame._tag === "Open" ? { ...frame, operation } : frame))
    },
    { weight: 1, arbitrary: frame }
  )
  const someFrames = fc.array(someFrame, { minLength: 1, maxLength: 30 })

  /** Says the frames to a session; whether it still lives, or how it has ended. */
  const endedBy = (frames: ReadonlyArray<Protocol.Frame>, peer: RawPeer.RawPeer) =>
    Effect.gen(function* () {
      for (const frame of frames) yield* peer.say(frame)
      yield* settle
      if (!peer.session.isOver) return "alive"
      const end = yield* peer.session.end
      if (end._tag === "Violation") expect(yield* violation(peer)).toBe(end.violation.rule)
      expect(peer.session.dialogs).toBe(0)
      return end._tag
    })

  const play = (frames: ReadonlyArray<Protocol.Frame>) =>
    Effect.gen(function* () {
      const callee = yield* Effect.flatMap(caller(), (peer) => endedBy(frames, peer))
      const peer = yield* RawPeer.connect("dialled")
      let ends = 0
      const listener = { onStarted: () => {}, onEnd: () => ends++ }
      for (const kind of ["call", "stream", "dialog"] as const) {
        peer.session.open(kind, { operation: "Echo", payload: bytes(1) }, listener)
      }
      yield* settle
      const asCaller = yield* endedBy(frames, peer)
      // Each is told of its end once, and all of them when the connection is over.
      if (asCaller === "alive") expect(ends).toBeLessThanOrEqual(3)
      else expect(ends).toBe(3)
      return [callee, asCaller]
    }).pipe(Effect.scoped)

  it.effect(
    "F16 end their own connection with a named reason, or do not; nothing else is harmed",
    () =>
      Effect.gen(function* () {
        const seen = new Set<string>()
        const other = yield* caller()
        const any = fc.asyncProperty(someFrames, async (frames) => {
          for (const how of await Effect.runPromise(play(frames))) seen.add(how)
        })
        yield* Effect.promise(() => Promise.resolve(fc.assert(any, { numRuns: 1000 })))
        yield* other.say(open(1, "Echo", bytes(42)))
        expect((yield* other.nextOf("Exit")).payload).toEqual(bytes(42))
        // They have come far enough to mean something.
        expect([...seen].toSorted()).toEqual(["Bye", "Violation", "alive"])
      }),
    // A thousand connections take a minute where there is little to run on.
    240_000
  )
})

describe("late frames are lawful and ignored", () => {
  it.effect("Cancel, Credit, items and parts after the Exit they crossed", () =>
    Effect.gen(function* () {
      const peer = yield* caller()
      yield* peer.say(open(1, "Echo"))
      yield* peer.nextOf("Exit")
      yield* peer.say(cancel(1), credit(1), item(1), end(1), more(1, "item"), open(1, "Echo"))
      yield* peer.say(open(3, "Echo", bytes(7)))
      const next = yield* peer.next
      expect(next).toMatchObject({ _tag: "Exit", id: 3, payload: bytes(7) })
      expect(peer.session.isOver).toBe(false)
    })
  )
})

describe("an Open's payload", () => {
  it.effect(
    "is handed out once: a dialog that stays open does not keep it, nor what it came in",
    () =>
      Effect.gen(function* () {
        const peer = yield* caller()
        const handed: Array<unknown> = []
        peer.session.callee = {
          kindOf: () => "dialog",
          refuse: unimplemented,
          onOpen: (incoming, open) => {
            expect(open.payload).toEqual(bytes(42))
            handed.push(incoming, open, open.payload)
            return { onLeft: () => {} }
          }
        }
        yield* peer.say(open(1, "Echo", bytes(42)))
        while (handed.length === 0) yield* Effect.yieldNow
        const held = reachable(peer.session)
        expect(handed.map((value) => held.has(value))).toEqual([true, false, false])
      })
  )
})

/** Everything that can be reached from a value. */
const reachable = (from: unknown): ReadonlySet<unknown> => {
  const found = new Set([from])
  for (const value of found) {
    if (typeof value !== "object" || value === null) continue
    for (const part of Object.values(value)) found.add(part)
    if (value instanceof Map) for (const part of value.values()) found.add(part)
  }
  return found
}

describe("an Open in parts", () => {
  it.effect("is put together, and other dialogs are answered meanwhile", () =>
    Effect.gen(function* () {
      const peer = yield* caller()
      const [head, tail] = [
        bytes("x".repeat(99)).subarray(0, 50),
        bytes("x".repeat(99)).subarray(50)
      ]
      yield* peer.say(more(1, "open", head), open(3, "Echo", bytes(3)))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 3 })
      yield* peer.say(open(1, "Take", tail))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 1, payload: bytes(99) })
      expect(peer.session.dialogs).toBe(0)
    })
  )

  it.effect("that is cancelled is dropped, answered, and over", () =>
    Effect.gen(function* () {
      const peer = yield* caller()
      yield* peer.say(more(1, "open"), cancel(1))
      expect(yield* peer.next).toMatchObject({
        _tag: "Exit",
        id: 1,
        exit: "cancelled",
        cancelSeen: true
      })
      expect(peer.session.dialogs).toBe(0)
      yield* peer.say(cancel(1), open(3, "Echo", bytes(3)))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 3 })
    })
  )
})

describe("operations that are not there", () => {
  it.effect("an Open for an unknown operation is answered, and the connection lives", () =>
    Effect.gen(function* () {
      const peer = yield* caller()
      yield* peer.say(open(1, "Nonsense"), open(3, "Echo", bytes(3)))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 1, exit: "unimplemented" })
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 3, exit: "success" })
      expect(peer.session.dialogs).toBe(0)
    })
  )

  it.effect("without anybody to answer, none is implemented", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("accepted")
      yield* peer.say(open(1, "Echo"))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 1, exit: "unimplemented" })
    })
  )
})

describe("as many dialogs as are taken", () => {
  it.effect("one more is Overloaded, in one piece or in parts, until one has ended", () =>
    Effect.gen(function* () {
      const peer = yield* caller({ settings: { dialogs: 2 } })
      yield* peer.say(open(1, "Hang"), more(3, "open"), open(5, "Echo"), more(7, "open"))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 5, exit: "overloaded" })
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 7, exit: "overloaded" })
      // The rest of the refused value is late.
      yield* peer.say(more(7, "open"), open(7, "Echo"), cancel(3))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 3, exit: "cancelled" })
      yield* peer.say(open(9, "Echo", bytes(9)))
      expect(yield* peer.next).toMatchObject({ _tag: "Exit", id: 9, payload: bytes(9) })
    })
  )

  it.effect("a caller meets it as PortalError Overloaded, at once, and can go on", () =>
    Effect.gen(function* () {
      const pair = yield* connect(Worker, WorkerLive(), { settings: { dialogs: 2 } })
      const hanging = yield* Effect.forkChild(
        Effect.all([pair.client.Hang(1), pair.client.Hang(2)], { concurrency: 2 }),
        { startImmediately: true }
      )
      const error = yield* Effect.flip(pair.client.Echo(3))
      expect(error.reason._tag).toBe("Overloaded")
      yield* Fiber.interrupt(hanging)
      expect(yield* pair.client.Echo(4)).toBe(4)
    })
  )
})

describe("a large value", () => {
  it.effect("D10 leaves others their turn after each write, also where all is taken at once", () =>
    Effect.gen(function* () {
      const pair = yield* connect(Worker, WorkerLive())
      const saying = yield* Effect.forkChild(pair.client.Take("x".repeat(4_000_000)), {
        startImmediately: true
      })
      let parts = 0
      let most = 0
      while (saying.pollUnsafe() === undefined) {
        yield* Effect.yieldNow
        const now = pair.count("More")
        most = Math.max(most, now - parts)
        parts = now
      }
      expect(yield* Fiber.join(saying)).toBe(4_000_000)
      expect(parts).toBeGreaterThan(100)
      expect(most).toBeLessThanOrEqual(3)
    })
  )
})

describe("what a session has read", () => {
  it.effect("stays as it came when the place that it was read into is used again", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("accepted", { codec: Codec.binary, isLent: true })
      const incoming: Array<Incoming> = []
      const opened: Array<Uint8Array> = []
      peer.session.callee = {
        kindOf: () => "dialog",
        refuse: unimplemented,
        onOpen: (dialog, { payload }) => {
          incoming.push(dialog)
          opened.push(payload)
          const { end, id } = dialog
          end.say({ _tag: "Started", id, window: end.window, payload: nothing })
          return { onLeft: () => {} }
        }
      }
      // Around 8 KiB, from where on a frame is not copied out of what was read.
      const lengths = [10, 8150, 8170, 8175, 8180, 8185, 8190, 8192, 8193, 9000, 30_000, 60_000]
      const values = lengths.map((length, index) => new Uint8Array(length).fill(index + 1))
      for (const [index, value] of values.entries()) {
        const id = 2 * index + 1
        const first = value.subarray(0, -30_000)
        const last = value.subarray(-30_000)
        if (first.length === 0) yield* peer.say(open(id, "Talk", value), itemOf(id, value))
        else {
          yield* peer.say(more(id, "open", first), open(id, "Talk", last))
          yield* peer.say(more(id, "item", first), itemOf(id, last))
        }
      }
      while (incoming.length < values.length) yield* Effect.yieldNow
      expect(opened).toEqual(values)
      const items = yield* Effect.forEach(incoming, ({ end }) => end.take(1))
      expect(items).toEqual(values.map((value) => [value]))
    })
  )

  it.effect("a last word too, when it gives up a value that is under way", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("dialled", { codec: Codec.binary, isLent: true })
      const ends: Array<CallerEnd> = []
      peer.session.open(
        "stream",
        { operation: "Count", payload: nothing },
        { onStarted: () => {}, onEnd: (end) => void ends.push(end) }
      )
      const { id } = yield* peer.nextOf("Open")
      const payload = new Uint8Array(30_000).fill(7)
      yield* peer.say(more(id, "item", payload), { ...exit(id), payload })
      while (ends.length === 0) yield* Effect.yieldNow
      expect(ends).toEqual([expect.objectContaining({ payload })])
    })
  )
})

describe("credit", () => {
  it.effect(
    "is given back for half of the items of a window, or for three quarters of its bytes",
    () =>
      Effect.gen(function* () {
        const peer = yield* RawPeer.connect("dialled", { codec: Codec.binary })
        const credits = Effect.fnUntraced(function* (length: number, count: number) {
          const live = peer.session.open(
            "stream",
            { operation: "Count", payload: nothing },
            { onStarted: () => {}, onEnd: () => {} }
          )
          const { id } = yield* peer.nextOf("Open")
          const payload = new Uint8Array(length)
          for (let at = 0; at < count; at++) {
            yield* peer.say(itemOf(id, payload))
            yield* live!.end.take(1)
          }
          // What was taken last is out when the next is asked for.
          yield* Effect.forkChild(live!.end.take(1), { startImmediately: true })
          return yield* peer.nextOf("Credit")
        })
        expect(yield* credits(1, 32)).toMatchObject({ items: 32, bytes: 32 })
        expect(yield* credits(32_768, 6)).toMatchObject({ items: 6, bytes: 196_608 })
        expect(yield* credits(262_144, 1)).toMatchObject({ items: 1, bytes: 262_144 })
      })
  )
})

describe("what a session has written", () => {
  const lengthsAfter = Effect.fnUntraced(function* (isCopied: boolean) {
    const peer = yield* RawPeer.connect("dialled", { codec: Codec.binary, isCopied })
    const listener = { onStarted: () => {}, onEnd: () => {} }
    const given = [8191, 8192, 100_000].map((length) => new Uint8Array(length).fill(7))
    const encoded = yield* Effect.forEach(given, Codec.binary.payload(Schema.Uint8Array).encode)
    for (const payload of [...given, ...encoded]) {
      let left = payload.length
      peer.session.open("call", { operation: "Take", payload }, listener)
      while (left > 0) {
        const frame = yield* peer.next
        assert(frame?._tag === "More" || frame?._tag === "Open")
        expect(frame.payload).toEqual(new Uint8Array(frame.payload.length).fill(7))
        left -= frame.payload.length
      }
    }
    // Whatever it is told of the last write, it is told before it writes again.
    peer.session.close("ended")
    yield* peer.nextOf("Bye")
    return {
      given: given.map(({ length }) => length),
      encoded: encoded.map(({ length }) => length)
    }
  })

  it.effect("is given back if it is its own copy of many bytes, and the socket has another", () =>
    Effect.gen(function* () {
      const given = [8191, 8192, 100_000]
      expect(yield* lengthsAfter(true)).toEqual({ given, encoded: [8191, 0, 0] })
      expect(yield* lengthsAfter(false)).toEqual({ given, encoded: given })
    })
  )
})

describe("the window for Opens", () => {
  it.effect("Opens wait at their sender while payloads are not taken; other words do not", () =>
    Effect.gen(function* () {
      const latch = Latch.makeUnsafe(false)
      const pair = yield* connect(Worker, WorkerLive(latch.await, 1), {
        settings: { window: 100_000 }
      })
      const text = "x".repeat(60_000)
      const calls = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 5 }, () => pair.client.Take(text)),
          { concurrency: "unbounded" }
        ),
        { startImmediately: true }
      )
      // The first is taken by its handler; the second fits into the window, the third goes beyond it.
      const opened = () => pair.said.filter(({ frame }) => frame._tag === "Open").length
      yield* settle
      expect(opened()).toBeLessThanOrEqual(3)
      expect(opened()).toBeGreaterThanOrEqual(2)
      const waiting = yield* Effect.forkChild(pair.client.Take(text), { startImmediately: true })
      yield* settle
      expect(opened()).toBeLessThanOrEqual(3)
      // One that waits can be given up, and leaves no trace.
      const before = pair.count("Cancel")
      yield* Fiber.interrupt(waiting)
      expect(pair.count("Cancel")).toBe(before)
      latch.openUnsafe()
      expect(yield* Fiber.join(calls)).toEqual(Array.from({ length: 5 }, () => 60_000))
      expect(opened()).toBe(5)
      expect(pair.caller.dialogs).toBe(0)
      expect(pair.callee.dialogs).toBe(0)
    })
  )

  it.effect("a caller that does not wait for room ends its own connection: OpenWithoutRoom", () =>
    Effect.gen(function* () {
      const latch = Latch.makeUnsafe(false)
      const peer = yield* caller({
        settings: { window: 40, value: 60 },
        release: latch.await,
        concurrency: 1
      })
      const text = bytes("x".repeat(48))
      // The first is with its handler, whose room comes back; the second and the third may wait there.
      yield* peer.say(open(1, "Take", text))
      expect(yield* peer.nextOf("Credit")).toMatchObject({ id: 0, bytes: text.length })
      yield* peer.say(more(3, "open", text.subarray(0, 20)), open(3, "Take", text.subarray(20)))
      yield* peer.say(open(5, "Take", text))
      yield* settle
      expect(peer.session.isOver).toBe(false)
      yield* peer.say(open(7, "Echo"))
      expect(yield* violation(peer)).toBe("OpenWithoutRoom")
    })
  )

  it.effect("the room of refused, cancelled and late Opens comes back", () =>
    Effect.gen(function* () {
      // A quarter of this window is a byte: all room is given back at once.
      const peer = yield* caller({ settings: { window: 4, dialogs: 1 } })
      const value = new Uint8Array(60).fill(32)
      const returned = (bytes: number): Effect.Effect<void> =>
        bytes === 0
          ? Effect.void
          : Effect.flatMap(peer.nextOf("Credit"), (credit) => {
              expect(credit.id).toBe(0)
              expect(credit.bytes).toBeLessThanOrEqual(bytes)
              return returned(bytes - credit.bytes)
            })
      yield* peer.say(open(1, "Hang"))
      yield* returned(1)
      // Refused, in one piece and in parts.
      yield* peer.say(open(3, "Echo", value), more(5, "open", value), open(5, "Echo", value))
      yield* returned(180)
      // Cancelled between its parts.
      yield* peer.say(cancel(1))
      yield* peer.nextOf("Exit")
      yield* peer.say(more(7, "open", value), cancel(7), open(9, "Nonsense", value))
      yield* returned(120)
      // Never decoded.
      yield* peer.say(open(11, "Echo", value))
      yield* returned(60)
    })
  )
})

const settle = Effect.repeat(Effect.yieldNow, { times: 200 })

describe("the end", () => {
  it.effect("an end of file without Bye is a loss; with it, it is not", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("dialled")
      yield* peer.say({ _tag: "Bye", why: "ended", detail: "", payload: nothing })
      expect((yield* peer.session.end)._tag).toBe("Bye")

      const pair = yield* connect(Worker, WorkerLive())
      yield* pair.sever
      expect((yield* pair.caller.end)._tag).toBe("Lost")
      expect((yield* pair.callee.end)._tag).toBe("Lost")
    })
  )

  it.effect(
    "D15 after 5000 dialogs of every kind nothing is left in the tables",
    () =>
      Effect.gen(function* () {
        const pair = yield* connect(Worker, WorkerLive(), { codec: Codec.binary })
        const round = Effect.all(
          [
            pair.client.Echo(1),
            Stream.runDrain(pair.client.Count(3)),
            Stream.runDrain(Stream.take(pair.client.Count(200), 1)),
            Effect.scoped(pair.client.Talk(1)),
            Effect.flatMap(
              Effect.forkChild(pair.client.Hang(1), { startImmediately: true }),
              Fiber.interrupt
            )
          ],
          { concurrency: "unbounded", discard: true }
        )
        yield* Effect.replicateEffect(round, 1000, { concurrency: 20, discard: true })
        expect(pair.caller.dialogs).toBe(0)
        expect(pair.callee.dialogs).toBe(0)
      }),
    60_000
  )
})
