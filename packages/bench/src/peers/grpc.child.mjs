/** The child of `grpc.ts`: serves at the address that it is given. */
import { Server, ServerCredentials } from "@grpc/grpc-js"
import { once } from "node:events"
import { chunk, isPrime, item } from "../Payloads.mjs"
import { Measured } from "./grpc.service.mjs"

/**
 * @param {any} call
 * @param {number} n
 * @param {(i: number) => unknown} make
 */
const produce = async (call, n, make) => {
  for (let i = 0; i < n; i++) if (!call.write(make(i))) await once(call, "drain")
  call.end()
}

const server = new Server({ "grpc.max_send_message_length": -1 })
server.addService(Measured.service, {
  Echo: (/** @type {any} */ call, /** @type {any} */ answer) => answer(null, call.request),
  IsPrime: (/** @type {any} */ call, /** @type {any} */ answer) =>
    answer(null, { prime: isPrime(call.request.n) }),
  Items: (/** @type {any} */ call) => produce(call, call.request.n, item),
  Chunks: (/** @type {any} */ call) => {
    const data = chunk(call.request.size)
    return produce(call, call.request.n, () => ({ data }))
  },
  Rally: (/** @type {any} */ call) => {
    call.on("data", (/** @type {unknown} */ message) => call.write(message))
    call.on("end", () => call.end())
  },
  Stop: (/** @type {any} */ _, /** @type {any} */ answer) => {
    answer(null, {})
    setImmediate(() => process.exit(0))
  }
})
server.bindAsync(process.argv[2] ?? "", ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error
  process.stdout.write("ready\n")
})
