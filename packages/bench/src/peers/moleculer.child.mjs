/** The child of `moleculer.ts`. */
import { ServiceBroker } from "moleculer"
import { Readable } from "node:stream"
import { chunk, isPrime, item } from "../Payloads.mjs"
import { transporter } from "./moleculer.transporter.mjs"

const name = process.argv[2] ?? ""

/**
 * @param {number} n
 * @param {(i: number) => unknown} make
 */
function* upTo(n, make) {
  for (let i = 0; i < n; i++) yield make(i)
}

const broker = new ServiceBroker({ nodeID: name, logger: false, transporter })
broker.createService({
  name,
  actions: {
    /** @param {any} context */
    echo: ({ params }) => params,
    /** @param {any} context */
    isPrime: ({ params }) => ({ prime: isPrime(params.n) }),
    /** @param {any} context */
    items: ({ params }) => Readable.from(upTo(params.n, item), { objectMode: true }),
    /** @param {any} context */
    chunks: ({ params }) => {
      const bytes = Buffer.from(chunk(params.size).buffer)
      return Readable.from(
        upTo(params.n, () => bytes),
        { objectMode: false }
      )
    }
  }
})
await broker.start()
process.on("disconnect", () => process.exit(1))
