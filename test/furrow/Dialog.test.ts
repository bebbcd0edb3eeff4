/** The ends of dialogs under interruption at every moment, in regions that cannot be interrupted, and at their edges. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Actor from "furrow/Actor"
import { DecodeError } from "furrow/CodecError"
import * as Deadline from "furrow/Deadline"
import * as Dialog from "furrow/Dialog"
import { PortalError } from "furrow/PortalError"
import { Reasons } from "furrow/protocol"
import { makeClient } from "furrow/Routers"
import * as SettlingClock from "furrow/testing/SettlingClock"
import * as RawPeer from "./RawPeer.ts"
import { connect, lifeOf } from "./RouterPair.ts"

/** An integer that takes a few scheduler turns to read and to write. */
const SlowInt = Schema.Int.pipe(
  Schema.decodeTo(Schema.Int, {
    decode: SchemaGetter.transformEffect((n) => Effect.as(turns(3), n)),
    encode: SchemaGetter.transformEffect((n) => Effect.as(turns(3), n))
  })
)

const turns = (times: number) => Effect.repeat(Effect.yieldNow, { times })

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

const Work = Rpc.make("Work", { payload: SlowInt, success: SlowInt, error: Refused })
const Count = Rpc.make("Count", {
  payload: SlowInt,
  success: SlowInt,
  error: Refused,
  stream: true
})
const Talk = Dialog.make("Talk", {
  payload: SlowInt,
  started: SlowInt,
  fromCaller: SlowInt,
  fromCallee: SlowInt,
  success: SlowInt,
  error: Refused
})

class Worker extends Actor.make("Worker", [Work, Count, Talk]) {}

type Handlers = Actor.HandlersFrom<Actor.OperationsOf<typeof Worker>>

const worker = (own: Partial<Handlers>, options?: { readonly concurrency?: number }) =>
  Worker.toLayer(
    {
      Work: (n) => Effect.succeed(n),
      Count: (n) => Stream.range(1, n),
      Talk: (n, dialog) => Effect.as(dialog.accept(n), n),
      ...own
    },
    options
  )

/** A test in which `TestClock.adjust` first lets everything arrive that is under way. */
const settling = <A, E>(name: string, test: () => Effect.Effect<A, E, Scope.Scope>) =>
  it.effect(name, () =>
    Effect.flatMap(SettlingClock.make, (time) => Effect.provideContext(Effect.suspend(test), time))
  )

const settle = TestClock.adjust(0)

const reasonsOf = <A, E>(exit: Exit.Exit<A, E>) => {
  assert(Exit.isFailure(exit))
  return exit.cause.reasons
}

// ---------------------------------------------------------------------------------------------------------------------

describe("D1 interrupted at any moment, a caller goes on when the callee's finalizers have run", () => {
  /** A worker that counts what it holds; each handler holds something for a few turns, and lets go in a few. */
  const holding = () => {
    let held = 0
    const hold = Effect.acquireRelease(
      Effect.sync(() => void held++),
      () =>
        Effect.andThen(
          turns(4),
          Effect.sync(() => void held--)
        )
    )
    const layer = worker({
      Work: (n) => Effect.andThen(hold, Effect.as(turns(6), n)),
      Count: (n) =>
        Stream.unwrap(
          Effect.as(
            hold,
            Stream.tap(Stream.range(1, n), () => turns(1))
          )
        ),
      Talk: (n, dialog) =>
        Effect.gen(function* () {
          yield* hold
          const { messages, send } = yield* dialog.accept(n)
          yield* Stream.runForEach(messages, send)
          return n
        })
    })
    return { layer, held: () => held }
  }

  type Client = Actor.Client<Actor.OperationsOf<typeof Worker>>
  const ways: Readonly<Record<string, (client: Client) => Effect.Effect<unknown, unknown>>> = {
    "a call": (client) => client.Work(1),
    "a stream": (client) => Stream.runDrain(client.Count(4)),
    "a dialog's block": (client) =>
      client.Talk(1).pipe(
        Dialog.use(
          Effect.fnUntraced(function* (talk) {
            yield* talk.send(1)
            yield* Stream.runDrain(Stream.take(talk.messages, 1))
            yield* talk.end
            return yield* talk.result
          })
        )
      ),
    "a dialog in a scope": (client) =>
      Effect.scoped(
        Effect.flatMap(client.Talk(1), (talk) => Effect.andThen(talk.send(1), turns(5)))
      )
  }
  for (const [name, way] of Object.entries(ways)) {
    it.effect(`${name}, step by step`, () =>
      Effect.gen(function* () {
        const { held, layer } = holding()
        const pair = yield* connect(Worker, layer)
        let steps = 0
        let ended = false
        for (; !ended; steps++) {
          assert(steps < 500, "it never ends")
          const fiber = yield* Effect.forkChild(way(pair.client))
          for (let step = 0; step < steps; step++) yield* Effect.yieldNow
          ended = fiber.pollUnsafe() !== undefined
          yield* Fiber.interrupt(fiber)
          expect([steps, held(), pair.caller.dialogs]).toEqual([steps, 0, 0])
          // The Exit has been said, so the callee's end is over, too.
          expect(pair.callee.dialogs).toBe(0)
        }
        expect(steps).toBeGreaterThan(20)
      })
    )
  }

  settling("an Open that is cancelled before it is written leaves no trace", () =>
    Effect.gen(function* () {
      let ran = 0
      const pair = yield* connect(Worker, worker({ Work: () => Effect.sync(() => ++ran) }))
      for (const way of Object.values(ways)) {
        const fiber = yield* Effect.forkChild(way(pair.client), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
      }
      yield* settle
      expect(ran).toBe(0)
      expect(pair.said).toEqual([])
      expect(pair.caller.dialogs).toBe(0)
    })
  )
})

describe("a callee that cannot be interrupted", () => {
  settling("and waits for a message, or for room, is told that its caller has gone", () =>
    Effect.gen(function* () {
      const ended: Array<Exit.Exit<unknown, unknown>> = []
      const pair = yield* connect(
        Worker,
        worker({
          Talk: (n, dialog) =>
            Effect.gen(function* () {
              const { messages, send } = yield* dialog.accept(n)
              return yield* n === 1
                ? Effect.as(Stream.runDrain(messages), 1)
                : Effect.forever(send(n))
            }).pipe(
              Effect.onExit((exit) => Effect.sync(() => void ended.push(exit))),
              Effect.uninterruptible
            )
        })
      )
      for (const n of [1, 2]) {
        const fiber = yield* Effect.forkChild(
          pair.client.Talk(n).pipe(Dialog.use(() => Effect.never))
        )
        yield* settle
        yield* Fiber.interrupt(fiber)
        expect(pair.callee.dialogs).toBe(0)
      }
      yield* Effect.forkChild(
        Effect.forEach([1, 2], (n) => pair.client.Talk(n).pipe(Dialog.use(() => Effect.never)), {
          concurrency: 2
        })
      )
      yield* settle
      yield* pair.sever
      yield* settle
      expect(ended).toHaveLength(4)
      for (const exit of ended) {
        expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      }
    })
  )

  settling("and streams without end, ends when its caller has gone", () =>
    Effect.gen(function* () {
      const pair = yield* connect(
        Worker,
        worker({ Count: () => Rpc.uninterruptible(Stream.forever(Stream.succeed(1))) })
      )
      expect(yield* Stream.runCount(Stream.take(pair.client.Count(1), 100))).toBe(100)
      expect(pair.callee.dialogs).toBe(0)
    })
  )

  settling("makes its caller wait for the bound, which is an option, and says so", () =>
    Effect.gen(function* () {
      const release = Latch.makeUnsafe(false)
      const pair = yield* connect(
        Worker,
        worker({ Work: (n) => Rpc.uninterruptible(Effect.as(release.await, n)) })
      )
      const fiber = yield* Effect.forkChild(
        Effect.provideService(pair.client.Work(1), Deadline.JoinBound, "500 millis")
      )
      yield* settle
      fiber.interruptUnsafe()
      yield* TestClock.adjust("499 millis")
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      const exit = fiber.pollUnsafe()
      assert(exit !== undefined)
      const [reason] = reasonsOf(exit)
      assert(reason !== undefined && Cause.isInterruptReason(reason))
      const note = Cause.reasonAnnotations(reason)
      expect(note.mapUnsafe.get(Reasons.NotJoined.key)).toMatchObject({
        operation: "Work",
        waited: 500
      })
      release.openUnsafe()
      yield* settle
      expect(pair.caller.dialogs).toBe(0)
    })
  )
})

describe("after cancel", () => {
  settling("items that were under way are let pass", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("dialled")
      const client = (yield* makeClient(
        Worker,
        peer.session,
        { path: "raw", incarnation: "raw" },
        lifeOf("caller")
      )) as unknown as Actor.Client<Actor.OperationsOf<typeof Worker>>
      const block = yield* Effect.forkChild(
        client
          .Talk(1)
          .pipe(Dialog.use((talk) => Effect.andThen(talk.cancel, Stream.runCollect(talk.messages))))
      )
      const payload = new TextEncoder().encode("7")
      const { id } = yield* peer.nextOf("Open")
      yield* peer.say({ _tag: "Started", id, window: { items: 1, bytes: 1 }, payload })
      yield* peer.nextOf("Cancel")
      yield* peer.say({ _tag: "Item", id, payload }, { _tag: "Item", id, payload })
      yield* peer.say({ _tag: "Exit", id, exit: "success", cancelSeen: false, hops: [], payload })
      expect(yield* Fiber.join(block)).toEqual([])
    })
  )

  settling("messages end at once, also for what the callee still sends while it ends", () =>
    Effect.gen(function* () {
      const pair = yield* connect(
        Worker,
        worker({
          Talk: (n, dialog) =>
            Effect.gen(function* () {
              const { send } = yield* dialog.accept(n)
              yield* send(1)
              // Said before the Cancel arrives, heard after it was said.
              for (let round = 0; round < 60; round++) yield* send(2)
              return yield* Effect.never
            })
        })
      )
      const taken = yield* pair.client.Talk(1).pipe(
        Dialog.use((talk) =>
          Effect.gen(function* () {
            const taking = yield* Effect.forkChild(Stream.runCollect(talk.messages))
            yield* turns(12)
            yield* talk.cancel
            const first = yield* Fiber.join(taking)
            const then = yield* Stream.runCollect(talk.messages)
            expect(then).toEqual([])
            return first.length
          })
        )
      )
      expect(taken).toBeLessThan(61)
    })
  )
})

describe("an Open that is cancelled under way", () => {
  const Store = Rpc.make("Store", { payload: Schema.String, success: Schema.Int })
  class Keeper extends Actor.make("Keeper", [Store]) {}

  settling(
    "is given up between its parts: nothing follows the Cancel, and the Exit is waited for",
    () =>
      Effect.gen(function* () {
        const gate = Latch.makeUnsafe(true)
        const peer = yield* RawPeer.connect("dialled", { gate })
        const client = (yield* makeClient(
          Keeper,
          peer.session,
          { path: "raw", incarnation: "raw" },
          lifeOf("caller")
        )) as unknown as Actor.Client<Actor.OperationsOf<typeof Keeper>>
        gate.closeUnsafe()
        const call = yield* Effect.forkChild(client.Store("x".repeat(1_000_000)), {
          startImmediately: true
        })
        yield* settle
        call.interruptUnsafe()
        yield* settle
        gate.openUnsafe()
        yield* settle
        expect(call.pollUnsafe()).toBeUndefined()
        // One write was with the socket; then comes the Cancel, and nothing more.
        const said: Array<string> = []
        while (said.at(-1) !== "Cancel") said.push((yield* peer.next)?._tag ?? "end")
        expect(new Set(said.slice(0, -1))).toEqual(new Set(["More"]))
        expect(said.length).toBeLessThan(5)
        yield* peer.say({ _tag: "Ping" })
        expect((yield* peer.next)?._tag).toBe("Pong")
        yield* peer.say({
          _tag: "Exit",
          id: 1,
          exit: "cancelled",
          cancelSeen: true,
          hops: [],
          payload: new Uint8Array(0)
        })
        expect(Exit.isFailure(yield* Fiber.await(call))).toBe(true)
        expect(peer.session.dialogs).toBe(0)
      })
  )

  settling("and is complete, but not yet understood, is answered, and its handler never runs", () =>
    Effect.gen(function* () {
      const Late = Schema.Int.pipe(
        Schema.decodeTo(Schema.Int, {
          decode: SchemaGetter.transformEffect((n) => Effect.as(Effect.sleep("1 second"), n)),
          encode: SchemaGetter.passthrough()
        })
      )
      const Slow = Rpc.make("Slow", { payload: Late, success: Schema.Int })
      class Thinker extends Actor.make("Thinker", [Slow]) {}
      let ran = 0
      const pair = yield* connect(
        Thinker,
        Thinker.toLayer({ Slow: () => Effect.sync(() => ++ran) })
      )
      const call = yield* Effect.forkChild(pair.client.Slow(1), { startImmediately: true })
      yield* settle
      expect(pair.callee.dialogs).toBe(1)
      yield* Fiber.interrupt(call)
      expect(pair.callee.dialogs).toBe(0)
      yield* TestClock.adjust("1 second")
      expect(ran).toBe(0)
      expect(pair.count("Exit")).toBe(1)
    })
  )
})

describe("items that do not fit", () => {
  const Wide = Rpc.make("Count", { payload: SlowInt, success: Schema.Unknown, stream: true })
  class WideWorker extends Actor.make("Worker", [Wide]) {}
  class Narrow extends Actor.make("Worker", [Count]) {}

  settling("fail a stream whose callee has long ended well: none is lost without a word", () =>
    Effect.gen(function* () {
      const pair = yield* connect(
        WideWorker,
        WideWorker.toLayer({ Count: () => Stream.make(1, 2, "three") }),
        { calls: Narrow }
      )
      const exit = yield* Effect.exit(Stream.runCollect(pair.client.Count(1)))
      const [reason] = reasonsOf(exit)
      assert(reason !== undefined && Cause.isDieReason(reason))
      expect(reason.defect).toBeInstanceOf(DecodeError)
    })
  )

  settling("fail a stream that goes on, and join its callee before that", () =>
    Effect.gen(function* () {
      let released = false
      const pair = yield* connect(
        WideWorker,
        WideWorker.toLayer({
          Count: () =>
            Stream.concat(Stream.make(1, "two"), Stream.never).pipe(
              Stream.ensuring(
                Effect.andThen(
                  turns(50),
                  Effect.sync(() => void (released = true))
                )
              )
            )
        }),
        { calls: Narrow }
      )
      const exit = yield* Effect.exit(Stream.runCollect(pair.client.Count(1)))
      const [reason, ...more] = reasonsOf(exit)
      assert(reason !== undefined && Cause.isDieReason(reason))
      expect(reason.defect).toBeInstanceOf(DecodeError)
      expect(more).toEqual([])
      expect(released).toBe(true)
      expect(pair.callee.dialogs).toBe(0)
    })
  )
})

describe("waiters", () => {
  settling("that were interrupted take nothing with them: messages go on where they stopped", () =>
    Effect.gen(function* () {
      const pair = yield* connect(
        Worker,
        worker({
          Talk: (n, dialog) =>
            Effect.gen(function* () {
              const { messages, send } = yield* dialog.accept(n)
              yield* Stream.runForEach(messages, send)
              return n
            })
        })
      )
      yield* pair.client.Talk(1).pipe(
        Dialog.use(
          Effect.fnUntraced(function* (talk) {
            for (let round = 0; round < 5; round++) {
              const waiting = yield* Effect.forkChild(Stream.runHead(talk.messages), {
                startImmediately: true
              })
              yield* settle
              yield* Fiber.interrupt(waiting)
            }
            for (let n = 0; n < 10; n++) {
              yield* talk.send(n)
              expect(yield* Stream.runCollect(Stream.take(talk.messages, 1))).toEqual([n])
            }
            yield* talk.end
            expect(yield* Stream.runCollect(talk.messages)).toEqual([])
            expect(yield* Stream.runCollect(talk.messages)).toEqual([])
          })
        )
      )
    })
  )

  settling("for room that were interrupted send nothing; those behind them keep their order", () =>
    Effect.gen(function* () {
      const open = Latch.makeUnsafe(false)
      const got = Deferred.makeUnsafe<ReadonlyArray<number>>()
      const pair = yield* connect(
        Worker,
        worker({
          Talk: (n, dialog) =>
            Effect.gen(function* () {
              const { messages } = yield* dialog.accept(n)
              yield* open.await
              yield* Deferred.succeed(got, yield* Stream.runCollect(messages))
              return n
            })
        })
      )
      yield* pair.client.Talk(1).pipe(
        Dialog.use(
          Effect.fnUntraced(function* (talk) {
            for (let n = 0; n < 64; n++) yield* talk.send(n)
            const senders: Array<Fiber.Fiber<void, unknown>> = []
            for (let n = 64; n < 74; n++) {
              senders.push(yield* Effect.forkChild(talk.send(n), { startImmediately: true }))
              yield* settle
            }
            expect(senders.every((sender) => sender.pollUnsafe() === undefined)).toBe(true)
            for (const index of [0, 4, 9]) yield* Fiber.interrupt(senders[index]!)
            open.openUnsafe()
            yield* settle
            yield* talk.end
            const left = [65, 66, 67, 69, 70, 71, 72]
            expect(yield* Deferred.await(got)).toEqual([
              ...Array.from({ length: 64 }).keys(),
              ...left
            ])
          })
        )
      )
    })
  )

  settling("for room when the dialog ends are told why: by End, by Exit, by the failure", () =>
    Effect.gen(function* () {
      const pair = yield* connect(
        Worker,
        worker({
          Talk: (n, dialog) =>
            Effect.gen(function* () {
              yield* dialog.accept(n)
              if (n === 1) return yield* Effect.sleep("1 second").pipe(Effect.as(7))
              if (n === 2) {
                return yield* Effect.andThen(
                  Effect.sleep("1 second"),
                  Effect.fail(new Refused({ why: "enough" }))
                )
              }
              return yield* Effect.never
            })
        })
      )
      const fill = Effect.fnUntraced(function* (n: number) {
        const talk = yield* pair.client.Talk(n)
        for (let item = 0; item < 64; item++) yield* talk.send(item)
        const sending = yield* Effect.forkChild(Effect.flip(talk.send(64)), {
          startImmediately: true
        })
        yield* settle
        return { talk, sending }
      })

      const exited = yield* fill(1)
      const failed = yield* fill(2)
      const own = yield* fill(3)
      yield* own.talk.end
      const ofOwn = yield* Fiber.join(own.sending)
      assert(ofOwn instanceof PortalError)
      expect(ofOwn.reason._tag).toBe("Ended")
      yield* own.talk.cancel
      const cancelled = yield* Effect.flip(own.talk.send(1))
      assert(cancelled instanceof PortalError)
      expect(cancelled.reason._tag).toBe("Cancelled")
      yield* TestClock.adjust("1 second")
      const ofExit = yield* Fiber.join(exited.sending)
      assert(ofExit instanceof PortalError)
      expect(ofExit.reason._tag).toBe("Ended")
      expect(yield* Fiber.join(failed.sending)).toBeInstanceOf(Refused)
      expect(yield* exited.talk.result).toBe(7)
    })
  )
})

describe("a last word that crosses the Cancel", () => {
  const answered = (exit: "success" | "cancelled", cancelSeen: boolean) =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("dialled")
      const life = lifeOf("caller")
      const client = (yield* makeClient(
        Worker,
        peer.session,
        { path: "raw", incarnation: "raw" },
        life
      )) as unknown as Actor.Client<Actor.OperationsOf<typeof Worker>>
      const block = yield* Effect.forkChild(
        client.Talk(1).pipe(
          Dialog.use((talk) =>
            Effect.andThen(
              talk.cancel,
              Effect.map(talk.exit, (end) => [Exit.isSuccess(end) && end.value, end] as const)
            )
          )
        )
      )
      const { id } = yield* peer.nextOf("Open")
      const payload = new TextEncoder().encode("7")
      yield* peer.say({ _tag: "Started", id, window: { items: 1, bytes: 1 }, payload })
      expect((yield* peer.nextOf("Cancel")).by.path).toBe("caller")
      yield* peer.say({
        _tag: "Exit",
        id,
        exit,
        cancelSeen,
        hops: [],
        payload: exit === "success" ? payload : new Uint8Array(0)
      })
      return yield* Fiber.join(block)
    })

  settling("D5 was said before that was seen: it counts", () =>
    Effect.map(answered("success", false), ([value]) => expect(value).toBe(7))
  )

  settling("D5 was said although that was seen: Cancelled, and the value is dropped", () =>
    Effect.gen(function* () {
      for (const exit of ["success", "cancelled"] as const) {
        const [, end] = yield* answered(exit, true)
        const [reason] = reasonsOf(end)
        assert(reason !== undefined && Cause.isFailReason(reason))
        assert(reason.error instanceof PortalError && reason.error.reason._tag === "Cancelled")
        expect(reason.error.reason.by.path).toBe("caller")
      }
    })
  )
})

describe("D10 the window in bytes", () => {
  const Texts = Dialog.make("Texts", { fromCaller: Schema.String, success: Schema.Int })
  class Reader extends Actor.make("Reader", [Texts]) {}

  settling("is overdrawn by one item at most, and comes back as items are taken out", () =>
    Effect.gen(function* () {
      const open = Latch.makeUnsafe(false)
      const pair = yield* connect(
        Reader,
        Reader.toLayer({
          Texts: (_, dialog) =>
            Effect.gen(function* () {
              const { messages } = yield* dialog.accept()
              yield* open.await
              return yield* Stream.runFold(
                messages,
                () => 0,
                (sum, text) => sum + text.length
              )
            })
        })
      )
      const text = "x".repeat(100_000)
      const read = yield* pair.client.Texts().pipe(
        Dialog.use(
          Effect.fnUntraced(function* (talk) {
            let sent = 0
            const sending = yield* Effect.forkChild(
              Effect.replicateEffect(
                Effect.map(talk.send(text), () => sent++),
                20
              ),
              { startImmediately: true }
            )
            yield* settle
            // 256 KiB have room for two and a bit: the third overdraws them.
            expect(sent).toBe(3)
            open.openUnsafe()
            yield* Fiber.join(sending)
            // More than the window, at once.
            yield* talk.send("y".repeat(1_000_000))
            yield* talk.send("z")
            yield* talk.end
            return yield* talk.result
          })
        )
      )
      expect(read).toBe(20 * text.length + 1_000_001)
    })
  )
})

describe("a loss", () => {
  settling("is explained to callers that come a moment after it, too", () =>
    Effect.gen(function* () {
      const pair = yield* connect(Worker, worker({}))
      yield* pair.sever
      yield* settle
      const error = yield* Effect.flip(pair.client.Work(1))
      assert(error instanceof PortalError)
      expect(error.reason._tag).toBe("Disconnected")
    })
  )
})
