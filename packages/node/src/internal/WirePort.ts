/**
 * The wire between two threads: a socket over a message port, the same at both ends.
 *
 * Answers for bytes that belong to one thread at a time, for memory that stays bounded when nobody reads, and for an
 * end that comes after every byte. Making the ports, and handing one over, is `Thread`'s.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Wire from "furrow/Wire"
import type { MessagePort } from "node:worker_threads"
import { closeError, freeChunk, Inlet, writeError } from "./Inlet.ts"

/** How many bytes may be on their way, or wait to be read at the other end, before a write has to wait. */
const Window = 65_536

/** From how many bytes on that were taken the other end is told so: often enough that no write waits for ever. */
const Told = 16_384

/** What goes over the port: bytes, how many of them were taken at the other end, or the end of the file. */
type Message = Uint8Array | number | null

/** One piece of memory that nobody else has: what is handed over is gone from this thread. */
const joined = (chunks: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/**
 * The socket over a port. A write is done when no more than 64 KiB wait for the other end; the end of the other thread
 * is a close. Closing the writer half-closes; closing the scope closes.
 */
export const open = (port: MessagePort): Effect.Effect<Socket.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const post = (message: Message, transfer: ReadonlyArray<ArrayBuffer> = []) =>
        port.postMessage(message, transfer)

      // --- reading ---------------------------------------------------------------------------------------------------

      let arrived: Array<Uint8Array> = []
      let handed = 0
      let untold = 0
      let ended = false
      const taken = (size: number) => {
        untold += size
        if (untold < Told) return
        post(untold)
        untold = 0
      }
      const inlet = new Inlet(() => {
        taken(handed)
        handed = 0
        hand()
      })
      const hand = () => {
        const chunk = arrived
        if (handed === 0 && Arr.isArrayNonEmpty(chunk)) {
          arrived = []
          const size = chunk.reduce((size, { length }) => size + length, 0)
          const { isFlowing } = inlet
          if (inlet.push(chunk)) {
            if (isFlowing) chunk.forEach(freeChunk)
            taken(size)
          } else handed = size
        }
        if (ended && arrived.length === 0) inlet.end(closeError(1000))
      }

      // --- writing ---------------------------------------------------------------------------------------------------

      let onTheWay = 0
      let closed = false
      let broken: Socket.SocketError | undefined
      type Told = Parameters<Wire.Put>[1]
      let writing: Array<Told> = []
      const settleWrites = (exit: Exit.Exit<void, Socket.SocketError>) => {
        const settled = writing
        writing = []
        for (const told of settled) told(exit)
      }
      const put = (chunks: ReadonlyArray<Uint8Array>, told: Told) => {
        if (broken !== undefined) return told(Exit.fail(broken))
        if (closed) return told(Exit.fail(writeError(new Error("the writer is closed"))))
        const bytes = joined(chunks)
        if (bytes.length === 0) return told(Exit.void)
        onTheWay += bytes.length
        post(bytes, [bytes.buffer])
        if (onTheWay <= Window) return told(Exit.void)
        writing.push(told)
      }
      const write = (chunks: ReadonlyArray<Uint8Array>) =>
        Effect.callback<void, Socket.SocketError>((resume) => {
          put(chunks, resume)
          return Effect.sync(() => {
            writing = writing.filter((other) => other !== resume)
          })
        })
      const end = Effect.sync(() => {
        if (closed) return
        closed = true
        post(null)
      })

      port.on("message", (message: Message) => {
        if (typeof message === "number") {
          onTheWay -= message
          if (onTheWay <= Window) settleWrites(Exit.void)
          return
        }
        if (message === null) ended = true
        else arrived.push(message)
        hand()
      })
      // It comes after every message.
      port.on("close", () => {
        broken = writeError(new Error("the other thread is gone"))
        settleWrites(Exit.fail(broken))
        ended = true
        hand()
      })

      const socket = Socket.make({
        reader: inlet.reader(() => {}),
        writer: Effect.acquireRelease(
          Effect.succeed(
            Wire.putting(
              {
                write: (chunk) => (Socket.isCloseEvent(chunk) ? end : write([Wire.bytesOf(chunk)])),
                writeAll: (chunks) => write(Arr.map(chunks, Wire.bytesOf))
              },
              put
            )
          ),
          () => end
        )
      })
      return { inlet, socket }
    }),
    ({ inlet }) =>
      Effect.sync(() => {
        inlet.drop()
        // What was posted before still arrives.
        port.close()
      })
  ).pipe(Effect.map(({ socket }) => socket))
