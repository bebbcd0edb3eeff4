/** The thread of `threads.ts`. */
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { MessageChannel, Worker, workerData } from "node:worker_threads"
import { answering } from "../answering.mjs"

/** @type {import("node:worker_threads").MessagePort} */
const port = workerData

/** @type {ReadonlyArray<{ port: import("node:worker_threads").MessagePort; worker: Worker }>} */
let leaves = []

const answer = answering((message) => port.postMessage(message), {
  grow: async (n) => {
    leaves = Array.from({ length: n }, () => {
      const { port1, port2 } = new MessageChannel()
      const worker = new Worker(fileURLToPath(import.meta.url), {
        workerData: port2,
        transferList: [port2]
      })
      return { port: port1, worker }
    })
    await Promise.all(
      leaves.map(({ port }) => {
        port.postMessage({ id: 1, op: "echo", arg: 1 })
        return once(port, "message")
      })
    )
    return leaves.length
  },
  stop: async () => {
    await Promise.all(
      leaves.map(({ port, worker }) => {
        port.postMessage({ id: 0, op: "stop" })
        return once(worker, "exit")
      })
    )
  }
})

port.on("message", answer)
