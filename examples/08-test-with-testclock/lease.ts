/** The contract of a lease: one holder at a time, and none for longer than a while. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"

/** Somebody else holds the lease. */
export class Held extends Schema.TaggedError<Held>()("Held", { by: Schema.String }) {}

/** Takes the lease, or fails at once. */
const Take = Rpc.make("Take", { payload: { who: Schema.String }, error: Held })

/** Runs out by itself after the minutes it was started with. */
export class Lease extends Actor.make("Lease", [Take], { arguments: { minutes: Schema.Int } }) {}
