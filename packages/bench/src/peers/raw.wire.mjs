/**
 * The wire of `raw.ts`, for both of its ends: length-prefixed frames of msgpackr on a Unix socket, and how a child is
 * started that connects back to one. What Node can do, with nothing on top.
 *
 * Frames that are written in one turn are written together. Bytes travel as they are, behind their length and id, with
 * the highest bit of the length set.
 */
import { Packr } from "msgpackr"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { unlinkSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { scratch } from "../scratch.mjs"

const child = fileURLToPath(new URL("./raw.child.mjs", import.meta.url))
const bytesMark = 0x80000000
const flushAt = 1 << 16
const nothing = Buffer.alloc(0)

/** Messages over a socket. */
export class Wire {
  packr = new Packr({ useRecords: false })
  out = Buffer.allocUnsafeSlow(1 << 17)
  end = 0
  scheduled = false
  full = false
  /** @type {Array<() => void>} */
  waiting = []
  /** @type {Buffer} */
  rest = nothing
  /** @type {Buffer | undefined} */
  large
  largeEnd = 0

  /**
   * @param {import("node:net").Socket} socket
   * @param {(message: any) => void} onMessage
   * @param {(id: number, bytes: Uint8Array) => void} onBytes
   */
  constructor(socket, onMessage, onBytes) {
    this.socket = socket
    this.onMessage = onMessage
    this.onBytes = onBytes
    socket.on("data", (data) => this.read(data))
    socket.on("drain", () => {
      this.full = false
      for (const resolve of this.waiting.splice(0)) resolve()
    })
    socket.on("error", () => {})
  }

  flush = () => {
    this.scheduled = false
    if (this.end === 0) return
    // The socket keeps it until it is written.
    const written = Buffer.from(this.out.subarray(0, this.end))
    this.end = 0
    if (!this.socket.write(written)) this.full = true
  }

  /**
   * Whether there is room for more; else wait for `room`.
   *
   * @param {unknown} message
   */
  send(message) {
    const frame = this.packr.pack(message)
    if (this.end + frame.length + 4 > this.out.length) {
      this.flush()
      if (frame.length + 4 > this.out.length) {
        this.out = Buffer.allocUnsafeSlow((frame.length + 4) * 2)
      }
    }
    this.out.writeUInt32BE(frame.length, this.end)
    frame.copy(this.out, this.end + 4)
    this.end += frame.length + 4
    if (this.end >= flushAt) this.flush()
    else if (!this.scheduled) {
      this.scheduled = true
      process.nextTick(this.flush)
    }
    return !this.full
  }

  /**
   * The same for bytes.
   *
   * @param {number} id
   * @param {Uint8Array} bytes
   */
  sendBytes(id, bytes) {
    this.flush()
    const head = Buffer.allocUnsafe(8)
    head.writeUInt32BE(bytes.length + 4 + bytesMark, 0)
    head.writeUInt32BE(id, 4)
    this.socket.cork()
    this.socket.write(head)
    if (!this.socket.write(bytes)) this.full = true
    this.socket.uncork()
    return !this.full
  }

  /** @returns {Promise<void>} */
  room() {
    return this.full ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve()
  }

  /** @param {Buffer} data */
  read(data) {
    if (this.large !== undefined) {
      // Inside of a large frame: straight to where it belongs.
      const copied = data.copy(this.large, this.largeEnd)
      this.largeEnd += copied
      if (this.largeEnd < this.large.length) return
      this.onBytes(this.large.readUInt32BE(0), this.large.subarray(4))
      this.large = undefined
      data = data.subarray(copied)
    }
    if (this.rest.length > 0) data = Buffer.concat([this.rest, data])
    let at = 0
    while (data.length - at >= 4) {
      const head = data.readUInt32BE(at)
      const isBytes = head >= bytesMark
      const length = isBytes ? head - bytesMark : head
      if (data.length - at - 4 < length) {
        if (!isBytes) break
        this.large = Buffer.allocUnsafeSlow(length)
        this.largeEnd = data.copy(this.large, 0, at + 4)
        this.rest = nothing
        return
      }
      const body = data.subarray(at + 4, at + 4 + length)
      at += 4 + length
      if (isBytes) this.onBytes(body.readUInt32BE(0), body.subarray(4))
      else this.onMessage(this.packr.unpack(body))
    }
    this.rest = data.subarray(at)
  }
}

/** @type {Promise<string> | undefined} */
let listening
/** @type {Map<number, (socket: import("node:net").Socket) => void>} */
const expected = new Map()
let last = 0

const listen = async () => {
  const path = join(scratch, `furrow-bench-raw-${process.pid}.sock`)
  const server = createServer((socket) => {
    socket.once("data", (data) => {
      if (data.length > 4) socket.unshift(data.subarray(4))
      expected.get(data.readUInt32BE(0))?.(socket)
    })
  })
  server.listen(path)
  await once(server, "listening")
  process.on("exit", () => {
    try {
      unlinkSync(path)
    } catch {}
  })
  return path
}

/** Starts a child, and waits until it has connected. */
export const start = async () => {
  const path = await (listening ??= listen())
  const number = ++last
  const connected = /** @type {Promise<import("node:net").Socket>} */ (
    new Promise((resolve) => expected.set(number, resolve))
  )
  const running = spawn(process.execPath, [child, path, String(number)], {
    stdio: ["ignore", "inherit", "inherit"]
  })
  const socket = await connected
  expected.delete(number)
  return { running, socket }
}
