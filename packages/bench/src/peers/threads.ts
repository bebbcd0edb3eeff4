/** `worker_threads` with a message port each: no process, and the values are cloned. */
import { once } from "node:events"
import { MessageChannel, Worker } from "node:worker_threads"
import { Calls } from "../Calls.ts"
import type { Answer } from "../Calls.ts"
import type { Peer } from "../Peer.ts"

const file = new URL("./threads.child.mjs", import.meta.url)

const start = () => {
  const { port1, port2 } = new MessageChannel()
  const worker = new Worker(file, { workerData: port2, transferList: [port2] })
  const calls = new Calls((question) => port1.postMessage(question))
  port1.on("message", (answer: Answer) => calls.received(answer))
  const stop = async () => {
    const exit = once(worker, "exit")
    port1.postMessage({ id: 0, op: "stop" })
    await exit
    port1.close()
  }
  return { calls, stop }
}

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "thread",
  spawn: async () => {
    const { calls, stop } = start()
    return { ...calls.operations(true), pid: undefined, stop }
  },
  tree: async (middles, leaves) => {
    const started = Array.from({ length: middles }, start)
    await Promise.all(started.map(({ calls }) => calls.call("grow", leaves)))
    return {
      pids: undefined,
      cancel: async () => {
        await Promise.all(started.map(({ stop }) => stop()))
      }
    }
  }
})
