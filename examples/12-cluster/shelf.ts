/** The contract: a shelf takes books, and finds them again. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"

/** Nobody has put the book there. */
export class NotThere extends Schema.TaggedError<NotThere>()("NotThere", {
  title: Schema.String
}) {}

const Put = Rpc.make("Put", { payload: { title: Schema.String, author: Schema.String } })
const Find = Rpc.make("Find", {
  payload: { title: Schema.String },
  success: Schema.String,
  error: NotThere
})
const Label = Rpc.make("Label", { success: Schema.String })

/** One shelf of a library. */
export class Shelf extends Actor.make("Shelf", [Put, Find, Label], {
  arguments: { floor: Schema.Int }
}) {}
