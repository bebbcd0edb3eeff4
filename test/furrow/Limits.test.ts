/** What one end takes of the other: beyond each limit there is a refusal with a name, and nobody else is harmed. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import { DecodeError, EncodeError } from "furrow/CodecError"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { Codec, Framing, Protocol } from "furrow/protocol"
import { makeServer } from "furrow/Routers"
import * as SessionLimits from "furrow/SessionLimits"
import { TestWorld } from "furrow/testing"
import { HandshakeRefused } from "furrow/TreeError"
import { held } from "../soak/Memory.ts"
import * as RawPeer from "./RawPeer.ts"
import { connect, lifeOf } from "./RouterPair.ts"

interface Chain {
  readonly n: number
  readonly next: Chain | null
}
const Chain: Schema.Codec<Chain> = Schema.Struct({
  n: Schema.Int,
  next: Schema.NullOr(Schema.suspend(() => Chain))
})

/** No class: an instance too deep could not even be made. */
const Broken = Schema.Struct({ chain: Chain })

const Echo = Rpc.make("Echo", { payload: Schema.Int, success: Schema.Int })
const EchoJson = Rpc.make("EchoJson", { payload: Schema.Json, success: Schema.Json })
const EchoChain = Rpc.make("EchoChain", { payload: Chain, success: Schema.Int })
const MakeChain = Rpc.make("MakeChain", { payload: Schema.Int, success: Chain })
const Fail = Rpc.make("Fail", { payload: Schema.Int, error: Broken })
const Die = Rpc.make("Die", { payload: Schema.Literals(["causes", "fields", "circle", "both"]) })
const Hang = Rpc.make("Hang")
const Flood = Rpc.make("Flood", { success: Schema.String, stream: true })
const Talk = Dialog.make("Talk", { fromCaller: Schema.Int, fromCallee: Schema.Int })

class Worker extends Actor.make("Worker", [
  Echo,
  EchoJson,
  EchoChain,
  MakeChain,
  Fail,
  Die,
  Hang,
  Flood,
  Talk
]) {}

const chain = (length: number): Chain => {
  let made: Chain = { n: 0, next: null }
  for (let n = 1; n < length; n++) made = { n, next: made }
  return made
}

const brackets = (depth: number): Schema.Json => {
  let made: Schema.Json = []
  for (let n = 1; n < depth; n++) made = [made]
  return made
}

const text = (json: string) => new TextEncoder().encode(json)
const bracketsText = (depth: number) => text("[".repeat(depth) + "]".repeat(depth))

const Deep = 100_000

const defectOf = (how: "causes" | "fields" | "circle" | "both"): unknown => {
  const error = new Error("outermost") as Error & Record<string, unknown>
  if (how === "circle") error["self"] = { error, list: [error] }
  if (how === "fields" || how === "both") error["fields"] = brackets(Deep)
  if (how === "causes" || how === "both") {
    let last: Error = error
    // Their stacks would take longer than all the rest.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    for (let n = 0; n < Deep; n++) last = last.cause = new Error(`cause ${n}`)
    Error.stackTraceLimit = stackTraceLimit
  }
  return error
}

/** How many items the flood has been able to send. */
const flooded = { items: 0 }

const WorkerLive = Worker.toLayer({
  Echo: (n) => Effect.succeed(n),
  EchoJson: (json) => Effect.succeed(json),
  EchoChain: () => Effect.succeed(1),
  MakeChain: (length) => Effect.sync(() => chain(length)),
  Fail: (length) => Effect.fail({ chain: chain(length) }),
  Die: (how) => Effect.die(defectOf(how)),
  Hang: () => Effect.never,
  Flood: () =>
    Stream.fromEffect(
      Effect.sync(() => {
        flooded.items++
        return "x".repeat(1000)
      })
    ).pipe(Stream.forever),
  Talk: (_, dialog) => Effect.flatMap(dialog.accept(), () => Effect.never)
})

/** A raw caller of a worker. */
const caller = Effect.fnUntraced(function* (options?: Parameters<typeof RawPeer.connect>[1]) {
  const peer = yield* RawPeer.connect("accepted", options)
  const context = yield* Layer.build(WorkerLive)
  const server = yield* makeServer(Worker, Context.get(context, Worker.Service), lifeOf("worker"))
  server.attach(peer.session)
  return peer
})

const settle = Effect.repeat(Effect.yieldNow, { times: 300 })

const open = (
  id: number,
  operation: string,
  payload: Uint8Array,
  window: Protocol.Window = { items: 0, bytes: 0 }
): Protocol.Frame => ({ _tag: "Open", id, operation, window, payload })

const defect = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert(Exit.isFailure(exit))
  const die = exit.cause.reasons.find(Cause.isDieReason)
  assert(die !== undefined)
  return die.defect
}

/** The rule that ended the session. */
const violation = Effect.fnUntraced(function* (peer: RawPeer.RawPeer) {
  const ended = yield* peer.session.end
  assert(ended._tag === "Violation")
  return ended.violation
})

describe("session limits", () => {
  it("the defaults are those of the protocol, and each has a range that is told", () => {
    expect(SessionLimits.settingsOf(SessionLimits.defaults)).toEqual(Protocol.DefaultSettings)
    expect(SessionLimits.make({})).toEqual(SessionLimits.defaults)
    for (const [limits, says] of [
      [{ dialogs: 0 }, /"dialogs" .* at least 1, and it is 0/],
      [{ window: { items: 64, bytes: 0.5 } }, /"window.bytes" .* it is 0.5/],
      [{ frame: 1000 }, /"frame" .* from 131072 to 1048576, and it is 1000/],
      [{ frame: 2_000_000 }, /"frame"/],
      [{ depth: 3 }, /"depth" .* from 64 to 512/],
      [{ value: Infinity }, /"value" .* it is Infinity/]
    ] as const) {
      expect(() => SessionLimits.make(limits)).toThrow(says)
    }
  })

  it.effect("a Layer around the spawn, and the program of the actor, say what each end takes", () =>
    Nursery.run(
      Effect.gen(function* () {
        const worker = yield* Nursery.spawn(Worker).pipe(
          Effect.provide(SessionLimits.layer({ value: 2000 }))
        )
        // What the actor takes.
        const hanging = yield* Effect.forkChild(
          Effect.all([worker.client.Hang(), worker.client.Hang()], { concurrency: 2 }),
          { startImmediately: true }
        )
        yield* settle
        expect((yield* Effect.flip(worker.client.Echo(1))).reason._tag).toBe("Overloaded")
        yield* Fiber.interrupt(hanging)
        expect(yield* worker.client.Echo(1)).toBe(1)
        // What its parent takes.
        const long = yield* Effect.exit(worker.client.EchoJson("x".repeat(2500)))
        const error = defect(long)
        expect(error).toMatchObject({ name: "EncodeError" })
        expect(String(error)).toContain("takes at most 2000")
      })
    ).pipe(
      Effect.provide(TestWorld.layer([Worker.program(WorkerLive, { limits: { dialogs: 2 } })]))
    )
  )

  it.effect("the window of a dialog is what the limits say, in both directions", () =>
    Effect.gen(function* () {
      const pair = yield* connect(Worker, WorkerLive)
      const talk = yield* pair.client.Talk()
      for (const n of [1, 2, 3]) yield* talk.send(n)
      const fourth = yield* Effect.forkChild(talk.send(4), { startImmediately: true })
      yield* settle
      expect(fourth.pollUnsafe()).toBeUndefined()
      const opened = pair.said.find(({ frame }) => frame._tag === "Open")
      expect(opened?.frame).toMatchObject({ window: { items: 3, bytes: 5000 } })
    }).pipe(Effect.provide(SessionLimits.layer({ window: { items: 3, bytes: 5000 } })))
  )

  it.effect("arguments that have no room in the actor's frames refuse the spawn by name", () => {
    class Wide extends Actor.make("Wide", [Echo], { arguments: { text: Schema.String } }) {}
    const live = Wide.toLayer({ Echo: (n) => Effect.succeed(n) })
    const spawn = (length: number) =>
      Nursery.spawn(Wide, { arguments: { text: "x".repeat(length) } })
    return Nursery.run(
      Effect.gen(function* () {
        const small = yield* spawn(60_000)
        expect(yield* small.client.Echo(1)).toBe(1)
        const { reason } = yield* Effect.flip(spawn(70_000))
        assert(reason instanceof HandshakeRefused)
        expect(reason.detail).toMatch(/arguments take 70011 bytes, .* at most 65536/)
      })
    ).pipe(Effect.provide(TestWorld.layer([Wide.program(live, { limits: { frame: 131_072 } })])))
  })

  it.effect("F15 a frame longer than this end takes closes the connection before it has come", () =>
    Effect.gen(function* () {
      const peer = yield* caller({ settings: { frame: 131_072 } })
      yield* peer.write(new Uint8Array([0, 2, 0, 1]))
      expect((yield* violation(peer)).rule).toBe("FrameTooLong")
    })
  )

  it.effect("F15 a length of 4 GiB is refused at its fourth byte", () =>
    Effect.gen(function* () {
      const peer = yield* caller()
      for (let n = 0; n < 3; n++) yield* peer.write(new Uint8Array([255]))
      yield* settle
      expect(peer.session.isOver).toBe(false)
      yield* peer.write(new Uint8Array([255]))
      expect(yield* violation(peer)).toMatchObject({
        rule: "FrameTooLong",
        detail: expect.stringContaining("4294967295 bytes") as string
      })
    })
  )
})

describe("depth", () => {
  for (const codec of [Codec.json, Codec.binary]) {
    it.effect(`F15 values nested too deep end their own dialog with a name, in ${codec.name}`, () =>
      Effect.gen(function* () {
        const { client } = yield* connect(Worker, WorkerLive, { codec })
        const tooDeep = /nested too deep, or contains itself/
        for (const [exit, type, says] of [
          [yield* Effect.exit(client.EchoJson(brackets(Deep))), "EncodeError", tooDeep],
          [yield* Effect.exit(client.EchoChain(chain(Deep))), "EncodeError", tooDeep],
          [yield* Effect.exit(client.MakeChain(Deep)), "EncodeError", tooDeep],
          [yield* Effect.exit(client.EchoJson(brackets(300))), "DecodeError", /deeper than 200/],
          [yield* Effect.exit(client.EchoChain(chain(220))), "DecodeError", /deeper than 200/],
          [yield* Effect.exit(client.MakeChain(220)), "DecodeError", /deeper than 200/]
        ] as const) {
          const error = defect(exit)
          expect(error).toMatchObject({ name: type })
          expect(String(error)).toMatch(says)
        }
        expect(yield* client.EchoJson(brackets(190))).toEqual(brackets(190))
        expect(yield* client.EchoChain(chain(190))).toBe(1)
        expect((yield* client.MakeChain(190)).n).toBe(189)
        expect(yield* client.Echo(1)).toBe(1)
      })
    )

    it.effect(
      `F15 what fails too deep is told as far as it can be, in ${codec.name}: errors, causes, fields, circles`,
      () =>
        Effect.gen(function* () {
          const { client } = yield* connect(Worker, WorkerLive, { codec })
          for (const how of ["causes", "fields", "circle", "both"] as const) {
            const error = defect(yield* Effect.exit(client.Die(how)))
            assert(error instanceof Error)
            expect(error.message).toBe("outermost")
            expect(Cause.pretty(Cause.die(error))).toContain("outermost")
          }
          const deep = defect(yield* Effect.exit(client.Fail(Deep)))
          expect(String(deep)).toMatch(
            /did not fit its operation's error schema where it was raised/
          )
          const deeper = defect(yield* Effect.exit(client.Fail(220)))
          expect(deeper).toBeInstanceOf(DecodeError)
          const fits = yield* Effect.flip(client.Fail(100))
          expect(fits).toEqual({ chain: chain(100) })
          expect(yield* client.Echo(1)).toBe(1)
        })
    )
  }

  it.effect(
    "F15 payloads written by hand, 100 000 deep, are refused by dialog, before they are read",
    () =>
      Effect.gen(function* () {
        const peer = yield* caller()
        const chainText = text('{"n":1,"next":'.repeat(Deep) + "null" + "}".repeat(Deep))
        const payloads = [
          bracketsText(Deep),
          text("[".repeat(Deep)),
          text('{"a":['.repeat(Deep)),
          text(`["\\\\\\"[[[", ${"[".repeat(Deep)}`)
        ]
        let id = 1
        for (const [operation, payload] of [
          ...payloads.map((payload) => ["EchoJson", payload] as const),
          ["EchoChain", chainText] as const
        ]) {
          // A frame is shorter than some of these.
          const parts = Math.ceil(payload.length / 500_000)
          for (let part = 0; part < parts - 1; part++) {
            const bytes = payload.subarray(part * 500_000, (part + 1) * 500_000)
            yield* peer.say({ _tag: "More", id, lane: "open", payload: bytes })
          }
          yield* peer.say(open(id, operation, payload.subarray((parts - 1) * 500_000)))
          const exit = yield* peer.nextOf("Exit")
          expect(exit).toMatchObject({ id, exit: "failure" })
          expect(new TextDecoder().decode(exit.payload)).toContain("nested deeper than 200 levels")
          id += 2
        }
        // Brackets inside of a text are text.
        const harmless = text(JSON.stringify("[{".repeat(Deep) + '\\"'))
        yield* peer.say(open(id, "EchoJson", harmless))
        expect(yield* peer.nextOf("Exit")).toMatchObject({ id, exit: "success" })
      })
  )

  for (const codec of [Codec.json, Codec.binary]) {
    it.effect(`F15 what travels beside a payload may nest as it likes, in ${codec.name}`, () =>
      Effect.gen(function* () {
        const peer = yield* caller({ codec })
        const payload = yield* codec.payload(Schema.Int).encode(1)
        // By hand: our own encoder has no stack for it.
        const frame = new TextDecoder().decode(
          Codec.encodeFrame(Codec.json, {
            ...open(1, "Echo", text("1")),
            travelling: { x: "@" }
          } as Protocol.Frame)
        )
        const body = text(frame.replace('"@"', "[".repeat(Deep) + "]".repeat(Deep)))
        if (codec === Codec.json) yield* peer.write(Framing.join([body]))
        else yield* peer.say(open(1, "Echo", payload))
        const answer = yield* peer.next
        if (answer?._tag === "Bye") expect(answer.detail).toContain("MalformedFrame")
        else expect(answer).toMatchObject({ _tag: "Exit", id: 1, exit: "success" })
      })
    )
  }
})

describe("memory", () => {
  it("F15 a value in a million parts of a byte takes no more room than twice its length", () => {
    const chunk = new Uint8Array(1_000_000).fill(7)
    const parts = new Framing.Parts()
    const before = held()
    for (let n = 0; n < chunk.length; n++) parts.push(chunk.slice(n, n + 1))
    expect(held() - before).toBeLessThan(2 * chunk.length)
    expect(parts.length).toBe(chunk.length)
    const whole = parts.join(new Uint8Array([8]))
    expect(whole.length).toBe(chunk.length + 1)
    expect([whole[0], whole[999_999], whole[1_000_000]]).toEqual([7, 7, 8])
  })

  it.effect("F13 a peer that takes any number of items and reads none makes its callee wait", () =>
    Effect.gen(function* () {
      const gate = Latch.makeUnsafe(true)
      const peer = yield* caller({ gate })
      yield* gate.close
      flooded.items = 0
      const all = Number.MAX_SAFE_INTEGER
      yield* peer.say(open(1, "Flood", text("null"), { items: all, bytes: all }))
      yield* settle
      const waiting = flooded.items
      yield* settle
      expect(flooded.items).toBe(waiting)
      // A window that is not written, and what is between the handler and the window.
      expect(waiting).toBeLessThan(300)
      yield* gate.open
      yield* peer.nextOf("Item")
      yield* settle
      expect(flooded.items).toBeGreaterThan(waiting)
      yield* peer.say({ _tag: "Cancel", id: 1, by: { path: "raw", incarnation: "raw" }, hops: [] })
      yield* peer.nextOf("Exit")
    })
  )

  it.effect("F15 a peer that speaks and does not read ends its own connection: NotReading", () =>
    Effect.gen(function* () {
      const gate = Latch.makeUnsafe(true)
      const peer = yield* caller({ gate, settings: { dialogs: 10 } })
      const other = yield* caller()
      yield* gate.close
      const pings = Framing.join(
        Array.from({ length: 10_000 }, () => Codec.encodeFrame(Codec.json, { _tag: "Ping" }))
      )
      for (let n = 0; n < 7 && !peer.session.isOver; n++) {
        yield* peer.write(pings.slice())
        yield* settle
      }
      expect((yield* violation(peer)).rule).toBe("NotReading")
      yield* other.say(open(1, "Echo", text("1")))
      expect(yield* other.nextOf("Exit")).toMatchObject({ exit: "success" })
      yield* gate.open
    })
  )

  it.effect(
    "dialogs whose last word is not written count: a peer that does not read is Overloaded",
    () =>
      Effect.gen(function* () {
        const gate = Latch.makeUnsafe(true)
        const peer = yield* caller({ gate, settings: { dialogs: 2 } })
        yield* gate.close
        for (let id = 1; id <= 9; id += 2) {
          yield* peer.say(open(id, "Echo", text("1")))
          yield* settle
        }
        yield* gate.open
        const exits: Array<string> = []
        for (let n = 0; n < 5; n++) exits.push((yield* peer.nextOf("Exit")).exit)
        expect(exits).toContain("overloaded")
        expect(exits.filter((exit) => exit === "success").length).toBeGreaterThanOrEqual(2)
        yield* peer.say(open(11, "Echo", text("1")))
        expect((yield* peer.nextOf("Exit")).exit).toBe("success")
      })
  )
})

it.effect("an EncodeError and a DecodeError are those of the dialog that they happen in", () =>
  Effect.gen(function* () {
    const { client } = yield* connect(Worker, WorkerLive)
    const local = defect(yield* Effect.exit(client.EchoChain(chain(Deep))))
    expect(local).toBeInstanceOf(EncodeError)
    expect(local).toMatchObject({ operation: "Worker.EchoChain", lane: "payload" })
  })
)
