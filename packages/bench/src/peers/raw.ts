/** A Unix socket with msgpackr, and nothing else: the limit that Node itself sets. */
import { once } from "node:events"
import { Calls } from "../Calls.ts"
import type { Answer } from "../Calls.ts"
import type { Peer } from "../Peer.ts"
import { start, Wire } from "./raw.wire.mjs"

const connect = async () => {
  const { running, socket } = await start()
  const calls = new Calls((question) => wire.send(question))
  const wire = new Wire(
    socket,
    (answer: Answer) => calls.received(answer),
    (id, value) => calls.received({ id, value })
  )
  const stop = async () => {
    const exit = once(running, "exit")
    wire.send({ id: 0, op: "stop" })
    await exit
  }
  return { calls, pid: running.pid ?? 0, stop, wire }
}

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "process",
  spawn: async () => {
    const { calls, pid, stop, wire } = await connect()
    const operations = calls.operations(false)
    return {
      ...operations,
      pid,
      stop,
      download: (size) => operations.chunks(1, size),
      upload: (value) => calls.ask((id) => wire.sendBytes(id, value))
    }
  },
  tree: async (middles, leaves) => {
    const started = await Promise.all(Array.from({ length: middles }, connect))
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
