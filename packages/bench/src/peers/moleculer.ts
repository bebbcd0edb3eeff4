/** moleculer: a broker in each process, found and reached over its own TCP transporter. */
import { ServiceBroker } from "moleculer"
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Payload, Peer } from "../Peer.ts"
import { transporter } from "./moleculer.transporter.mjs"

const file = fileURLToPath(new URL("./moleculer.child.mjs", import.meta.url))

let last = 0

/** Opens it. */
export const open = async (): Promise<Peer> => {
  const broker = new ServiceBroker({ nodeID: `root-${process.pid}`, logger: false, transporter })
  await broker.start()
  return {
    kind: "process",
    spawn: async () => {
      const name = `child-${process.pid}-${++last}`
      const child = fork(file, [name])
      await broker.waitForServices([name], 20_000, 5)
      return {
        pid: child.pid,
        echo: (value) => broker.call<Payload, Payload>(`${name}.echo`, value),
        isPrime: async (n) => {
          const { prime } = await broker.call<{ prime: boolean }, { n: number }>(
            `${name}.isPrime`,
            { n }
          )
          return prime
        },
        items: async (n) => {
          const stream = await broker.call<AsyncIterable<{ size: number }>, { n: number }>(
            `${name}.items`,
            { n }
          )
          let count = 0
          let sum = 0
          for await (const { size } of stream) {
            count++
            sum += size
          }
          return { count, sum }
        },
        chunks: async (n, size) => {
          const stream = await broker.call<AsyncIterable<Uint8Array>, { n: number; size: number }>(
            `${name}.chunks`,
            { n, size }
          )
          let bytes = 0
          for await (const { byteLength } of stream) bytes += byteLength
          return bytes
        },
        stop: async () => {
          const exit = once(child, "exit")
          child.kill("SIGTERM")
          await exit
        }
      }
    },
    close: () => broker.stop()
  }
}
