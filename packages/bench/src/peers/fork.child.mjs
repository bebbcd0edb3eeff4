/** The child of `fork.ts`. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { answering } from "../answering.mjs"

/** @type {ReadonlyArray<import("node:child_process").ChildProcess>} */
let leaves = []

const answer = answering((message) => process.send?.(message), {
  bytes: (chunk) => Buffer.from(chunk.buffer).toString("base64"),
  grow: async (n) => {
    leaves = Array.from({ length: n }, () => fork(fileURLToPath(import.meta.url)))
    await Promise.all(
      leaves.map((leaf) => {
        leaf.send({ id: 1, op: "echo", arg: 1 })
        return once(leaf, "message")
      })
    )
    return leaves.map(({ pid }) => pid)
  },
  stop: async () => {
    await Promise.all(
      leaves.map((leaf) => {
        leaf.send({ id: 0, op: "stop" })
        return once(leaf, "exit")
      })
    )
  }
})

process.on("message", answer)
process.on("disconnect", () => process.exit(1))
