/**
 * Two ends of one connection inside of a process: what is written at one can be read at the other, at once.
 *
 * Answers for bytes and for the ways a connection ends: closed in order, or severed.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Socket from "effect/socket/Socket"

/** One direction. */
class Pipe {
  private readonly chunks: Array<Uint8Array> = []
  private readers: Array<() => void> = []
  private ended: Socket.SocketError | undefined

  write(bytes: Uint8Array): Effect.Effect<void, Socket.SocketError> {
    return Effect.suspend(() => {
      if (this.ended !== undefined) return Effect.fail(this.ended)
      this.chunks.push(bytes)
      this.wake()
      return Effect.void
    })
  }

  end(error: Socket.SocketError): void {
    this.ended ??= error
    this.wake()
  }

  /** Ends at once: what was not read yet is lost. */
  cut(): void {
    this.chunks.length = 0
    this.end(closed(1006, "the connection was severed"))
  }

  private wake(): void {
    const readers = this.readers
    this.readers = []
    for (const reader of readers) reader()
  }

  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, Socket.SocketError> =
    Effect.suspend(() => {
      const [first, ...rest] = this.chunks.splice(0)
      if (first !== undefined) return Effect.succeed([first, ...rest] as const)
      if (this.ended !== undefined) return Effect.fail(this.ended)
      return Effect.flatMap(
        Effect.callback<void>((resume) => {
          // A fiber may rest between looking and waiting; what came in between is seen here.
          if (this.chunks.length > 0 || this.ended !== undefined) return resume(Effect.void)
          this.readers.push(() => resume(Effect.void))
        }),
        () => this.pull
      )
    })
}

const closed = (code: number, closeReason: string) =>
  new Socket.SocketError({ reason: new Socket.SocketCloseError({ code, closeReason }) })

const socket = (incoming: Pipe, outgoing: Pipe): Socket.Socket =>
  Socket.make({
    reader: Effect.acquireRelease(
      Effect.succeed({ pull: incoming.pull, upgrade: Socket.SocketUpgradeError.unsupported }),
      () => Effect.sync(() => incoming.end(closed(1000, "this end was closed")))
    ),
    writer: Effect.acquireRelease(
      Effect.succeed({
        write: (chunk: Uint8Array | string | Socket.CloseEvent) => outgoing.write(bytesOf(chunk)),
        writeAll: (chunks: NonEmptyReadonlyArray<Uint8Array | string>) =>
          Effect.forEach(chunks, (chunk) => outgoing.write(bytesOf(chunk)), { discard: true })
      }),
      () => Effect.sync(() => outgoing.end(closed(1000, "the other end was closed")))
    )
  })

const bytesOf = (chunk: Uint8Array | string | Socket.CloseEvent): Uint8Array =>
  typeof chunk === "string"
    ? new TextEncoder().encode(chunk)
    : Socket.isCloseEvent(chunk)
      ? new Uint8Array(0)
      : chunk

/** Both ends of one connection, and the ways it can end. */
export interface JoinedEnds {
  readonly dialled: Socket.Socket
  readonly accepted: Socket.Socket
  /** Ends it in both directions, as the end of a process does; what is on its way still arrives. */
  readonly close: () => void
  /** Ends it in both directions at once, as a broken cable would; what is on its way is lost. */
  readonly sever: () => void
}

/** A new connection in memory. */
export const make = (): JoinedEnds => {
  const there = new Pipe()
  const back = new Pipe()
  return {
    dialled: socket(back, there),
    accepted: socket(there, back),
    close: () => {
      there.end(closed(1000, "the connection was closed"))
      back.end(closed(1000, "the connection was closed"))
    },
    sever: () => {
      there.cut()
      back.cut()
    }
  }
}
