/** The market's process. A topic has a source of its own, which runs only while somebody listens to it. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Topics from "furrow/Topics"
import { Market, Quotes } from "./market.ts"

const MarketLive = Market.toLayer(
  Effect.gen(function* () {
    const open = new Set<string>()
    const prices = (name: string) =>
      Stream.range(1, 1_000_000).pipe(
        Stream.onStart(Effect.sync(() => open.add(name))),
        Stream.ensuring(Effect.sync(() => open.delete(name)))
      )
    return Market.of({
      Ticks: ({ upTo }) => Stream.range(1, upTo),
      Quotes: yield* Topics.handler(Quotes, prices),
      Open: () => Effect.sync(() => [...open])
    })
  })
)

NodeActor.runMain(Market.program(MarketLive))
