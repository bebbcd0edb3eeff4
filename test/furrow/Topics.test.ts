/** A publisher by itself: what its sources see of those who subscribe. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Topics from "furrow/Topics"
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
