/**
 * Publish and subscribe across actors: area PUB, and what STR says of subscriptions that change.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import { Closed } from "furrow/FanOut"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import * as Topics from "furrow/Topics"
import { ActorCrashed } from "furrow/TreeError"
import { availableParallelism } from "node:os"
import { Agency, Broken, Listener, Market, marketLive, relay } from "./fixtures/Topics.ts"
import type { Course } from "./fixtures/Topics.ts"
import type { World } from "./World.ts"

type PortalOf<D> = Actor.Portal<Actor.OperationsOf<D>>

interface Item {
  readonly topic: string
  readonly item: number
}

const all = { concurrency: "unbounded" } as const

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

/** The topics that items are of. */
const topicsOf = (items: ReadonlyArray<Item>) =>
  [...new Set(items.map(({ topic }) => topic))].sort()

/** Each topic's numbers come one after the other, none is missing, from wherever they begin. */
const expectWhole = (items: ReadonlyArray<Item>) => {
  for (const topic of topicsOf(items)) {
    const numbers = items.filter((item) => item.topic === topic).map(({ item }) => item)
    expect(numbers).toStrictEqual(numbers.map((_, index) => numbers[0]! + index))
  }
}

/** What has happened to a market's sources. */
interface Log {
  readonly sources: ReadonlyArray<string>
}

/** The sources that have started, or ended, in alphabetical order. */
const those = ({ sources }: Log, what: "started" | "ended") =>
  sources
    .filter((event) => event.endsWith(what))
    .map((event) => event.split(" ")[0]!)
    .sort()

/** An error of a test's own. */
class TooSlow extends Error {
  readonly _tag = "TooSlow"
}

/** Reads without end, for as long as the scope lasts; gives what was read, and a wait for one item more than now. */
const reading = <E>(stream: Stream.Stream<Item, E>) =>
  Effect.gen(function* () {
    const seen: Array<Item> = []
    let waiting: { readonly length: number; readonly there: Deferred.Deferred<void> } | undefined
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(stream, (item) => {
        seen.push(item)
        return waiting !== undefined && seen.length >= waiting.length
          ? Deferred.succeed(waiting.there, undefined)
          : Effect.void
      })
    )
    /** Waits for so many more. */
    const more = (count: number) =>
      Effect.suspend(() => {
        waiting = { length: seen.length + count, there: Deferred.makeUnsafe() }
        return Effect.raceFirst(Deferred.await(waiting.there), Fiber.join(fiber))
      })
    return { seen, fiber, more }
  })

export default (world: World): void => {
  const { crash, elapse, isGone, it, main, name } = world

  /** Asks again until it is so: what one actor tells another takes a moment. */
  const eventually = <E, R>(
    ask: Effect.Effect<Log, E, R>,
    holds: (log: Log) => boolean
  ): Effect.Effect<void, E, R> =>
    Effect.flatMap(ask, (log) =>
      holds(log)
        ? Effect.void
        : // In the test world asking takes the moment; letting time pass would wait for traffic that has no end.
          Effect.andThen(
            world.can.time ? Effect.yieldNow : Effect.sleep("5 millis"),
            eventually(ask, holds)
          )
    )

  describe(`topics (${name})`, () => {
    it("PUB-3 two actors with topics of their own, the publisher in the root: each sees its own, and one that is cancelled does not stop the other", () => {
      const course: Course = { sources: [], dialogs: 0 }
      return Nursery.run(
        Effect.gen(function* () {
          const spawn = (own: string) =>
            Nursery.spawn(Listener, { ...main, name: own, serve: Market })
          const [left, right] = yield* Effect.all([spawn("left"), spawn("right")], all)
          const listen = (listener: PortalOf<typeof Listener>, subscribe: ReadonlyArray<string>) =>
            reading(listener.client.Listen({ steps: [{ subscribe, unsubscribe: [], take: -1 }] }))
          const one = yield* listen(left, ["a", "b"])
          const other = yield* listen(right, ["c", "d"])
          yield* Effect.all([one.more(100), other.more(100)], all)
          expect(those(course, "started")).toStrictEqual(["a", "b", "c", "d"])

          yield* Fiber.interrupt(one.fiber)
          expect(those(course, "ended")).toStrictEqual(["a", "b"])
          yield* other.more(1000)
          yield* Fiber.interrupt(other.fiber)
          expect(those(course, "ended")).toStrictEqual(["a", "b", "c", "d"])
          expect(course).toMatchObject({ dialogs: 2, sources: { length: 8 } })

          expect([topicsOf(one.seen), topicsOf(other.seen)]).toStrictEqual([
            ["a", "b"],
            ["c", "d"]
          ])
          for (const { seen } of [one, other]) expectWhole(seen)
        }).pipe(Effect.scoped, Effect.provide(marketLive(course)))
      )
    })

    it("PUB-3 the same with the publisher in a child, and the root passing on what it publishes", () =>
      Nursery.run(
        Effect.gen(function* () {
          const market = yield* Nursery.spawn(Market, main)
          yield* Effect.gen(function* () {
            const spawn = (own: string) =>
              Nursery.spawn(Listener, { ...main, name: own, serve: Market })
            const [left, right] = yield* Effect.all([spawn("left"), spawn("right")], all)
            const listen = (
              listener: PortalOf<typeof Listener>,
              subscribe: ReadonlyArray<string>
            ) =>
              reading(listener.client.Listen({ steps: [{ subscribe, unsubscribe: [], take: -1 }] }))
            const one = yield* listen(left, ["a", "b"])
            const other = yield* listen(right, ["c", "d"])
            yield* Effect.all([one.more(100), other.more(100)], all)
            yield* Fiber.interrupt(one.fiber)
            yield* eventually(market.client.Log(), (log) => those(log, "ended").length === 2)
            yield* other.more(1000)
            expect(those(yield* market.client.Log(), "ended")).toStrictEqual(["a", "b"])
            yield* Fiber.interrupt(other.fiber)
            yield* eventually(market.client.Log(), (log) => those(log, "ended").length === 4)
            expect([topicsOf(one.seen), topicsOf(other.seen)]).toStrictEqual([
              ["a", "b"],
              ["c", "d"]
            ])
            for (const { seen } of [one, other]) expectWhole(seen)
          }).pipe(Effect.scoped, Effect.provide(relay(market)))
          // The relay has left, and nobody is subscribed to anything.
          const { dialogs, sources } = yield* market.client.Log()
          expect([dialogs, sources.length]).toStrictEqual([1, 8])
        })
      ))

    for (const how of ["is interrupted", "runs out of time"]) {
      it(`STR-10 a publisher and a consumer for each processor, whose subscriptions change: each gets what it is subscribed to; then the block ${how}`, () =>
        Effect.gen(function* () {
          const doors: Array<Parameters<typeof isGone>[0]> = []
          const seen: Array<{
            readonly last: string
            readonly items: ReadonlyArray<Item & { readonly step: number }>
          }> = []
          const ready = Deferred.makeUnsafe<void>()
          const consume = Effect.fnUntraced(function* (index: number) {
            // Time passes only where nothing more is said; and a topic that is over says nothing to who comes late.
            const last = how === "is interrupted" ? "d" : `short ${index}`
            const steps = [
              { subscribe: ["a", "b"], unsubscribe: [], take: 40 },
              { subscribe: ["c"], unsubscribe: ["a"], take: 60 },
              { subscribe: [], unsubscribe: ["b"], take: 40 },
              { subscribe: [last], unsubscribe: ["c"], take: -1 }
            ]
            const listener = yield* Nursery.spawn(Listener, {
              ...main,
              name: `consumer ${index}`,
              serve: Market
            })
            doors.push(listener)
            const items: Array<Item & { readonly step: number }> = []
            seen.push({ last, items })
            const there = Deferred.makeUnsafe<void>()
            yield* Effect.forkScoped(
              Stream.runForEach(listener.client.Listen({ steps }), (item) => {
                items.push(item)
                return item.step === 3 ? Deferred.succeed(there, undefined) : Effect.void
              })
            )
            return Deferred.await(there)
          })
          const block = yield* Effect.forkChild(
            Nursery.run(
              Effect.gen(function* () {
                const market = yield* Nursery.spawn(Market, main)
                doors.push(market)
                const count = Math.max(2, Math.min(4, availableParallelism()))
                return yield* Effect.gen(function* () {
                  const waits = yield* Effect.forEach(upTo(count), consume, all)
                  yield* Effect.all(waits, all)
                  yield* Deferred.succeed(ready, undefined)
                  return yield* Effect.never.pipe(
                    Effect.timeoutOrElse({
                      duration: how === "is interrupted" ? "1 hour" : "50 millis",
                      orElse: () => Effect.fail(new TooSlow())
                    })
                  )
                }).pipe(Effect.scoped, Effect.provide(relay(market)))
              })
            )
          )
          yield* Effect.raceFirst(Deferred.await(ready), Fiber.join(block))
          if (how === "is interrupted") yield* Fiber.interrupt(block)
          else yield* elapse("50 millis")
          const exit = yield* Fiber.await(block)
          assert(Exit.isFailure(exit))
          if (how === "is interrupted") assert(Cause.hasInterruptsOnly(exit.cause))
          else assert(Cause.squash(exit.cause) instanceof TooSlow, Cause.pretty(exit.cause))
          for (const door of doors) assert(yield* isGone(door))

          for (const { items, last } of seen) {
            const inStep = (step: number) => items.filter((item) => item.step === step)
            expect(["a", "b"]).toEqual(expect.arrayContaining(topicsOf(inStep(0))))
            expect(["b", "c"]).toEqual(expect.arrayContaining(topicsOf(inStep(1))))
            expect([2, 3].map((step) => topicsOf(inStep(step)))).toStrictEqual([["c"], [last]])
            expect([0, 1, 2].map((step) => inStep(step).length)).toStrictEqual([40, 60, 40])
            expectWhole(items)
          }
        }))
    }

    it("PUB-4 several tasks with several subscriptions over one dialog: each task's items are complete", () =>
      Nursery.run(
        Effect.gen(function* () {
          const market = yield* Nursery.spawn(Market, main)
          const tasks = [["a"], ["a", "b"], ["b", "c"], ["c"]]
          const seen = yield* Effect.gen(function* () {
            const feed = yield* Topics.open(market.client.Quotes(), { capacity: 8 })
            const there = tasks.map(() => Deferred.makeUnsafe<void>())
            const together = Effect.all(there.map((one) => Deferred.await(one)))
            return yield* Effect.forEach(
              tasks,
              (topics, index) =>
                Effect.gen(function* () {
                  const { stream } = yield* feed.subscribe(topics)
                  yield* Deferred.succeed(there[index]!, undefined)
                  yield* together
                  return yield* Stream.runCollect(Stream.take(stream, 200 + 50 * index))
                }).pipe(Effect.scoped),
              all
            )
          }).pipe(Effect.scoped)
          expect(seen.map(topicsOf)).toStrictEqual(tasks)
          for (const items of seen) expectWhole(items)
          const { dialogs, sources } = yield* market.client.Log()
          expect(dialogs).toBe(1)
          expect(those({ sources }, "started")).toStrictEqual(["a", "b", "c"])
          expect(those({ sources }, "ended")).toStrictEqual(["a", "b", "c"])
        })
      ))

    it("a source runs once for all who are subscribed, until the last has left, who waits for its end", () =>
      Nursery.run(
        Effect.gen(function* () {
          const market = yield* Nursery.spawn(Market, main)
          const log = Effect.map(market.client.Log(), ({ sources }) => sources)
          const first = Effect.gen(function* () {
            const feed = yield* Topics.open(market.client.Quotes())
            const { stream } = yield* feed.subscribe(["a"])
            expect(yield* Stream.runCollect(Stream.take(stream, 3))).toMatchObject([
              { topic: "a", item: 1, missed: 0 },
              { topic: "a", item: 2, missed: 0 },
              { topic: "a", item: 3, missed: 0 }
            ])
            const second = Effect.gen(function* () {
              const own = yield* Topics.open(market.client.Quotes())
              const same = yield* own.subscribe(["a"])
              // At the pace of the slowest: the first reads, too.
              yield* Effect.raceFirst(
                Stream.runDrain(Stream.take(same.stream, 500)),
                Stream.runDrain(stream)
              )
            })
            yield* Effect.scoped(second)
            expect(yield* log).toStrictEqual(["a started"])
          })
          yield* Effect.scoped(first)
          expect(yield* log).toStrictEqual(["a started", "a ended"])
          yield* Effect.scoped(first.pipe(Effect.exit))
          expect((yield* log).length).toBe(4)
        })
      ))

    it("a subscription may be changed in the middle of its own stream, however little room there is", () =>
      Nursery.run(
        Effect.gen(function* () {
          const market = yield* Nursery.spawn(Market, main)
          const feed = yield* Topics.open(market.client.Quotes(), { capacity: 1 })
          const quotes = yield* feed.subscribe(["a"])
          // Nobody reads this one, and so it holds up the dialog: but not a change.
          const other = yield* feed.subscribe(["a"])
          yield* other.unsubscribe(["a"])
          const seen: Array<Item> = []
          yield* quotes.stream.pipe(
            Stream.takeUntil(({ topic }) => topic === "c"),
            Stream.runForEach((item) => {
              seen.push(item)
              if (item.topic === "a" && item.item === 200) {
                return Effect.andThen(quotes.subscribe(["b"]), quotes.unsubscribe(["a"]))
              }
              return item.topic === "b" && item.item === 200
                ? Effect.andThen(quotes.subscribe(["c"]), quotes.unsubscribe(["b"]))
                : Effect.void
            })
          )
          expect(topicsOf(seen)).toStrictEqual(["a", "b", "c"])
          expect(seen).toHaveLength(401)
          expectWhole(seen)
          expect(yield* quotes.topics).toStrictEqual(["c"])
          yield* eventually(market.client.Log(), (log) => those(log, "ended").length === 2)
        }).pipe(Effect.scoped)
      ))

    it("a source that fails fails whoever is subscribed to its topic, and nobody else", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Market, main)
          const unharmed = yield* Topics.open(client.Quotes())
          const other = yield* unharmed.subscribe(["a"])
          const failing = yield* Topics.open(client.Quotes())
          const broken = yield* failing.subscribe(["broken"])
          const beside = yield* failing.subscribe(["short", "b"])
          const seen: Array<number> = []
          const told = yield* Effect.flip(
            Stream.runForEach(broken.stream, ({ item }) => Effect.sync(() => seen.push(item)))
          )
          expect([told, ...seen]).toStrictEqual([new Broken({ topic: "broken" }), 1, 2])
          // It is one dialog; whoever comes late meets the same.
          for (const { stream } of [beside, yield* failing.subscribe(["a"])]) {
            assert((yield* Effect.flip(Stream.runDrain(stream))) instanceof Broken)
          }
          expect(yield* Stream.runCollect(Stream.take(other.stream, 1000))).toHaveLength(1000)
        }).pipe(Effect.scoped)
      ))

    it("a topic whose source has ended has ended for all who are subscribed: a stream ends with the last of its topics, and a topic begins again", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Market, main)
          const feed = yield* Topics.open(client.Quotes())
          const short = yield* feed.subscribe(["short"])
          const other = yield* (yield* Topics.open(client.Quotes())).subscribe(["short"])
          const twice = [
            { topic: "short", item: 1 },
            { topic: "short", item: 2 }
          ]
          expect(yield* Stream.runCollect(short.stream)).toMatchObject(twice)
          // It may have come when the source had ended, or when it had begun again for it.
          yield* Stream.runDrain(other.stream)
          // It stays so; nobody runs, and nobody is listened to.
          expect(yield* Stream.runCollect(short.stream)).toStrictEqual([])
          expect(yield* short.topics).toStrictEqual([])
          yield* eventually(
            client.Log(),
            (log) => those(log, "ended").length === those(log, "started").length
          )
          const before = those(yield* client.Log(), "started")

          yield* short.subscribe(["short", "a"])
          const items = yield* Stream.runCollect(
            Stream.takeUntil(short.stream, ({ item }) => item === 100)
          )
          expect(items.filter(({ topic }) => topic === "short")).toMatchObject(twice)
          expect(items.filter(({ topic }) => topic === "a")).toHaveLength(100)
          expect(yield* short.topics).toStrictEqual(["a"])
          // What is left is given up.
          const ending = yield* Effect.forkChild(Stream.runDrain(short.stream))
          yield* short.unsubscribe(["a"])
          yield* Fiber.join(ending)
          expect(those(yield* client.Log(), "started")).toStrictEqual(["a", ...before, "short"])
        }).pipe(Effect.scoped)
      ))

    it("the end of a topic is passed on by whoever stands between", () =>
      Nursery.run(
        Effect.gen(function* () {
          const market = yield* Nursery.spawn(Market, main)
          yield* Effect.gen(function* () {
            const listener = yield* Nursery.spawn(Listener, { ...main, serve: Market })
            const steps = [{ subscribe: ["short"], unsubscribe: [], take: -1 }]
            expect(yield* Stream.runCollect(listener.client.Listen({ steps }))).toStrictEqual([
              { step: 0, topic: "short", item: 1 },
              { step: 0, topic: "short", item: 2 }
            ])
          }).pipe(Effect.provide(relay(market)))
        })
      ))

    it("the end of a publisher is the end of every subscription, and of those that come afterwards", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Agency, main)
          const feed = yield* Topics.open(client.News())
          const reader = yield* reading((yield* feed.subscribe(["a"])).stream)
          const idle = yield* (yield* Topics.open(client.News())).subscribe([])
          expect(yield* client.Report({ kind: "news", topic: "a", item: 1 })).toBe(true)
          yield* reader.more(1)
          yield* client.Shut()
          yield* Fiber.join(reader.fiber)
          const late = yield* (yield* Topics.open(client.News())).subscribe(["a"])
          for (const { stream } of [idle, late, yield* feed.subscribe(["b"])]) {
            expect(yield* Stream.runCollect(stream)).toStrictEqual([])
          }
          expect(yield* client.Report({ kind: "news", topic: "a", item: 2 })).toBe(false)
        }).pipe(Effect.scoped)
      ))

    it("the publisher's actor is stopped: every subscription fails with who asked for it", () =>
      Nursery.run(
        Effect.gen(function* () {
          const market = yield* Nursery.spawn(Market, main)
          const feed = yield* Topics.open(market.client.Quotes())
          const first = yield* reading((yield* feed.subscribe(["a"])).stream)
          yield* first.more(10)
          yield* market.stop
          const late = yield* feed.subscribe(["b"])
          for (const met of [Fiber.join(first.fiber), Stream.runDrain(late.stream)]) {
            const error = yield* Effect.flip(met)
            assert(error instanceof PortalError)
            assert(error.reason._tag === "Cancelled", error.reason._tag)
            expect(error.reason.by.incarnation).not.toBe(market.actor.incarnation)
          }
        }).pipe(Effect.scoped)
      ))

    it("PUB-3 a topic is let go of as soon as its last subscription is left, however far another one of the dialog is behind", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Market, main)
          const feed = yield* Topics.open(client.Quotes(), { capacity: 1 })
          // Nobody reads it, and so it holds up the dialog; but no change of the others.
          yield* feed.subscribe(["a"])
          const scope = yield* Scope.make()
          yield* Scope.provide(feed.subscribe(["b"]), scope)
          // A source that is let go of before it has begun never ends.
          yield* eventually(client.Log(), (log) => those(log, "started").includes("b"))
          // Whoever does not wait for the answer holds up no other change either.
          const asking = yield* Effect.forkChild(Effect.scoped(feed.subscribe(["c"])), {
            startImmediately: true
          })
          yield* Fiber.interrupt(asking)
          yield* Scope.close(scope, Exit.void)
          yield* eventually(client.Log(), (log) => those(log, "ended").includes("b"))
        }).pipe(Effect.scoped)
      ))

    it("PUB-3 what is published to nobody is dropped, and whoever publishes is told", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Agency, main)
          const report = (topic: string, item: number) =>
            client.Report({ kind: "news", topic, item })
          expect(yield* report("ships", 1)).toBe(false)
          yield* Effect.gen(function* () {
            const feed = yield* Topics.open(client.News())
            const { stream } = yield* feed.subscribe(["ships"])
            expect(yield* client.Wanted()).toStrictEqual(["ships"])
            expect([yield* report("ships", 2), yield* report("trains", 3)]).toStrictEqual([
              true,
              false
            ])
            yield* report("ships", 4)
            expect(yield* Stream.runCollect(Stream.take(stream, 2))).toMatchObject([
              { item: 2 },
              { item: 4 }
            ])
          }).pipe(Effect.scoped)
          expect(yield* client.Wanted()).toStrictEqual([])
          expect(yield* report("ships", 5)).toBe(false)
        })
      ))

    it("PUB-3 whoever publishes, and waits for the last subscriber, goes on when that has left", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Agency, main)
          const heard: Array<boolean> = []
          const publishing = yield* Effect.gen(function* () {
            const feed = yield* Topics.open(client.News(), { capacity: 1 })
            // It reads nothing, and so there is room for a window, and for what is kept at either end.
            yield* feed.subscribe(["a"])
            const many = Deferred.makeUnsafe<void>()
            const publishing = yield* Effect.forkDetach(
              Effect.forEach(upTo(200), (item) =>
                Effect.tap(client.Report({ kind: "news", topic: "a", item }), (isHeard) =>
                  heard.push(isHeard) === 64 ? Deferred.succeed(many, undefined) : Effect.void
                )
              )
            )
            yield* Deferred.await(many)
            // What is asked for beside it takes as long as what there is room for.
            yield* Effect.repeat(client.Wanted(), { times: 20 })
            expect(publishing.pollUnsafe()).toBe(undefined)
            return publishing
          }).pipe(Effect.scoped)
          yield* Fiber.join(publishing)
          expect(heard[0]).toBe(true)
          expect(heard.at(-1)).toBe(false)
        })
      ))

    for (const kind of ["news", "flash"] as const) {
      const what =
        kind === "news"
          ? "holds up whoever publishes, and misses nothing"
          : "holds up nobody, and is told exactly what it has missed, if the publisher skips"
      it(`BC-8 a subscriber that is slow ${what}`, () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* Nursery.spawn(Agency, main)
            const opening = kind === "news" ? client.News() : client.Flashes()
            const feed = yield* Topics.open(opening, { capacity: 1 })
            const { stream } = yield* feed.subscribe(["a"])
            const publishing = yield* Effect.forkChild(
              Effect.forEach(upTo(400), (item) => client.Report({ kind, topic: "a", item }))
            )
            if (kind === "flash") yield* Fiber.join(publishing)
            let last = 0
            let missed = 0
            yield* stream.pipe(
              Stream.takeUntil(({ item }) => item === 400),
              Stream.runForEach((flash) =>
                Effect.sync(() => {
                  expect(flash.item - last - 1).toBe(flash.missed)
                  last = flash.item
                  missed += flash.missed
                })
              )
            )
            if (kind === "news") expect(missed).toBe(0)
            // There is room for a window, and for what is kept at either end.
            else expect(missed).toBeGreaterThan(400 - 64 - 16)
            yield* Fiber.join(publishing)
          }).pipe(Effect.scoped)
        ))
    }

    it("BC-4 a feed that is closed, or a subscription, fails whoever reads it", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Market, main)
          const feed = yield* Topics.open(client.Quotes())
          const left = yield* Effect.scoped(feed.subscribe(["short"]))
          assert((yield* Effect.flip(Stream.runDrain(left.stream))) instanceof Closed)

          const [closed, reader] = yield* Effect.gen(function* () {
            const own = yield* Topics.open(client.Quotes())
            // In a scope that lasts longer than the feed's.
            const subscription = yield* own.subscribe(["short"])
            const reader = yield* Effect.forkDetach(
              Effect.flip(Stream.runDrain(subscription.stream))
            )
            return [subscription, reader] as const
          }).pipe(Effect.scoped)
          assert((yield* Fiber.join(reader)) instanceof Closed)
          assert((yield* Effect.flip(Stream.runDrain(closed.stream))) instanceof Closed)
        }).pipe(Effect.scoped)
      ))

    it("the loss of the publisher reaches every subscription, and whoever subscribes afterwards", () =>
      Nursery.run(
        Effect.gen(function* () {
          const market = yield* Nursery.spawn(Market, main)
          const lost = yield* Effect.gen(function* () {
            const feed = yield* Topics.open(market.client.Quotes())
            const quotes = yield* feed.subscribe(["a"])
            const first = yield* reading(quotes.stream)
            yield* first.more(10)
            yield* crash(market)
            const met = yield* Effect.flip(Fiber.join(first.fiber))
            const late = yield* feed.subscribe(["b"])
            return [met, yield* Effect.flip(Stream.runDrain(late.stream))]
          }).pipe(Effect.scoped, Effect.uninterruptible)
          for (const error of lost) {
            assert(error instanceof PortalError)
            expect(error.reason._tag).toBe("Disconnected")
          }
        })
      ).pipe(
        Effect.flip,
        Effect.map((error) => assert(error instanceof ActorCrashed))
      ))
  })
}
