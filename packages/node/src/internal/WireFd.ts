/**
 * The child's end of the wire: a socket over the descriptor it was started with.
 *
 * Answers for saying whether the descriptor is there, for one write at a time, and for errors of a parent that has died.
 * The parent's end is `WirePipe`'s.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { fstatSync } from "node:fs"
import { Socket as NetSocket } from "node:net"
import { closeError, Inlet, readError, toBytes, writeError } from "./Inlet.ts"

/** The descriptor a parent puts the wire on. */
export const Fd = 3

/** How long bytes that were not taken before the end may still take, in milliseconds. */
const FlushTime = 1000

/** Whether a socket stands at the descriptor. */
export const isThere = (fd: number = Fd): boolean => {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

const closed = (socket: NetSocket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    // A write that was interrupted may still be on its way, whole; a parent that no longer reads holds nobody up.
    const timer = setTimeout(() => socket.destroy(), FlushTime)
    socket.once("close", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    if (socket.writableLength === 0) socket.destroy()
    else socket.end(() => socket.destroy())
  })

/**
 * The socket over the descriptor. A write is done when the system has taken its bytes; the end of the file is a close.
 * Closing the writer half-closes; closing the scope closes. Nothing is read before the reader is acquired.
 */
export const open = (fd: number = Fd): Effect.Effect<Socket.Socket, never, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => new NetSocket({ fd, readable: true, writable: true, allowHalfOpen: true })),
      closed
    )
    const inlet = new Inlet(() => socket.resume())
    socket.on("error", (cause) => inlet.end(readError(cause)))
    socket.on("end", () => inlet.end(closeError(1000)))
    socket.on("close", () => inlet.end(closeError(1006)))

    const write = (bytes: Uint8Array) =>
      Effect.callback<void, Socket.SocketError>((resume) => {
        if (socket.destroyed || socket.writableEnded) {
          return resume(
            Effect.fail(writeError(socket.errored ?? new Error("the writer is closed")))
          )
        }
        socket.write(bytes, (cause) =>
          resume(
            cause === undefined || cause === null ? Effect.void : Effect.fail(writeError(cause))
          )
        )
      })
    const end = Effect.sync(() => {
      if (!socket.writableEnded) socket.end()
    })

    return Socket.make({
      reader: inlet.reader(() => {
        socket.on("data", (bytes) => {
          if (!inlet.push([bytes])) socket.pause()
        })
      }),
      writer: Effect.acquireRelease(
        Effect.succeed<Socket.Writer>({
          write: (chunk) => (Socket.isCloseEvent(chunk) ? end : write(toBytes(chunk))),
          writeAll: (chunks) => write(Buffer.concat(Arr.map(chunks, toBytes)))
        }),
        () => end
      )
    })
  })
