/**
 * One end of a connection of Node's, as a socket of Effect's.
 *
 * Answers for one write at a time that is done when the system has taken its bytes, for an end that comes after every
 * byte, and for a close that is bounded. Where the connection comes from is its owner's.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Wire from "furrow/Wire"
import type { OnReadOpts, Socket as NetSocket } from "node:net"
import { closeError, freeChunk, Inlet, readError, writeError } from "./Inlet.ts"

/** How long bytes that were not taken before the end may still take, in milliseconds. */
const FlushTime = 1000

/** What is read into at first, and, once that was too small, in bytes: more than this the system does not give at once. */
const ReadSizes = { first: 4096, next: 65_536 }

/**
 * A place that a socket reads into again and again (`onread`). A buffer of its own for every chunk would have V8 mark the
 * whole heap every few MB.
 */
export class Reading implements OnReadOpts {
  readonly inlet = new Inlet(() => this.goOn())
  goOn: () => void = () => {}
  private place: Buffer | undefined
  private wasFull = false

  readonly callback = (length: number, place: Uint8Array): boolean => {
    this.wasFull = length === place.length
    return this.inlet.push([place.subarray(0, length)])
  }

  /** Where the next chunk goes. */
  readonly buffer = (): Uint8Array => {
    if (this.place === undefined) this.place = Buffer.allocUnsafeSlow(ReadSizes.first)
    else if (this.wasFull && this.place.length < ReadSizes.next) {
      this.place = Buffer.allocUnsafeSlow(ReadSizes.next)
    }
    return this.place
  }
}

/** See the module. */
export interface NetEnd {
  readonly net: NetSocket
  readonly socket: Socket.Socket
  /** Ends it now, in both directions: whoever reads is told why. */
  readonly lose: (why: string) => void
}

/** How an end is closed. */
export interface NetEndOptions {
  /**
   * Whether to read to the other's end before closing, for a second at most. An end that is closed takes back what the
   * other has not read: over TCP when bytes are left unread here, over any socket when the other writes before it reads.
   */
  readonly linger: boolean
}

const closed = (net: NetSocket, { linger }: NetEndOptions): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (net.closed) return resume(Effect.void)
    // A write that was interrupted may still be on its way, whole; a peer that no longer reads holds nobody up.
    const timer = setTimeout(() => net.destroy(), FlushTime)
    const done = () => {
      clearTimeout(timer)
      resume(Effect.void)
    }
    net.once("close", done)
    if (net.connecting) net.destroy()
    else if (linger) {
      // Node tells of a close later than it closes: a part of the end of every actor.
      const closeIfOver = () => {
        if (!net.readableEnded || !net.writableFinished) return
        net.destroy()
        done()
      }
      net.once("end", closeIfOver)
      net.once("finish", closeIfOver)
      net.end()
      net.resume()
    } else if (net.writableLength === 0) net.destroy()
    else net.end(() => net.destroy())
  })

/**
 * The end over a socket that allows half-open connections. Closing the writer half-closes; closing the scope closes.
 * Nothing is taken before the reader is acquired. A socket that reads into the place that it is given has each chunk
 * only until the reader pulls the next; what any socket lets flow is there only while it is taken.
 */
export const make = (
  open: (reading: Reading) => NetSocket,
  options: NetEndOptions
): Effect.Effect<NetEnd, never, Scope.Scope> =>
  Effect.gen(function* () {
    const reading = new Reading()
    const { inlet } = reading
    const net = yield* Effect.acquireRelease(
      Effect.sync(() => open(reading)),
      (net) => closed(net, options)
    )
    reading.goOn = () => net.resume()
    net.on("error", (cause) => inlet.end(readError(cause)))
    net.on("end", () => inlet.end(closeError(1000)))
    net.on("close", () => inlet.end(closeError(1006)))
    // It need not be new.
    if (net.readableEnded) inlet.end(closeError(1000))
    if (net.destroyed) inlet.end(closeError(1006))

    const put: Wire.Put = ([first, ...rest], told) => {
      if (net.destroyed || net.writableEnded) {
        return told(Exit.fail(writeError(net.errored ?? new Error("the writer is closed"))))
      }
      let left = rest.length + 1
      const done = (cause: Error | null | undefined) => {
        if (cause !== undefined && cause !== null) {
          // All that are left fail with it.
          if (left > 0) told(Exit.fail(writeError(cause)))
          left = 0
        } else if (--left === 0) told(Exit.void)
      }
      if (rest.length === 0) {
        net.write(first, done)
        return
      }
      // All of them in one call of the system.
      net.cork()
      net.write(first, done)
      for (const bytes of rest) net.write(bytes, done)
      net.uncork()
    }
    const write = (pieces: Arr.NonEmptyReadonlyArray<Uint8Array>) =>
      Effect.callback<void, Socket.SocketError>((resume) => put(pieces, resume))
    const end = Effect.sync(() => {
      if (!net.writableEnded) net.end()
    })
    const lose = (why?: string) => {
      inlet.end(closeError(1006, why))
      net.destroy()
    }
    const close = ({ code, reason }: Socket.CloseEvent) =>
      code === 1000 ? end : Effect.sync(() => lose(reason))

    return {
      net,
      lose,
      socket: Socket.make({
        reader: inlet.reader(() => {
          net.on("data", (bytes) => {
            const { isFlowing } = inlet
            if (!inlet.push([bytes])) net.pause()
            else if (isFlowing) freeChunk(bytes)
          })
          net.resume()
        }),
        writer: Effect.acquireRelease(
          Effect.succeed(
            Wire.putting(
              {
                write: (chunk) =>
                  Socket.isCloseEvent(chunk) ? close(chunk) : write([Wire.bytesOf(chunk)]),
                writeAll: (chunks) => write(Arr.map(chunks, Wire.bytesOf))
              },
              put
            )
          ),
          () => end
        )
      })
    }
  })
