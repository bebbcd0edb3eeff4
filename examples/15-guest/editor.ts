/** The contract: what an editor does, whatever it is made of. */
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"

/** A line was refused. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

/** Lines go to the editor and come back loud; its last word is how many there were. */
const Shout = Dialog.make("Shout", {
  fromCaller: Schema.String,
  fromCallee: Schema.String,
  success: Schema.Int,
  error: Refused
})

/** An editor in a process of its own. */
export class Editor extends Actor.make("Editor", [Shout]) {}
