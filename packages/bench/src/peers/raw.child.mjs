/** The child of `raw.ts`: connects to its parent's socket, and says its number first. */
import { once } from "node:events"
import { connect } from "node:net"
import { chunk, isPrime, item } from "../Payloads.mjs"
import { start, Wire } from "./raw.wire.mjs"

const socket = connect(process.argv[2] ?? "")
const number = Buffer.alloc(4)
number.writeUInt32BE(Number(process.argv[3]))
socket.write(number)

/** @type {Array<{ wire: Wire; exit: Promise<unknown> }>} */
let leaves = []

const grow = async () => {
  const { running, socket } = await start()
  const exit = once(running, "exit")
  await new Promise((resolve) => {
    const wire = new Wire(socket, resolve, () => {})
    leaves.push({ wire, exit })
    wire.send({ id: 1, op: "echo", arg: 1 })
  })
  return running.pid
}

/** @param {any} question */
const answer = async ({ arg, id, op }) => {
  switch (op) {
    case "echo":
      wire.send({ id, result: arg })
      return
    case "ping":
      wire.send({ id, value: arg })
      return
    case "isPrime":
      wire.send({ id, result: isPrime(arg) })
      return
    case "items":
      for (let i = 0; i < arg; i++) if (!wire.send({ id, value: item(i) })) await wire.room()
      wire.send({ id, end: true })
      return
    case "chunks": {
      const bytes = chunk(arg.size)
      for (let i = 0; i < arg.n; i++) if (!wire.sendBytes(id, bytes)) await wire.room()
      wire.send({ id, end: true })
      return
    }
    case "grow":
      wire.send({ id, result: await Promise.all(Array.from({ length: arg }, grow)) })
      return
    case "stop":
      for (const { wire } of leaves) wire.send({ id: 0, op: "stop" })
      await Promise.all(leaves.map(({ exit }) => exit))
      return process.exit(0)
  }
}

const wire = new Wire(socket, answer, (id, bytes) => wire.send({ id, result: bytes.length }))
socket.on("close", () => process.exit(1))
