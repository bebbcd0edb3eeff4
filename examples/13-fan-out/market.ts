/** The contract: a stream that everybody wants, and quotes by topic. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Topics from "furrow/Topics"

const Ticks = Rpc.make("Ticks", {
  payload: { upTo: Schema.Int },
  success: Schema.Int,
  stream: true
})

/** Prices, by the name of what is sold. */
export const Quotes = Topics.make("Quotes", { topic: Schema.String, item: Schema.Int })

/** The names that somebody listens to. */
const Open = Rpc.make("Open", { success: Schema.Array(Schema.String) })

/** Says what it knows, once for everybody. */
export class Market extends Actor.make("Market", [Ticks, Quotes, Open]) {}
