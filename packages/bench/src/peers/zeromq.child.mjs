/** The child of `zeromq.ts`: a send waits while there is no room for it. */
import { Packr } from "msgpackr"
import { Pair } from "zeromq"
import { chunk, isPrime, item } from "../Payloads.mjs"
import { sending } from "./zeromq.sending.mjs"

const packr = new Packr({ useRecords: false })
const socket = new Pair({ linger: 0 })
socket.connect(process.argv[2] ?? "")
const send = sending(socket)

/** @type {(message: unknown) => Promise<void>} */
const sent = (message) => new Promise((resolve) => send(message, resolve))

for await (const [frame] of socket) {
  if (frame === undefined) continue
  const { arg, id, op } = packr.unpack(frame)
  switch (op) {
    case "echo":
      send(packr.pack({ id, result: arg }))
      break
    case "ping":
      send(packr.pack({ id, value: arg }))
      break
    case "isPrime":
      send(packr.pack({ id, result: isPrime(arg) }))
      break
    case "items":
      for (let i = 0; i < arg; i++) await sent(packr.pack({ id, value: item(i) }))
      send(packr.pack({ id, end: true }))
      break
    case "chunks": {
      const bytes = chunk(arg.size)
      const head = packr.pack({ id })
      for (let i = 0; i < arg.n; i++) await sent([head, bytes])
      send(packr.pack({ id, end: true }))
      break
    }
    case "stop":
      process.exit(0)
  }
}
