/** Stock effect/rpc: the group that both of its ends share. Plain JavaScript, because its child loads it. */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"

const Payload = Schema.Struct({ n: Schema.Number, s: Schema.String })
const Item = Schema.Struct({ i: Schema.Number, price: Schema.Number, size: Schema.Number })

/** The operations. */
export const Measured = RpcGroup.make(
  Rpc.make("Echo", { payload: Payload, success: Payload }),
  Rpc.make("IsPrime", { payload: { n: Schema.Number }, success: Schema.Boolean }),
  Rpc.make("Items", { payload: { n: Schema.Number }, success: Item, stream: true }),
  Rpc.make("Chunks", {
    payload: { n: Schema.Number, size: Schema.Number },
    success: Schema.Uint8Array,
    stream: true
  })
)

/**
 * What they travel as.
 *
 * @param {string | undefined} name
 */
export const serialization = (name) =>
  name === "ndjson" ? RpcSerialization.layerNdjson : RpcSerialization.layerSchemaBinary()
