/** The contracts of the service: what a feed streams, and what the aggregator makes of two of them. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"

/** The numbers from 1 on, in order. */
const Numbers = Rpc.make("Numbers", {
  payload: { upTo: Schema.Int },
  success: Schema.Int,
  stream: true
})

/** One of several feeds of the same numbers. */
export class Feed extends Actor.make("Feed", [Numbers]) {}

/** What any feed says, each number once, from whichever feed has it first. */
const Unique = Rpc.make("Unique", {
  payload: { upTo: Schema.Int },
  success: Schema.Int,
  stream: true
})

/** Makes one stream of two feeds. */
export class Aggregator extends Actor.make("Aggregator", [Unique]) {}
