/** The contract: a worker that squares numbers, and knows how often it has done so in this life. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"

const Square = Rpc.make("Square", {
  payload: { n: Schema.Int },
  success: Schema.Struct({ value: Schema.Int, done: Schema.Int })
})

export class Worker extends Actor.make("Worker", [Square]) {}
