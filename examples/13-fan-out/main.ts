/**
 * One stream for three consumers, and topics that change. However many listen here, the market is asked once: a stream
 * is opened once, and one dialog carries every subscription.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect, Stream } from "effect"
import { FanOut, Nursery, Topics } from "furrow"
import { Market } from "./market.ts"

const main = new URL("./market.main.ts", import.meta.url)

const oneStream = Effect.gen(function* () {
  const market = yield* Market.Portal
  const ticks = yield* FanOut.make(market.client.Ticks({ upTo: 100 }), { capacity: 16 })
  const [summing, counting, late] = yield* Effect.all([
    ticks.subscribe(),
    ticks.subscribe(),
    ticks.subscribe()
  ])
  const [sum, count] = yield* Effect.all(
    [Stream.runSum(summing.stream), Stream.runCount(counting.stream)],
    { concurrency: 2 }
  )
  yield* Console.log(`${count} ticks, and their sum is ${sum}`)

  // Who comes late is told what it has missed, and goes on with what is left.
  const lagged = yield* Effect.flip(late.take)
  if (lagged._tag === "Lagged") yield* Console.log(`the third has missed ${lagged.missed}`)
  yield* Console.log(`and goes on with ${yield* late.take}`)
})

const topics = Effect.gen(function* () {
  const market = yield* Market.Portal
  const feed = yield* Topics.open(market.client.Quotes())
  const quotes = yield* feed.subscribe(["tea"])
  yield* Console.log(`open: ${(yield* market.client.Open()).join(", ")}`)

  const print = Stream.runForEach(Stream.take(quotes.stream, 2), ({ item, topic }) =>
    Console.log(`${topic} ${item}`)
  )
  yield* print
  yield* quotes.subscribe(["coffee"])
  yield* quotes.unsubscribe(["tea"])
  yield* print
})

const program = Effect.gen(function* () {
  yield* Effect.scoped(oneStream)
  yield* Effect.scoped(topics)
  const market = yield* Market.Portal
  yield* Console.log(`open, when nobody listens: ${(yield* market.client.Open()).length}`)
})

NodeActor.runMain(Nursery.run(Effect.provide(program, Nursery.layer(Market, { main }))))

// Output:
// 100 ticks, and their sum is 5050
// the third has missed 84
// and goes on with 85
// open: tea
// tea 1
// tea 2
// coffee 1
// coffee 2
// open, when nobody listens: 0
