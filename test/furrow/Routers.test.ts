/**
 * The ten points in which the routers here do more than effect/rpc's, each by its number in the header of `Routers`; and
 * what they make of two versions of a contract, and of values that resist.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Dialog from "furrow/Dialog"
import { PortalError } from "furrow/PortalError"
import { Codec } from "furrow/protocol"
import { makeClient } from "furrow/Routers"
import * as SettlingClock from "furrow/testing/SettlingClock"
import * as RawPeer from "./RawPeer.ts"
import { connect, lifeOf } from "./RouterPair.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

const Work = Rpc.make("Work", {
  payload: { n: Schema.Int },
  success: Schema.Int,
  error: Refused
})
const Other = Rpc.make("Other", { payload: { n: Schema.Int }, success: Schema.Int })
const Count = Rpc.make("Count", {
  payload: { upTo: Schema.Int },
  success: Schema.Int,
  error: Refused,
  stream: true
})
const Talk = Dialog.make("Talk", {
  payload: { n: Schema.Int },
  started: Schema.Int,
  fromCaller: Schema.Int,
  fromCallee: Schema.Int,
  success: Schema.Int
})

class Worker extends Actor.make("Worker", [Work, Other, Count, Talk]) {}

type Handlers = Actor.HandlersFrom<Actor.OperationsOf<typeof Worker>>

/** A worker that does next to nothing, but for what a test has it do. */
const worker = (own: Partial<Handlers>, options?: { readonly concurrency?: number }) =>
  Worker.toLayer(
    {
      Work: ({ n }) => Effect.succeed(n),
      Other: ({ n }) => Effect.succeed(n),
      Count: ({ upTo }) => Stream.range(1, upTo),
      Talk: ({ n }, dialog) => Effect.as(dialog.accept(n), n),
      ...own
    },
    options
  )

/** A test in which `TestClock.adjust` first lets everything arrive that is under way. */
const test = <A, E>(name: string, effect: Effect.Effect<A, E, Scope.Scope>) =>
  it.effect(name, () =>
    Effect.flatMap(SettlingClock.make, (time) => Effect.provideContext(effect, time))
  )

/** Lets everything that is under way arrive. */
const settle = TestClock.adjust(0)

const failuresOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error)
    : []

const defectsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
    : []

describe("1. holds the Exit back until the request's scope has closed", () => {
  test(
    "a release has run before the caller goes on (D16)",
    Effect.gen(function* () {
      const releasing = yield* Deferred.make<void>()
      const mayRelease = yield* Deferred.make<void>()
      const { client, count } = yield* connect(
        Worker,
        worker({
          Work: ({ n }) =>
            Effect.acquireRelease(Effect.succeed(n), () =>
              Effect.andThen(Deferred.succeed(releasing, undefined), Deferred.await(mayRelease))
            )
        })
      )
      const calling = yield* Effect.forkChild(client.Work({ n: 1 }))
      yield* Deferred.await(releasing)
      yield* settle
      assert.isUndefined(calling.pollUnsafe())
      expect(count("Exit")).toBe(0)
      yield* Deferred.succeed(mayRelease, undefined)
      expect(yield* Fiber.join(calling)).toBe(1)
      expect(count("Exit")).toBe(1)
    })
  )

  test(
    "a release that dies after a value reaches the caller (D16)",
    Effect.gen(function* () {
      const { client } = yield* connect(
        Worker,
        worker({
          Work: ({ n }) =>
            Effect.acquireRelease(Effect.succeed(n), () => Effect.die(new Error("not released")))
        })
      )
      const exit = yield* Effect.exit(client.Work({ n: 1 }))
      expect(defectsOf(exit)).toMatchObject([{ message: "not released" }])
    })
  )

  test(
    "a release that dies after an error is kept beside the error",
    Effect.gen(function* () {
      const { client } = yield* connect(
        Worker,
        worker({
          Work: () =>
            Effect.andThen(
              Effect.acquireRelease(Effect.void, () => Effect.die(new Error("not released"))),
              Effect.fail(new Refused({ why: "no" }))
            )
        })
      )
      const exit = yield* Effect.exit(client.Work({ n: 1 }))
      expect(failuresOf(exit)).toStrictEqual([new Refused({ why: "no" })])
      expect(defectsOf(exit)).toMatchObject([{ message: "not released" }])
    })
  )

  test(
    "so does the release of a stream, behind its last item",
    Effect.gen(function* () {
      const { client, said } = yield* connect(
        Worker,
        worker({
          Count: () =>
            Stream.unwrap(
              Effect.as(
                Effect.acquireRelease(Effect.void, () => Effect.die(new Error("not released"))),
                Stream.make(1, 2)
              )
            )
        })
      )
      const seen: Array<number> = []
      const exit = yield* Effect.exit(
        Stream.runForEach(client.Count({ upTo: 2 }), (n) => Effect.sync(() => seen.push(n)))
      )
      expect(defectsOf(exit)).toMatchObject([{ message: "not released" }])
      expect(said.filter(({ by }) => by === "callee").map(({ frame }) => frame._tag)).toStrictEqual(
        ["Item", "Item", "Exit"]
      )
    })
  )
})

describe("2. joins a cancelled callee beyond the client router's one second", () => {
  const slowToEnd = (log: Array<string>, begun: Deferred.Deferred<void>) => {
    const lasting = Effect.onInterrupt(
      Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
      () =>
        Effect.andThen(
          Effect.sleep("1500 millis"),
          Effect.sync(() => log.push("the callee has ended"))
        )
    )
    return worker({
      Work: () => lasting,
      Count: () => Stream.fromEffect(lasting),
      Talk: (_, dialog) => Effect.andThen(dialog.accept(0), lasting)
    })
  }

  const kinds = {
    call: (client: Actor.Client<Actor.OperationsOf<typeof Worker>>) => client.Work({ n: 1 }),
    stream: (client: Actor.Client<Actor.OperationsOf<typeof Worker>>) =>
      Stream.runDrain(client.Count({ upTo: 1 })),
    dialog: (client: Actor.Client<Actor.OperationsOf<typeof Worker>>) =>
      client.Talk({ n: 1 }).pipe(Dialog.use(() => Effect.never))
  }

  for (const [kind, open] of Object.entries(kinds)) {
    test(
      `a ${kind} that is left after 1 s goes on when the callee's 1.5 s are over`,
      Effect.gen(function* () {
        const log: Array<string> = []
        const begun = yield* Deferred.make<void>()
        const { client } = yield* connect(Worker, slowToEnd(log, begun))
        const calling = yield* Effect.forkChild(open(client) as Effect.Effect<unknown>)
        yield* Deferred.await(begun)
        yield* settle
        const leaving = yield* Effect.forkChild(
          Effect.andThen(
            Fiber.interrupt(calling),
            Effect.sync(() => log.push("the caller goes on"))
          )
        )
        yield* TestClock.adjust("1400 millis")
        expect(log).toStrictEqual([])
        yield* TestClock.adjust("100 millis")
        yield* Fiber.join(leaving)
        expect(log).toStrictEqual(["the callee has ended", "the caller goes on"])
      })
    )
  }

  test(
    "a caller that waits without bound waits, and the word it sends is one that a frame can say",
    Effect.gen(function* () {
      const log: Array<string> = []
      const begun = yield* Deferred.make<void>()
      const { client, said } = yield* connect(Worker, slowToEnd(log, begun))
      const talking = yield* client.Talk({ n: 1 }).pipe(
        Dialog.use((talk) => Effect.andThen(Deferred.await(begun), talk.cancel)),
        Effect.provideService(Deadline.JoinBound, "Infinity"),
        Effect.forkChild
      )
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.join(talking)
      expect(log).toStrictEqual(["the callee has ended"])
      const cancels = said.filter(({ frame }) => frame._tag === "Cancel")
      expect(cancels).toHaveLength(1)
      expect(cancels[0]?.frame).not.toHaveProperty("timeLeft")
      expect(yield* client.Other({ n: 1 })).toBe(1)
    })
  )
})

describe("3. one handler's bug ends one request", () => {
  test(
    "a call under way, and every later one, go on after another's defect",
    Effect.gen(function* () {
      const mayEnd = yield* Deferred.make<void>()
      const logged: Array<unknown> = []
      const { client } = yield* connect(
        Worker,
        worker({
          Work: () => Effect.die(new Error("a bug")),
          Other: ({ n }) => Effect.as(Deferred.await(mayEnd), n)
        })
      ).pipe(
        Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(message))]))
      )
      const pending = yield* Effect.forkChild(client.Other({ n: 2 }))
      yield* settle
      expect(defectsOf(yield* Effect.exit(client.Work({ n: 1 })))).toMatchObject([
        { message: "a bug" }
      ])
      yield* settle
      assert.isUndefined(pending.pollUnsafe())
      yield* Deferred.succeed(mayEnd, undefined)
      expect(yield* Fiber.join(pending)).toBe(2)
      // It is the caller's to tell of.
      expect(logged).toStrictEqual([])
    })
  )

  test(
    "a handler that throws before it has given an effect is such a bug, in every kind of operation",
    Effect.gen(function* () {
      const bug = () => {
        throw new Error("thrown")
      }
      const { client } = yield* connect(Worker, worker({ Work: bug, Count: bug, Talk: bug }))
      const exits: ReadonlyArray<Exit.Exit<unknown, unknown>> = [
        yield* Effect.exit(client.Work({ n: 1 })),
        yield* Effect.exit(Stream.runDrain(client.Count({ upTo: 1 }))),
        yield* Effect.exit(Effect.scoped(Effect.asVoid(client.Talk({ n: 1 }))))
      ]
      for (const exit of exits) expect(defectsOf(exit)).toMatchObject([{ message: "thrown" }])
      expect(yield* client.Other({ n: 3 })).toBe(3)
    })
  )
})

describe("4. blocks on credit instead of acknowledgements", () => {
  test(
    "a stream nobody takes from stops at its window, and goes on when it is read",
    Effect.gen(function* () {
      let made = 0
      const { client, count } = yield* connect(
        Worker,
        worker({
          Count: () =>
            Stream.fromEffect(Effect.sync(() => ++made)).pipe(
              Stream.forever,
              Stream.takeWhile((n) => n <= 1000)
            )
        })
      )
      const mayRead = yield* Latch.make(false)
      const reading = yield* Effect.forkChild(
        client.Count({ upTo: 1000 }).pipe(
          Stream.tap(() => mayRead.await),
          Stream.runCollect
        )
      )
      yield* settle
      // A window, what the reader's end has taken out of it to hand on, and the one that waits for credit.
      expect(count("Item")).toBeLessThanOrEqual(64 + 64)
      expect(made).toBeLessThanOrEqual(count("Item") + 1)
      const stalledAt = count("Item")
      yield* TestClock.adjust("1 hour")
      expect(count("Item")).toBe(stalledAt)
      yield* mayRead.open
      expect(yield* Fiber.join(reading)).toStrictEqual(
        Array.from({ length: 1000 }, (_, index) => index + 1)
      )
    })
  )

  test(
    "a stream that is blocked is left with a join",
    Effect.gen(function* () {
      const log: Array<string> = []
      const { caller, callee, client } = yield* connect(
        Worker,
        worker({
          Count: () =>
            Stream.range(1, 1000).pipe(
              Stream.rechunk(1),
              Stream.ensuring(Effect.sync(() => log.push("ended")))
            )
        })
      )
      const reading = yield* Effect.forkChild(
        Stream.runForEach(client.Count({ upTo: 1000 }), () => Effect.never)
      )
      yield* settle
      yield* Fiber.interrupt(reading)
      expect(log).toStrictEqual(["ended"])
      expect([caller.dialogs, callee.dialogs]).toStrictEqual([0, 0])
    })
  )
})

describe("5. splits chunks into items, so that the window holds", () => {
  test(
    "one chunk of 1000 items sends no more than the window before any is taken, and loses none",
    Effect.gen(function* () {
      const all = Array.from({ length: 1000 }, (_, index) => index)
      const { client, count } = yield* connect(
        Worker,
        worker({ Count: () => Stream.fromIterable(all).pipe(Stream.rechunk(1000)) })
      )
      const mayRead = yield* Latch.make(false)
      const reading = yield* Effect.forkChild(
        client.Count({ upTo: 0 }).pipe(
          Stream.tap(() => mayRead.await),
          Stream.runCollect
        )
      )
      yield* settle
      expect(count("Item")).toBeLessThanOrEqual(64 + 64)
      yield* mayRead.open
      expect(yield* Fiber.join(reading)).toStrictEqual(all)
      expect(count("Item")).toBe(1000)
    })
  )
})

describe("a stream whose callee ended well as its time ran out", () => {
  test(
    "has no good end, because its last items were not taken (D12)",
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("dialled")
      const client = (yield* makeClient(
        Worker,
        peer.session,
        { path: "raw", incarnation: "raw" },
        lifeOf("caller")
      )) as unknown as Actor.Client<Actor.OperationsOf<typeof Worker>>
      const seen: Array<number> = []
      const taking = yield* Effect.forkChild(
        Effect.exit(
          client.Count({ upTo: 3 }).pipe(
            Stream.runForEach((n) => Effect.sync(() => void seen.push(n))),
            Deadline.within("1 second")
          )
        )
      )
      const { id } = yield* peer.nextOf("Open")
      const item = (n: number) =>
        ({ _tag: "Item", id, payload: new TextEncoder().encode(`${n}`) }) as const
      yield* peer.say(item(1))
      yield* TestClock.adjust("1 second")
      yield* peer.nextOf("Cancel")
      const exit = { _tag: "Exit", id, exit: "success", cancelSeen: false, hops: [] } as const
      yield* peer.say(item(2), item(3), { ...exit, payload: new Uint8Array() })
      expect(failuresOf(yield* Fiber.join(taking))).toMatchObject([
        { _tag: "PortalError", reason: { _tag: "DeadlineExceeded" } }
      ])
      expect(seen).toEqual([1])
    })
  )
})

describe("6. delivers outside the session's read loop", () => {
  test(
    "a consumer that makes a call per item does not block itself",
    Effect.gen(function* () {
      const { client } = yield* connect(Worker, worker({}))
      const sums = yield* client.Count({ upTo: 500 }).pipe(
        Stream.mapEffect((n) => Effect.map(client.Other({ n }), (m) => n + m)),
        Stream.runCollect
      )
      expect(sums).toStrictEqual(Array.from({ length: 500 }, (_, index) => 2 * (index + 1)))
    })
  )

  test(
    "a call beside a stream that nobody reads is answered",
    Effect.gen(function* () {
      const { client } = yield* connect(Worker, worker({}))
      const reading = yield* Effect.forkChild(
        Stream.runForEach(client.Count({ upTo: 10_000 }), () => Effect.never)
      )
      yield* settle
      expect(yield* client.Other({ n: 4 })).toBe(4)
      yield* Fiber.interrupt(reading)
    })
  )
})

describe("7. suspends each client method", () => {
  test(
    "a payload that does not fit throws nothing and fails the effect, naming operation, lane and path (D13)",
    Effect.gen(function* () {
      const { caller, client, said } = yield* connect(Worker, worker({}))
      const unfit = { n: 1.5 }
      const missing = {} as { readonly n: number }
      const effects = [
        client.Work(unfit),
        client.Work(missing),
        Stream.runDrain(client.Count({ upTo: 1.5 })),
        Effect.scoped(Effect.asVoid(client.Talk(unfit))),
        client.Talk(missing).pipe(Dialog.use(() => Effect.void))
      ]
      const names = ["Work", "Work", "Count", "Talk", "Talk"]
      const paths = ["n", "n", "upTo", "n", "n"]
      for (const [index, effect] of effects.entries()) {
        const [defect, ...others] = defectsOf(yield* Effect.exit(effect))
        expect(others).toStrictEqual([])
        expect(defect).toMatchObject({
          _tag: "EncodeError",
          operation: `Worker.${names[index]}`,
          lane: "payload"
        })
        expect(String(defect)).toContain(`["${paths[index]}"]`)
      }
      expect(said).toStrictEqual([])
      expect(caller.dialogs).toBe(0)
      expect(yield* client.Work({ n: 1 })).toBe(1)
    })
  )

  test(
    "a method does nothing before its effect is run, and everything again when it is run again",
    Effect.gen(function* () {
      const { client, count } = yield* connect(Worker, worker({}))
      const effect = client.Work({ n: 1 })
      const stream = client.Count({ upTo: 2 })
      yield* settle
      expect(count("Open")).toBe(0)
      expect([yield* effect, yield* effect]).toStrictEqual([1, 1])
      expect(yield* Stream.runCollect(stream)).toStrictEqual([1, 2])
      expect(yield* Stream.runCollect(stream)).toStrictEqual([1, 2])
      expect(count("Open")).toBe(4)
    })
  )
})

describe("8. turns the routers' own interruptions into PortalError", () => {
  const reasonsOf = (exit: Exit.Exit<unknown, unknown>) =>
    failuresOf(exit).map((error) => (error instanceof PortalError ? error.reason._tag : error))
  const lasting = worker({
    Work: () => Effect.never,
    Count: () => Stream.never,
    Talk: (_, dialog) => Effect.andThen(dialog.accept(1), Effect.never)
  })

  test(
    "what is under way when the connection is lost fails with Disconnected",
    Effect.gen(function* () {
      const { client, sever } = yield* connect(Worker, lasting)
      const pending = yield* Effect.forEach(
        [
          client.Work({ n: 1 }),
          Stream.runDrain(client.Count({ upTo: 1 })),
          client.Talk({ n: 1 }).pipe(Dialog.use(() => Effect.never))
        ],
        (effect: Effect.Effect<unknown, unknown>) => Effect.forkChild(effect)
      )
      yield* settle
      yield* sever
      for (const fiber of pending) {
        const exit = yield* Fiber.await(fiber)
        expect(reasonsOf(exit)).toStrictEqual(["Disconnected"])
        assert(Exit.isFailure(exit) && !Cause.hasInterrupts(exit.cause))
      }
    })
  )

  test(
    "what is called after the connection has ended fails with Disconnected, again and again",
    Effect.gen(function* () {
      const { client, sever } = yield* connect(Worker, lasting)
      yield* sever
      yield* settle
      for (const _ of [1, 2]) {
        const exits: ReadonlyArray<Exit.Exit<unknown, unknown>> = [
          yield* Effect.exit(client.Work({ n: 1 })),
          yield* Effect.exit(Stream.runDrain(client.Count({ upTo: 1 }))),
          yield* Effect.exit(Effect.scoped(Effect.asVoid(client.Talk({ n: 1 }))))
        ]
        for (const exit of exits) expect(reasonsOf(exit)).toStrictEqual(["Disconnected"])
      }
    })
  )

  test(
    "what is under way when the actor is stopped fails with Cancelled, by whoever stopped it",
    Effect.gen(function* () {
      const { calleeLife, client, closeServer } = yield* connect(Worker, lasting)
      const pending = yield* Effect.forkChild(client.Work({ n: 1 }))
      yield* settle
      const by = { path: "boss", incarnation: "life-of-boss" }
      calleeLife.stopping = { by, hops: [], at: 0 }
      yield* closeServer
      expect(failuresOf(yield* Fiber.await(pending))).toMatchObject([
        { _tag: "PortalError", reason: { _tag: "Cancelled", by } }
      ])
    })
  )

  test(
    "what is under way when the actor ends of itself fails with Disconnected, once the connection has ended",
    Effect.gen(function* () {
      const { client, closeServer, sever } = yield* connect(Worker, lasting)
      const pending = yield* Effect.forkChild(client.Work({ n: 1 }))
      yield* settle
      yield* closeServer
      yield* sever
      expect(reasonsOf(yield* Fiber.await(pending))).toStrictEqual(["Disconnected"])
    })
  )
})

describe("9. hands the server router no frame that it would answer with one of its own", () => {
  const Newest = Rpc.make("Newest", { success: Schema.Int })
  /** The same actor, as somebody with a newer contract believes it to be. */
  class Newer extends Actor.make("Worker", [Work, Newest]) {}

  test(
    "an operation that is not served is Unimplemented, once",
    Effect.gen(function* () {
      const { client, said } = yield* connect(Worker, worker({}), { calls: Newer })
      const exit = yield* Effect.exit(client.Newest())
      expect(failuresOf(exit)).toMatchObject([
        { _tag: "PortalError", reason: { _tag: "Unimplemented", operation: "Newest" } }
      ])
      expect(said.map(({ frame }) => frame._tag)).toStrictEqual(["Open", "Exit"])
    })
  )

  test(
    "a cancel and the Exit that crosses it leave one Exit for each Open",
    Effect.gen(function* () {
      const { caller, callee, client, count } = yield* connect(Worker, worker({}))
      for (const rounds of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
        const calling = yield* Effect.forkChild(client.Work({ n: rounds }))
        for (let i = 0; i < rounds; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(calling)
      }
      yield* settle
      expect(count("Exit")).toBe(count("Open"))
      expect([caller.dialogs, callee.dialogs]).toStrictEqual([0, 0])
      expect(yield* client.Work({ n: 9 })).toBe(9)
    })
  )

  test(
    "a request that waits behind the actor's concurrency is cancelled without having run, and answered once",
    Effect.gen(function* () {
      const begun: Array<number> = []
      const first = yield* Deferred.make<void>()
      const { client, count } = yield* connect(
        Worker,
        worker(
          {
            Work: ({ n }) =>
              Effect.andThen(
                Effect.sync(() => begun.push(n)),
                Effect.as(Deferred.await(first), n)
              )
          },
          { concurrency: 1 }
        )
      )
      const running = yield* Effect.forkChild(client.Work({ n: 1 }))
      yield* settle
      const waiting = yield* Effect.forkChild(client.Work({ n: 2 }))
      yield* settle
      yield* Fiber.interrupt(waiting)
      expect(count("Exit")).toBe(1)
      yield* Deferred.succeed(first, undefined)
      expect(yield* Fiber.join(running)).toBe(1)
      expect(begun).toStrictEqual([1])
      expect(count("Exit")).toBe(2)
    })
  )
})

describe("10. runs handlers in the actor's own context", () => {
  const Place = Context.Reference<string>("test/Place", { defaultValue: () => "nowhere" })

  test(
    "a handler sees the services its Layer was built with, not those of its caller",
    Effect.gen(function* () {
      const { client } = yield* connect(
        Worker,
        Worker.toLayer(
          Effect.gen(function* () {
            const built = yield* Place
            return Worker.of({
              Work: () => Effect.map(Place, (now) => (now === built ? 1 : 0)),
              Other: () => Effect.map(Place, (now) => (now === "the actor's" ? 1 : 0)),
              Count: () => Stream.fromEffect(Effect.map(Place, (now) => now.length)),
              Talk: (_, dialog) =>
                Effect.andThen(
                  dialog.accept(0),
                  Effect.map(Place, (now) => now.length)
                )
            })
          })
        )
      ).pipe(Effect.provideService(Place, "the actor's"))
      const asked = Effect.gen(function* () {
        return {
          work: yield* client.Work({ n: 1 }),
          other: yield* client.Other({ n: 1 }),
          count: yield* Stream.runCollect(client.Count({ upTo: 1 })),
          talk: yield* client.Talk({ n: 1 }).pipe(Dialog.use((talk) => talk.result))
        }
      }).pipe(Effect.provideService(Place, "the caller's"))
      expect(yield* asked).toStrictEqual({ work: 1, other: 1, count: [11], talk: 11 })
    })
  )
})

describe("two versions of one contract", () => {
  const Small = Rpc.make("Small", { payload: { n: Schema.Int }, success: Schema.Int })
  class Old extends Actor.make("Old", [Work, Small]) {}
  const old = Old.toLayer({
    Work: ({ n }) => Effect.succeed(n),
    Small: ({ n }) => Effect.succeed(n)
  })
  /** The same actor as a newer program knows it: one operation as it was, one of another shape, one of another kind. */
  class New extends Actor.make("Old", [
    Work,
    Rpc.make("Small", { payload: { n: Schema.Int }, success: Schema.String })
  ]) {}
  class Odd extends Actor.make("Old", [
    Rpc.make("Work", { payload: { n: Schema.Int }, success: Schema.Int, stream: true }),
    Dialog.make("Small", { payload: { n: Schema.Int } })
  ]) {}

  test(
    "speak JSON where they differ, so that it is noticed when a value does not fit, and bytes elsewhere",
    Effect.gen(function* () {
      const { client, said } = yield* connect(Old, old, { calls: New, codec: Codec.binary })
      expect(yield* client.Work({ n: 5 })).toBe(5)
      // As bytes of the binary codec, this number reads as a string.
      const [defect] = defectsOf(yield* Effect.exit(client.Small({ n: 5 })))
      expect(defect).toMatchObject({ _tag: "DecodeError", operation: "Old.Small", lane: "success" })
      const opens = said.flatMap(({ frame }) => (frame._tag === "Open" ? [frame] : []))
      expect(opens.map(({ json, operation }) => [operation, json])).toStrictEqual([
        ["Work", undefined],
        ["Small", true]
      ])
    })
  )

  test(
    "do not open what is of another kind at the other end: it is Unimplemented there",
    Effect.gen(function* () {
      const { client, said } = yield* connect(Old, old, { calls: Odd })
      const exits: ReadonlyArray<Exit.Exit<unknown, unknown>> = [
        yield* Effect.exit(Stream.runDrain(client.Work({ n: 1 }))),
        yield* Effect.exit(client.Small({ n: 1 }).pipe(Dialog.use(() => Effect.never)))
      ]
      for (const exit of exits) {
        expect(failuresOf(exit)).toMatchObject([{ reason: { _tag: "Unimplemented" } }])
      }
      expect(said).toStrictEqual([])
    })
  )
})

describe("a definition that several actors share", () => {
  class Left extends Actor.make("Left", [Other]) {}
  class Right extends Actor.make("Right", [Other]) {}

  test(
    "goes by the name of each",
    Effect.gen(function* () {
      const handlers = { Other: () => Effect.succeed(0.5) }
      const left = yield* connect(Left, Left.toLayer(handlers))
      const right = yield* connect(Right, Right.toLayer(handlers))
      for (const [{ client }, name] of [
        [left, "Left"],
        [right, "Right"]
      ] as const) {
        const defects = [
          ...defectsOf(yield* Effect.exit(client.Other({ n: 0.5 }))),
          ...defectsOf(yield* Effect.exit(client.Other({ n: 1 })))
        ]
        expect(defects).toMatchObject([
          { operation: `${name}.Other`, lane: "payload" },
          { operation: `${name}.Other`, lane: "success" }
        ])
      }
    })
  )
})

describe("values that resist", () => {
  const Anything = Rpc.make("Anything", { payload: Schema.Unknown, success: Schema.Unknown })
  class Taker extends Actor.make("Taker", [Anything, Work]) {}
  const taker = Taker.toLayer({
    Anything: (payload) => Effect.succeed(payload === "give" ? touchy() : payload),
    Work: ({ n }) => Effect.succeed(n)
  })
  const touchy = () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new Error("touched")
        },
        ownKeys: () => {
          throw new Error("touched")
        },
        getPrototypeOf: () => {
          throw new Error("touched")
        }
      }
    )
  const circular: { self?: unknown } = {}
  circular.self = circular

  for (const [codec, name] of [
    [Codec.json, "json"],
    [Codec.binary, "binary"]
  ] as const) {
    test(
      `are defects of their call, at either end, and the connection stays usable (D13, ${name})`,
      Effect.gen(function* () {
        const { caller, client } = yield* connect(Taker, taker, { codec })
        const odd = [touchy(), { deep: touchy() }, circular, () => 1, Symbol("a"), 1n]
        for (const value of [...odd, "give"]) {
          const [defect, ...others] = defectsOf(yield* Effect.exit(client.Anything(value)))
          expect(others).toStrictEqual([])
          expect(defect).toMatchObject({
            operation: "Taker.Anything",
            lane: value === "give" ? "success" : "payload"
          })
          expect(typeof String(defect)).toBe("string")
          expect(yield* client.Work({ n: 1 })).toBe(1)
        }
        const bad = touchy() as { readonly n: number }
        expect(defectsOf(yield* Effect.exit(client.Work(bad)))).toMatchObject([
          { operation: "Taker.Work", lane: "payload" }
        ])
        expect(caller.dialogs).toBe(0)
      })
    )
  }
})

describe("values that are too long for the other end", () => {
  const Grow = Rpc.make("Grow", {
    payload: { text: Schema.String, times: Schema.Int, how: Schema.Literals(["value", "bug"]) },
    success: Schema.String
  })
  const Items = Rpc.make("Items", {
    payload: { size: Schema.Int },
    success: Schema.String,
    stream: true
  })
  class Grower extends Actor.make("Grower", [Grow, Items]) {}
  const grower = Grower.toLayer({
    Grow: ({ how, text, times }) =>
      how === "value"
        ? Effect.succeed(text.repeat(times))
        : Effect.failCause(
            Cause.fromReasons(
              Array.from({ length: times }, () => Cause.makeDieReason(new Error(text)))
            )
          ),
    Items: ({ size }) => Stream.make("a", "x".repeat(size), "b")
  })

  test(
    "are defects of their call that name the lane and the bound; nothing else is harmed",
    Effect.gen(function* () {
      const { client } = yield* connect(Grower, grower, { settings: { value: 2000 } })
      const small = { text: "x".repeat(100), times: 1, how: "value" } as const
      const tooLong = (lane: string) => ({
        operation: expect.stringMatching(/^Grower\.(Grow|Items)$/),
        lane,
        issue: expect.stringContaining("the other end takes at most 2000")
      })
      const payload = { ...small, text: "x".repeat(2001) }
      expect(defectsOf(yield* Effect.exit(client.Grow(payload)))).toMatchObject([
        tooLong("payload")
      ])
      expect(defectsOf(yield* Effect.exit(client.Grow({ ...small, times: 21 })))).toMatchObject([
        tooLong("success")
      ])
      expect(
        defectsOf(yield* Effect.exit(client.Grow({ ...small, times: 21, how: "bug" })))
      ).toMatchObject([tooLong("error")])
      expect(
        defectsOf(yield* Effect.exit(Stream.runDrain(client.Items({ size: 2001 }))))
      ).toMatchObject([tooLong("fromCallee")])
      expect(yield* client.Grow(small)).toBe(small.text)
    })
  )
})

describe("More requests than go by one client router", () => {
  /** As many as go by three of them. */
  const many = Array.from({ length: 3072 }, (_, n) => n)

  for (const inFlight of [1, 64]) {
    test(
      `are answered, each with its own, ${inFlight} at a time; what was begun before goes on, and can be left`,
      Effect.gen(function* () {
        const begun = yield* Latch.make()
        const goOn = yield* Latch.make()
        let left = 0
        const { callee, caller, client } = yield* connect(
          Worker,
          worker({
            Work: ({ n }) =>
              n === 1
                ? Effect.as(Effect.andThen(begun.open, goOn.await), 10)
                : Effect.onInterrupt(Effect.never, () => Effect.sync(() => left++)),
            Count: ({ upTo }) =>
              Stream.mapEffect(Stream.range(1, upTo), (n) =>
                n < 3 ? Effect.succeed(n) : Effect.as(goOn.await, n)
              ),
            Talk: ({ n }, dialog) =>
              dialog.accept(n).pipe(
                Effect.flatMap(({ messages }) => Stream.runSum(messages)),
                Effect.map((sum) => sum + n)
              )
          })
        )
        const call = yield* Effect.forkChild(client.Work({ n: 1 }))
        const leaver = yield* Effect.forkChild(client.Work({ n: 2 }))
        const stream = yield* Effect.forkChild(Stream.runCollect(client.Count({ upTo: 100 })))
        const dialog = yield* client.Talk({ n: 5 })
        yield* begun.await
        const answers = yield* Effect.forEach(many, (n) => client.Other({ n }), {
          concurrency: inFlight
        })
        expect(answers).toStrictEqual(many)
        yield* Fiber.interrupt(leaver)
        expect(left).toBe(1)
        yield* goOn.open
        expect(yield* Fiber.join(call)).toBe(10)
        expect(yield* Fiber.join(stream)).toHaveLength(100)
        yield* dialog.send(37)
        yield* dialog.end
        expect(yield* dialog.result).toBe(42)
        yield* settle
        expect([caller.dialogs, callee.dialogs]).toStrictEqual([0, 0])
      })
    )
  }
})

describe("An open dialog", () => {
  test(
    "has one fiber at both of its ends together: that of its handler",
    Effect.suspend(() => {
      let running = 0
      const counting: Metric.FiberRuntimeMetricsService = {
        recordFiberStart: () => {
          running++
        },
        recordFiberEnd: () => {
          running--
        }
      }
      const many = 5
      return Effect.gen(function* () {
        const { client } = yield* connect(
          Worker,
          worker({
            Talk: ({ n }, dialog) =>
              dialog.accept(n).pipe(
                Effect.flatMap(({ messages }) => Stream.runDrain(messages)),
                Effect.as(n)
              )
          })
        )
        yield* settle
        const before = running
        const dialogs = yield* Effect.forEach(
          Array.from({ length: many }, (_, n) => n),
          (n) => client.Talk({ n })
        )
        yield* settle
        expect(running - before).toBe(many)
        for (const dialog of dialogs) {
          yield* dialog.end
          expect(yield* dialog.result).toBe(dialog.started)
        }
        yield* settle
        expect(running).toBe(before)
      }).pipe(Effect.provideService(Metric.FiberRuntimeMetrics, counting))
    })
  )

  test(
    "gives an item to one who waits, and to nobody who has given up waiting",
    Effect.gen(function* () {
      const { client } = yield* connect(
        Worker,
        worker({
          Talk: ({ n }, dialog) =>
            dialog.accept(n).pipe(
              Effect.flatMap(({ messages, send }) => Stream.runForEach(messages, send)),
              Effect.as(n)
            )
        })
      )
      const dialog = yield* client.Talk({ n: 1 })
      const waiting = Effect.forkChild(Stream.runHead(dialog.messages))
      const kept = [yield* waiting]
      for (let n = 0; n < 3; n++) {
        const left = yield* waiting
        yield* settle
        yield* Fiber.interrupt(left)
        kept.push(yield* waiting)
        yield* settle
      }
      for (const n of kept.keys()) yield* dialog.send(n)
      yield* settle
      const taken = yield* Effect.forEach(kept, (fiber) => Fiber.join(fiber))
      expect(taken.map(Option.getOrThrow)).toEqual([0, 1, 2, 3])
    })
  )
})
