/** The contract: what a worker can be asked for. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"

/** Whether a number is prime. */
const IsPrime = Rpc.make("IsPrime", {
  payload: { n: Schema.Int },
  success: Schema.Boolean
})

/** Looks for the largest prime number there is. */
const FindLargest = Rpc.make("FindLargest", { success: Schema.Int })

/** The process that answers. */
const Pid = Rpc.make("Pid", { success: Schema.Int })

/** Computes in a process of its own. */
export class Worker extends Actor.make("Worker", [IsPrime, FindLargest, Pid]) {}
