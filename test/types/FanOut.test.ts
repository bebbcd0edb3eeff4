/** What a subscriber of a fan-out, or of topics, can fail with, and what can be said in them. */
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as FanOut from "furrow/FanOut"
import type { Closed, Lagged } from "furrow/FanOut"
import type { PortalError } from "furrow/PortalError"
import * as Topics from "furrow/Topics"
import { describe, expectTypeOf, it } from "vitest"
import type { Counter, RoomClosed } from "./fixtures.ts"

declare const client: Actor.Client<Actor.OperationsOf<typeof Counter>>
declare const fan: FanOut.FanOut<number, "broken">

describe("a fan-out", () => {
  it("has its source's items, errors and needs, and a scope", () => {
    expectTypeOf(FanOut.make(client.Ticks({ every: 1 }), { capacity: 1 })).toEqualTypeOf<
      Effect.Effect<FanOut.FanOut<number, RoomClosed | PortalError>, never, Scope.Scope>
    >()
    const needing = Stream.fromEffect(Schema.decodeUnknownEffect(Schema.String)("a")).pipe(
      FanOut.make({ capacity: 1 })
    )
    expectTypeOf(needing).toEqualTypeOf<
      Effect.Effect<FanOut.FanOut<string, Schema.SchemaError>, never, Scope.Scope>
    >()
    // @ts-expect-error -- how much is retained is for whoever makes it to say
    FanOut.make(Stream.make(1), {})
  })

  it("can fail a subscriber with Lagged only by its rule", () => {
    type Subscribing<E> = Effect.Effect<FanOut.Subscription<number, E>, Closed, Scope.Scope>
    expectTypeOf(fan.subscribe()).toEqualTypeOf<Subscribing<"broken" | Closed | Lagged>>()
    expectTypeOf(fan.subscribe({ lag: "fail" })).toEqualTypeOf<
      Subscribing<"broken" | Closed | Lagged>
    >()
    expectTypeOf(fan.subscribe({ lag: "skip" })).toEqualTypeOf<Subscribing<"broken" | Closed>>()
    expectTypeOf(fan.subscribe({ lag: "wait" })).toEqualTypeOf<Subscribing<"broken" | Closed>>()
    const rule = "skip" as FanOut.LagRule
    expectTypeOf(fan.subscribe({ lag: rule })).toEqualTypeOf<
      Subscribing<"broken" | Closed | Lagged>
    >()
    // @ts-expect-error -- there is no such rule
    fan.subscribe({ lag: "drop" })
  })

  it("tells the end to whoever takes, and ends a stream with it", () => {
    type Own = FanOut.Subscription<number, "broken" | Closed>
    expectTypeOf<Own["take"]>().toEqualTypeOf<Pull.Pull<number, "broken" | Closed>>()
    expectTypeOf<Own["stream"]>().toEqualTypeOf<Stream.Stream<number, "broken" | Closed>>()
  })
})

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}
const Quotes = Topics.make("Quotes", {
  topic: Schema.Literals(["tea", "coffee"]),
  item: Schema.Int,
  error: Broken
})
const News = Topics.make("News", { topic: Schema.String, item: Schema.String })
class Market extends Actor.make("Market", [Quotes, News]) {}
declare const market: Actor.Client<Actor.OperationsOf<typeof Market>>

describe("a publisher", () => {
  it("has a source of the operation's items and errors for each of its topics", () => {
    const handler = Topics.handler(Quotes, (topic) => {
      expectTypeOf(topic).toEqualTypeOf<"tea" | "coffee">()
      return Stream.concat(Stream.make(1), Stream.fail(new Broken()))
    })
    expectTypeOf(handler).toEqualTypeOf<
      Effect.Effect<Topics.Handler<"tea" | "coffee", number, Broken>, never, Scope.Scope>
    >()
    // @ts-expect-error -- its items are integers
    Topics.handler(Quotes, () => Stream.make("one"))
    // @ts-expect-error -- it cannot fail with that
    Topics.handler(Quotes, () => Stream.fail("broken"))
    // @ts-expect-error -- it cannot fail at all
    Topics.handler(News, () => Stream.fail(new Broken()))
  })

  it("is a handler of the operation, and of no other", () => {
    Market.toLayer(
      Effect.gen(function* () {
        const news = yield* Topics.publisher(News)
        expectTypeOf(news.publish).toEqualTypeOf<
          (topic: string, item: string) => Effect.Effect<boolean>
        >()
        return Market.of({
          Quotes: yield* Topics.handler(Quotes, () => Stream.make(1)),
          News: news.handler
        })
      })
    )
    Market.toLayer(
      Effect.gen(function* () {
        const quotes = yield* Topics.handler(Quotes, () => Stream.make(1))
        const news = yield* Topics.publisher(News)
        return Market.of({
          // @ts-expect-error -- other topics, other items
          Quotes: news.handler,
          // @ts-expect-error -- and the other way round
          News: quotes
        })
      })
    )
  })
})

describe("a subscriber", () => {
  it("has the operation's topics and items, and fails with its errors, PortalError, and Closed", () => {
    const opening = Topics.open(market.Quotes())
    expectTypeOf(opening).toEqualTypeOf<
      Effect.Effect<
        Topics.Feed<"tea" | "coffee", number, Broken | PortalError>,
        Broken | PortalError,
        Scope.Scope
      >
    >()
    Effect.gen(function* () {
      const feed = yield* opening
      const quotes = yield* feed.subscribe(["tea"])
      expectTypeOf(quotes.stream).toEqualTypeOf<
        Stream.Stream<Topics.Publication<"tea" | "coffee", number>, Broken | PortalError | Closed>
      >()
      // @ts-expect-error -- no such topic
      yield* quotes.subscribe(["cocoa"])
    })
  })

  it("cannot be had of an operation that is no publisher's", () => {
    // @ts-expect-error -- a chat is another dialog
    Topics.open(client.Chat({ room: "a" }))
  })
})
