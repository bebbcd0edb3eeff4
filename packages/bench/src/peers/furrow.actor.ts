/** Furrow: the contract that the measured actor and its parent share. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"

const Payload = Schema.Struct({ n: Schema.Number, s: Schema.String })
const Item = Schema.Struct({ i: Schema.Number, price: Schema.Number, size: Schema.Number })

const Echo = Rpc.make("Echo", { payload: Payload, success: Payload })
const IsPrime = Rpc.make("IsPrime", {
  payload: { n: Schema.Number },
  success: Schema.Boolean
})
const Items = Rpc.make("Items", { payload: { n: Schema.Number }, success: Item, stream: true })
const Chunks = Rpc.make("Chunks", {
  payload: { n: Schema.Number, size: Schema.Number },
  success: Schema.Uint8Array,
  stream: true
})
const Rally = Dialog.make("Rally", { fromCaller: Schema.Number, fromCallee: Schema.Number })
const Download = Rpc.make("Download", {
  payload: { size: Schema.Number },
  success: Schema.Uint8Array
})
const Upload = Rpc.make("Upload", {
  payload: { value: Schema.Uint8Array },
  success: Schema.Number
})
/** What the actor's process holds, in bytes, after a full garbage collection. */
const Held = Rpc.make("Held", { success: Schema.Number })
/** Starts so many actors below this one, and answers with their processes. */
const Grow = Rpc.make("Grow", {
  payload: { leaves: Schema.Number },
  success: Schema.Array(Schema.Number)
})

/** What W1 to W9 ask for. */
export class Measured extends Actor.make(
  "Measured",
  [Echo, IsPrime, Items, Chunks, Rally, Download, Upload, Held],
  {}
) {}

/** An actor of a tree, which notes its end in a file: W5 counts the notes. */
export class Branch extends Actor.make("Branch", [Grow], {
  arguments: { notes: Schema.String }
}) {}
