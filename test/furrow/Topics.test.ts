/** A publisher by itself: what its sources see of those who subscribe. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Topics from "furrow/Topics"
import { Dice } from "../fuzz/Dice.ts"
import { connect } from "./RouterPair.ts"

/** A topic with a shape: two of the same shape are one. */
const Quotes = Topics.make("Quotes", {
  topic: Schema.Struct({ name: Schema.String, tenths: Schema.Boolean }),
  item: Schema.Int
})

class Market extends Actor.make("Market", [Quotes]) {}

const tea = { name: "tea", tenths: false }

/** A market with this source, and feeds from it. */
const marketOf = (
  source: (topic: typeof tea) => Stream.Stream<number>,
  options?: Topics.PublisherOptions
) =>
  connect(
    Market,
    Market.toLayer(
      Effect.map(Topics.handler(Quotes, source, options), (quotes) => Market.of({ Quotes: quotes }))
    )
  )

const settle = Effect.repeat(Effect.yieldNow, { times: 100 })

describe("a source", () => {
  it.effect("is not started again before it has ended", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const mayEnd = Deferred.makeUnsafe<void>()
      const { client } = yield* marketOf(() =>
        Stream.suspend(() => {
          events.push("started")
          return Stream.concat(Stream.make(1), Stream.never)
        }).pipe(
          Stream.ensuring(
            Effect.andThen(
              Deferred.await(mayEnd),
              Effect.sync(() => events.push("ended"))
            )
          )
        )
      )
      const listen = Effect.gen(function* () {
        const feed = yield* Topics.open(client.Quotes())
        const { stream } = yield* feed.subscribe([tea])
        return yield* Stream.runCollect(Stream.take(stream, 1))
      })
      const first = yield* Effect.forkChild(Effect.scoped(listen))
      yield* settle
      const second = yield* Effect.forkChild(Effect.scoped(listen))
      yield* settle
      expect(events).toStrictEqual(["started"])
      yield* Deferred.succeed(mayEnd, undefined)
      for (const one of [first, second]) {
        expect(yield* Fiber.join(one)).toStrictEqual([
          { _tag: "Published", topic: tea, item: 1, missed: 0 }
        ])
      }
      expect(events).toStrictEqual(["started", "ended", "started", "ended"])
    })
  )

  it.effect("that ends slowly holds up nothing else of its dialog, whose end waits for it", () =>
    Effect.gen(function* () {
      const mayEnd = Deferred.makeUnsafe<void>()
      const ended: Array<string> = []
      const { client } = yield* marketOf(({ name }) =>
        Stream.concat(Stream.make(1), Stream.never).pipe(
          Stream.ensuring(
            Effect.andThen(
              name === "tea" ? Deferred.await(mayEnd) : Effect.void,
              Effect.sync(() => ended.push(name))
            )
          )
        )
      )
      const scope = yield* Scope.make()
      const feed = yield* Scope.provide(Topics.open(client.Quotes()), scope)
      const quotes = yield* Scope.provide(feed.subscribe([tea]), scope)
      const next = Stream.runHead(quotes.stream)
      expect(yield* next).toMatchObject({ value: { topic: tea } })
      yield* quotes.unsubscribe([tea])
      const other = yield* Effect.forkChild(quotes.subscribe([named("milk")]))
      yield* settle
      expect(other.pollUnsafe(), "it has another topic by now").toStrictEqual(Exit.void)
      expect(yield* next).toMatchObject({ value: { topic: { name: "milk" } } })
      const again = yield* Effect.forkChild(quotes.subscribe([tea]))
      yield* settle
      expect(again.pollUnsafe(), "the same topic begins anew, when it has ended").toBeUndefined()
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* settle
      expect([closing.pollUnsafe(), ended]).toStrictEqual([undefined, ["milk"]])
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(closing)
      expect(ended).toStrictEqual(["milk", "tea"])
    })
  )

  it.effect("that dies as its last subscriber gives it up is told to that one, once", () =>
    Effect.gen(function* () {
      for (const isLeaving of [false, true]) {
        const mayEnd = Deferred.makeUnsafe<void>()
        const { client } = yield* marketOf(({ name }) =>
          name === "tea"
            ? Stream.ensuring(
                Stream.never,
                Effect.andThen(Deferred.await(mayEnd), Effect.die(new Error("it would not end")))
              )
            : Stream.never
        )
        const scope = yield* Scope.make()
        const feed = yield* Scope.provide(Topics.open(client.Quotes()), scope)
        const quotes = yield* Scope.provide(feed.subscribe([tea, named("milk")]), scope)
        const reading = yield* Effect.forkChild(Stream.runDrain(quotes.stream))
        yield* settle
        yield* quotes.unsubscribe([tea])
        yield* settle
        const leaving = isLeaving
          ? yield* Effect.forkChild(Scope.close(scope, Exit.void))
          : undefined
        yield* settle
        yield* Deferred.succeed(mayEnd, undefined)
        const told = yield* Fiber.await(leaving ?? reading)
        assert(Exit.isFailure(told))
        expect(told.cause.reasons.map(({ _tag }) => _tag)).toStrictEqual(["Die"])
        expect(String(Cause.squash(told.cause))).toContain("it would not end")
        if (leaving === undefined) yield* Scope.close(scope, Exit.void)
      }
    })
  )

  it.effect("is one for topics that are equal", () =>
    Effect.gen(function* () {
      const started: Array<unknown> = []
      const { client } = yield* marketOf((topic) => {
        started.push(topic)
        return Stream.range(1, 1_000_000)
      })
      const feed = yield* Topics.open(client.Quotes())
      const own = yield* feed.subscribe([tea, { ...tea }])
      const other = yield* feed.subscribe([{ ...tea }, { ...tea, tenths: true }])
      expect([(yield* own.topics).length, (yield* other.topics).length]).toStrictEqual([1, 2])
      const read = (stream: typeof own.stream) => Stream.runCollect(Stream.take(stream, 20))
      const [one, two] = yield* Effect.all([read(own.stream), read(other.stream)])
      expect(new Set(one.map(({ topic }) => topic.tenths))).toStrictEqual(new Set([false]))
      expect(new Set(two.map(({ topic }) => topic.tenths))).toStrictEqual(new Set([false, true]))
      expect(started).toStrictEqual([tea, { ...tea, tenths: true }])
    })
  )

  it.effect(
    "has its publisher's context, and neither the deadline nor the services of a subscriber",
    () =>
      Effect.gen(function* () {
        const Whose = Context.Reference<string>("test/Whose", { defaultValue: () => "nobody" })
        const seen: Array<unknown> = []
        const { client } = yield* Effect.provideService(
          marketOf(() =>
            Stream.fromEffect(
              Effect.gen(function* () {
                seen.push([yield* Whose, yield* Deadline.left])
                return 1
              })
            )
          ),
          Whose,
          "the publisher"
        )
        yield* Effect.gen(function* () {
          const feed = yield* Topics.open(client.Quotes())
          const { stream } = yield* feed.subscribe([tea])
          yield* Stream.runDrain(Stream.take(stream, 1))
        }).pipe(
          Effect.scoped,
          Deadline.within("1 minute"),
          Effect.provideService(Whose, "somebody")
        )
        expect(seen).toStrictEqual([["the publisher", undefined]])
      })
  )
})

it.effect("a publisher, or a feed, without room for one item is a defect that names it", () =>
  Effect.gen(function* () {
    const { client } = yield* marketOf(() => Stream.empty)
    for (const [what, making] of [
      ["The publisher of Quotes", Effect.asVoid(Topics.publisher(Quotes, { capacity: 0 }))],
      ["A feed", Effect.asVoid(Topics.open(client.Quotes(), { capacity: 0 }))]
    ] as const) {
      const exit = yield* Effect.exit<void, unknown, Scope.Scope>(making)
      expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain(
        `${what} retains a whole number of values, at least 1: 0 cannot be its capacity`
      )
    }
  })
)

it.effect(
  "what was under way when a topic was given up is not taken for it when it is wanted again",
  () =>
    Effect.gen(function* () {
      const { client } = yield* connect(
        Market,
        Market.toLayer({
          Quotes: Effect.fnUntraced(function* (_payload, dialog) {
            const { messages, send } = yield* dialog.accept()
            const say = (item: number) => send({ _tag: "Published", topic: tea, item, missed: 0 })
            let subscribed = 0
            yield* Stream.runForEach(messages, ({ subscribe }) =>
              Effect.gen(function* () {
                // It does not know yet that nobody wants the topic any more.
                if (subscribe.length === 0) return
                if (subscribed++ > 0) yield* say(99)
                yield* send({ _tag: "Changed" })
                yield* say(subscribed)
              })
            )
          })
        })
      )
      const feed = yield* Topics.open(client.Quotes())
      const first = Effect.scoped(
        Effect.flatMap(feed.subscribe([tea]), ({ stream }) => Stream.runHead(stream))
      )
      expect(yield* first).toMatchObject({ value: { item: 1 } })
      expect(yield* first).toMatchObject({ value: { item: 2 } })
    }).pipe(Effect.scoped)
)

/** A market of numbers without end, and the names of the sources that run. */
const endless = Effect.gen(function* () {
  const running = new Set<string>()
  const { client } = yield* marketOf(({ name }) =>
    Stream.suspend(() => {
      expect(running, "it runs twice").not.toContain(name)
      running.add(name)
      return Stream.rechunk(Stream.range(1, Number.MAX_SAFE_INTEGER), 1)
    }).pipe(
      // An end takes its time.
      Stream.ensuring(
        Effect.andThen(
          Effect.repeat(Effect.yieldNow, { times: 5 }),
          Effect.sync(() => running.delete(name))
        )
      )
    )
  )
  return { client, running }
})

const named = (name: string) => ({ name, tenths: false })

/** Waits until these sources run, and no others. */
const untilRunning = (running: ReadonlySet<string>, names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    for (let n = 0; n < 50 && [...running].sort().join() !== names.join(); n++) yield* settle
    expect([...running].sort()).toStrictEqual(names)
  })

describe("a subscription of a feed", () => {
  it.effect("that has given up what it had not taken holds nobody up", () =>
    Effect.gen(function* () {
      const { client } = yield* endless
      const feed = yield* Topics.open(client.Quotes(), { capacity: 1 })
      const idle = yield* feed.subscribe([tea])
      const { stream } = yield* feed.subscribe([tea])
      yield* settle
      yield* idle.unsubscribe([tea])
      const reading = yield* Effect.forkChild(Stream.runDrain(Stream.take(stream, 500)))
      for (let n = 0; n < 50; n++) yield* settle
      expect(reading.pollUnsafe()).toStrictEqual(Exit.void)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "does not take what had arrived before it gave up a topic, when it wants that again",
    () =>
      Effect.gen(function* () {
        const { client } = yield* endless
        const feed = yield* Topics.open(client.Quotes())
        const quotes = yield* feed.subscribe([tea])
        yield* settle
        yield* quotes.unsubscribe([tea])
        yield* quotes.subscribe([tea])
        // The source has begun anew.
        const items = yield* Stream.runCollect(Stream.take(quotes.stream, 200))
        expect(items.map(({ item }) => item)).toStrictEqual(items.map((_, index) => index + 1))
      }).pipe(Effect.scoped)
  )

  it.effect("that is closed asks for nothing any more", () =>
    Effect.gen(function* () {
      const { client, running } = yield* endless
      const feed = yield* Topics.open(client.Quotes())
      const left = yield* Effect.scoped(feed.subscribe([]))
      yield* left.subscribe([tea])
      yield* settle
      expect([running.size, yield* left.topics]).toStrictEqual([0, []])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "PUB-3 is left at once, also if another one has asked for more and does not wait for the answer",
    () =>
      Effect.gen(function* () {
        const { client, running } = yield* endless
        const feed = yield* Topics.open(client.Quotes(), { capacity: 1 })
        yield* feed.subscribe([named("idle")])
        yield* settle
        const leaving = yield* Scope.make()
        yield* Scope.provide(feed.subscribe([tea]), leaving)
        yield* untilRunning(running, ["idle", "tea"])
        // Until nothing more fits between the two ends.
        for (let n = 0; n < 10; n++) yield* settle
        const asking = yield* Effect.forkChild(Effect.scoped(feed.subscribe([named("milk")])), {
          startImmediately: true
        })
        yield* Fiber.interrupt(asking)
        yield* Scope.close(leaving, Exit.void)
        yield* untilRunning(running, ["idle"])
      }).pipe(Effect.scoped)
  )

  it.effect("whose topic does not fit its schema dies of that, and waits for no answer", () =>
    Effect.gen(function* () {
      const { client } = yield* endless
      const feed = yield* Topics.open(client.Quotes())
      const wrong = yield* feed.subscribe([{ name: "tea", tenths: "many" as never }])
      const exit = yield* Effect.exit(Stream.runDrain(wrong.stream))
      expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "PUB-3 is interrupted wherever it is, while another one changes its topics: what nobody wants any more has ended",
    () =>
      Effect.gen(function* () {
        for (let turns = 0; turns < 150; turns++) {
          yield* Effect.gen(function* () {
            const { client, running } = yield* endless
            const feed = yield* Topics.open(client.Quotes(), { capacity: 1 })
            const other = yield* feed.subscribe([named("milk")])
            const cut = yield* feed.subscribe([tea]).pipe(
              Effect.flatMap(({ stream }) => Stream.runDrain(Stream.take(stream, 3))),
              Effect.scoped,
              Effect.forkChild({ startImmediately: true })
            )
            const changing = yield* Effect.forkChild(
              Effect.andThen(other.subscribe([tea]), other.unsubscribe([tea]))
            )
            for (let n = 0; n < turns; n++) yield* Effect.yieldNow
            yield* Fiber.interrupt(cut)
            yield* Fiber.join(changing)
            yield* untilRunning(running, ["milk"])
            const items = yield* Stream.runCollect(Stream.take(other.stream, 20))
            expect(items.map(({ item }) => item)).toStrictEqual(
              items.map((_, index) => items[0]!.item + index)
            )
          }).pipe(Effect.scoped, Effect.provideService(Scheduler.MaxOpsBeforeYield, 3))
        }
      })
  )
})

it.effect(
  "PUB-3 whoever comes, changes and goes in whatever order: each gets what it wants, and nothing runs for nobody",
  () =>
    Effect.forEach(
      Array.from({ length: 40 }, (_, index) => index + 1),
      (seed) =>
        Effect.gen(function* () {
          const dice = new Dice(seed)
          const { client, running } = yield* endless
          const feeds = yield* Effect.all([
            Topics.open(client.Quotes(), { capacity: 1 + dice.below(4) }),
            Topics.open(client.Quotes(), { capacity: 1 + dice.below(4) })
          ])
          const task = Effect.gen(function* () {
            const quotes = yield* dice.pick(feeds).subscribe([])
            for (let n = 0; n < 8; n++) {
              const topic = named(dice.pick(["a", "b", "c"]))
              yield* Effect.repeat(Effect.yieldNow, { times: dice.below(10) })
              if (dice.once(2)) yield* quotes.unsubscribe(yield* quotes.topics)
              else yield* quotes.subscribe([topic])
              if ((yield* quotes.topics).length === 0) continue
              const items = yield* Stream.runCollect(Stream.take(quotes.stream, dice.below(6)))
              for (const name of ["a", "b", "c"]) {
                const numbers = items.filter((item) => item.topic.name === name)
                expect(numbers.map(({ item }) => item)).toStrictEqual(
                  numbers.map((_, index) => numbers[0]!.item + index)
                )
              }
            }
          })
          const tasks = yield* Effect.forEach([1, 2, 3, 4], () =>
            Effect.forkChild(Effect.scoped(task))
          )
          for (const fiber of tasks) {
            if (dice.once(3)) {
              yield* Effect.repeat(Effect.yieldNow, { times: dice.below(200) })
              yield* Fiber.interrupt(fiber)
            } else yield* Fiber.join(fiber)
          }
          yield* untilRunning(running, [])
        }).pipe(Effect.scoped, Effect.provideService(Scheduler.MaxOpsBeforeYield, 3 + (seed % 5)))
    )
)
