/** `child_process.fork` with JSON, Node's default: the least that a process with messages costs. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Calls } from "../Calls.ts"
import type { Answer } from "../Calls.ts"
import type { Peer } from "../Peer.ts"

const file = fileURLToPath(new URL("./fork.child.mjs", import.meta.url))

const start = () => {
  const child = fork(file)
  const calls = new Calls((question) => child.send(question))
  child.on("message", (answer: Answer) =>
    calls.received(
      // Bytes are no JSON: they come as base64.
      typeof answer.value === "string"
        ? { ...answer, value: Buffer.from(answer.value, "base64") }
        : answer
    )
  )
  const stop = async () => {
    const exit = once(child, "exit")
    child.send({ id: 0, op: "stop" })
    await exit
  }
  return { calls, pid: child.pid ?? 0, stop }
}

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "process",
  spawn: async () => {
    const { calls, pid, stop } = start()
    return { ...calls.operations(true), pid, stop }
  },
  tree: async (middles, leaves) => {
    const started = Array.from({ length: middles }, start)
    const below = await Promise.all(
      started.map(({ calls }) => calls.call<ReadonlyArray<number>>("grow", leaves))
    )
    return {
      pids: [...started.map(({ pid }) => pid), ...below.flat()],
      cancel: async () => {
        await Promise.all(started.map(({ stop }) => stop()))
      }
    }
  }
})
