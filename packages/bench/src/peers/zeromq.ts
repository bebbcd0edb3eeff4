/** zeromq over `ipc://`, a pair of sockets for each child, values by msgpackr. */
import { Packr } from "msgpackr"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { scratch } from "../scratch.mjs"
import { Pair } from "zeromq"
import { Calls } from "../Calls.ts"
import type { Answer } from "../Calls.ts"
import type { Peer } from "../Peer.ts"
import { sending } from "./zeromq.sending.mjs"

const file = fileURLToPath(new URL("./zeromq.child.mjs", import.meta.url))
const packr = new Packr({ useRecords: false })

let last = 0

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "process",
  spawn: async () => {
    const path = join(scratch, `furrow-bench-zeromq-${process.pid}-${++last}.sock`)
    const socket = new Pair({ linger: 0 })
    await socket.bind(`ipc://${path}`)
    const child = spawn(process.execPath, [file, `ipc://${path}`], {
      stdio: ["ignore", "inherit", "inherit"]
    })
    const send = sending(socket)
    const calls = new Calls((question) => send(packr.pack(question)))
    const reading = (async () => {
      for await (const [frame, bytes] of socket) {
        if (frame === undefined) continue
        const answer: Answer = packr.unpack(frame)
        calls.received(bytes === undefined ? answer : { ...answer, value: bytes })
      }
    })()
    return {
      ...calls.operations(false),
      pid: child.pid,
      stop: async () => {
        const exit = once(child, "exit")
        send(packr.pack({ id: 0, op: "stop" }))
        await exit
        socket.close()
        await reading
        rmSync(path, { force: true })
      }
    }
  }
})
