/** The aggregator's process: an actor whose Layer spawns actors of its own. They end when it does. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Nursery from "furrow/Nursery"
import { Aggregator, Feed } from "./service.ts"

const main = new URL("./feed.main.ts", import.meta.url)

const AggregatorLive = Aggregator.toLayer(
  Effect.gen(function* () {
    const [left, right] = yield* Effect.all(
      [Nursery.spawn(Feed, { main, name: "left" }), Nursery.spawn(Feed, { main, name: "right" })],
      { concurrency: "unbounded" }
    )
    return Aggregator.of({
      Unique: (range) =>
        Stream.suspend(() => {
          const seen = new Set<number>()
          return Stream.merge(left.client.Numbers(range), right.client.Numbers(range)).pipe(
            Stream.filter((n) => seen.size < seen.add(n).size),
            // To lose a feed is no error of this operation: its crash ends the aggregator.
            Stream.orDie
          )
        })
    })
  })
)

NodeActor.runMain(Aggregator.program(AggregatorLive))
