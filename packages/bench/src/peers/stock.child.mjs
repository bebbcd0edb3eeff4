/** The child of `stock.ts`: serves on the Unix socket whose path it is given. */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Stream from "effect/Stream"
import { chunk, isPrime, item } from "../Payloads.mjs"
import { Measured, serialization } from "./stock.group.mjs"

const [, , encoding, path = ""] = process.argv

/**
 * @template A
 * @param {number} n
 * @param {(i: number) => A} make
 */
function* upTo(n, make) {
  for (let i = 0; i < n; i++) yield make(i)
}

const handlers = Measured.toLayer({
  Echo: (value) => Effect.succeed(value),
  IsPrime: ({ n }) => Effect.sync(() => isPrime(n)),
  // In arrays of 512, as a source of many small items would be written.
  Items: ({ n }) => Stream.fromIterable(upTo(n, item), { chunkSize: 512 }),
  Chunks: ({ n, size }) => {
    const bytes = chunk(size)
    return Stream.fromIterable(
      upTo(n, () => bytes),
      { chunkSize: 1 }
    )
  }
})

const server = RpcServer.layer(Measured).pipe(
  Layer.provide(handlers),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provideMerge(NodeSocketServer.layer({ path })),
  Layer.provide(serialization(encoding)),
  Layer.tap(() => Effect.sync(() => process.stdout.write("ready\n")))
)
Effect.runFork(Layer.launch(server))
process.on("SIGTERM", () => process.exit(0))
