/**
 * What runs in the thread of the heartbeats: it pings, answers pings, and tells of links on which nothing was heard.
 *
 * Answers for one law: silence counts only while this thread is awake to listen. The thread is handed the text of one
 * function, which therefore stands for itself: it uses nothing but its arguments and what every thread of Node has.
 * That needs no file beside it after bundling, and loads no Effect. Which links there are is `Heartbeats`'s.
 */
import type * as Net from "node:net"
import type { MessagePort } from "node:worker_threads"

/** Where the second connection of a link goes. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

/** What the thread is told. */
export type Order =
  | { readonly do: "listen"; readonly listener: number; readonly place: Place }
  | { readonly do: "unlisten"; readonly listener: number }
  | {
      readonly do: "guard"
      readonly link: number
      readonly key: string
      /** Milliseconds between two pings. */
      readonly interval: number
      /** Milliseconds of silence after which the link is lost. */
      readonly bound: number
      /** Milliseconds to wait for the first sign of life: the other end may have to start its thread. */
      readonly first: number
      /** Where to connect; without it, the other end does. */
      readonly dial: Place | undefined
    }
  | { readonly do: "drop"; readonly link: number }

/** What the thread tells. */
export type Report =
  | { readonly told: "listening"; readonly listener: number; readonly port: number | undefined }
  | {
      readonly told: "failed"
      readonly listener: number
      readonly code: string | undefined
      readonly message: string
    }
  /** The first sign of life has come. */
  | { readonly told: "heard"; readonly link: number }
  /** Nothing was heard for so many milliseconds. */
  | { readonly told: "lost"; readonly link: number; readonly silent: number }

/** The thread's whole program. */
export const run = (parent: MessagePort, net: typeof Net): void => {
  interface Guarded {
    readonly order: Extract<Order, { do: "guard" }>
    socket: Net.Socket | undefined
    /** Whether there was a sign of life; until then, silence may last longer. */
    known: boolean
    /** When the other end was heard, and when the next look is due, in milliseconds of the monotonic clock. */
    heard: number
    due: number
    timer: NodeJS.Timeout | undefined
  }

  /** The longest frame, and the most that may wait to be written, in bytes. */
  const limit = 4096
  /** How long until the next try of an end that has not been heard yet, in milliseconds. */
  const haste = 100
  /** How long a stranger has to say what it has come for, in milliseconds. */
  const strangerTime = 10_000

  const framed = (frame: { readonly _tag: string; readonly key?: string }): Buffer => {
    const body = Buffer.from(`${JSON.stringify(frame)}\n`)
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(body.length)
    return Buffer.concat([prefix, body])
  }
  const ping = framed({ _tag: "Ping" })
  const pong = framed({ _tag: "Pong" })

  const guarded = new Map<number, Guarded>()
  const expected = new Map<string, Guarded>()
  const listeners = new Map<number, Net.Server>()
  const tell = (report: Report): void => parent.postMessage(report)

  const say = (socket: Net.Socket, bytes: Buffer): void => {
    if (socket.writableLength < limit) socket.write(bytes)
  }

  const listen = (
    socket: Net.Socket,
    onFrame: (frame: { _tag?: string; key?: string }) => void
  ) => {
    let held = Buffer.alloc(0)
    socket.on("error", () => {})
    socket.on("data", (chunk) => {
      held = Buffer.concat([held, chunk])
      while (held.length >= 4 && !socket.destroyed) {
        const end = 4 + held.readUInt32BE(0)
        if (end > limit) return void socket.destroy()
        if (held.length < end) return
        try {
          onFrame(JSON.parse(held.toString("utf8", 4, end)))
        } catch {
          return void socket.destroy()
        }
        held = held.subarray(end)
      }
    })
  }

  const join = (link: Guarded, socket: Net.Socket): void => {
    link.socket?.destroy()
    link.socket = socket
    socket.setNoDelay(true)
    socket.on("close", () => {
      // It is opened again when the next ping is due; until then there is silence.
      if (link.socket === socket) link.socket = undefined
    })
  }

  const hear = (link: Guarded, socket: Net.Socket, frame: { _tag?: string }): void => {
    link.heard = performance.now()
    if (!link.known) {
      link.known = true
      tell({ told: "heard", link: link.order.link })
    }
    if (frame._tag === "Ping") say(socket, pong)
  }

  const reach = (link: Guarded, place: Place): void => {
    const socket = net.connect(place)
    listen(socket, (frame) => hear(link, socket, frame))
    join(link, socket)
    socket.write(framed({ _tag: "Heartbeat", key: link.order.key }))
  }

  const drop = (link: Guarded): void => {
    clearTimeout(link.timer)
    guarded.delete(link.order.link)
    expected.delete(link.order.key)
    link.socket?.destroy()
  }

  const patienceFor = ({ known, order: { bound, first } }: Guarded): number =>
    known ? bound : first

  const look = (link: Guarded): void => {
    const { dial, interval, link: id } = link.order
    const now = performance.now()
    // Whoever looks so late was suspended, and has heard nobody because of that: it asks again, and waits in full.
    if (now - link.due > interval) link.heard = now
    if (now - link.heard >= patienceFor(link)) {
      // What has arrived by now is read before this runs.
      setImmediate(() => {
        if (!guarded.has(id)) return
        const silent = patienceFor(link)
        if (performance.now() - link.heard < silent) return look(link)
        drop(link)
        tell({ told: "lost", link: id, silent })
      })
      return
    }
    if (link.socket === undefined && dial !== undefined) reach(link, dial)
    if (link.socket !== undefined) say(link.socket, ping)
    const next = link.known ? interval : Math.min(interval, haste)
    const wait = Math.min(next, link.heard + patienceFor(link) - now)
    link.due = now + wait
    link.timer = setTimeout(look, wait, link)
  }

  const serve = (socket: Net.Socket): void => {
    let link: Guarded | undefined
    const timer = setTimeout(() => socket.destroy(), strangerTime)
    socket.on("close", () => clearTimeout(timer))
    listen(socket, (frame) => {
      if (link === undefined) {
        link = frame._tag === "Heartbeat" ? expected.get(String(frame.key)) : undefined
        if (link === undefined) return void socket.destroy()
        clearTimeout(timer)
        join(link, socket)
        // Whatever this end does next, the other has heard of it.
        say(socket, ping)
      }
      hear(link, socket, frame)
    })
  }

  parent.on("message", (order: Order) => {
    switch (order.do) {
      case "listen": {
        const { listener } = order
        const server = net.createServer(serve)
        listeners.set(listener, server)
        server.once("error", (error: NodeJS.ErrnoException) => {
          server.on("error", () => {})
          tell({ told: "failed", listener, code: error.code, message: error.message })
        })
        server.listen(order.place, () => {
          server.removeAllListeners("error").on("error", () => {})
          const address = server.address()
          const port = address === null || typeof address === "string" ? undefined : address.port
          tell({ told: "listening", listener, port })
        })
        return
      }
      case "unlisten": {
        listeners.get(order.listener)?.close()
        listeners.delete(order.listener)
        return
      }
      case "guard": {
        const now = performance.now()
        const link: Guarded = {
          order,
          socket: undefined,
          known: false,
          heard: now,
          due: now,
          timer: undefined
        }
        guarded.set(order.link, link)
        if (order.dial === undefined) expected.set(order.key, link)
        return look(link)
      }
      case "drop": {
        const link = guarded.get(order.link)
        if (link !== undefined) drop(link)
        return
      }
    }
  })
}
