/** The contract: all that the counter's process and those who call it share. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"

/** Adds to the count and answers with the new one. */
const Increment = Rpc.make("Increment", {
  payload: { by: Schema.Int },
  success: Schema.Int
})

/** A number that can only be reached by calling the process that holds it. */
export class Counter extends Actor.make("Counter", [Increment], {
  arguments: { from: Schema.Int }
}) {}
