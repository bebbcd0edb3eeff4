/** The contract: one question that takes a while to answer. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"

/** Whether a number is prime. */
const IsPrime = Rpc.make("IsPrime", {
  payload: { n: Schema.Int },
  success: Schema.Boolean
})

/** Answers on a core of its own. */
export class Worker extends Actor.make("Worker", [IsPrime]) {}
