/**
 * The reading half of a socket that is fed from outside: a place for one chunk, between whoever reads a descriptor and
 * whoever pulls.
 *
 * Answers for backpressure (the next chunk is asked for when this one was taken), for an end that comes after every
 * byte, and for a reader whose scope closes while it waits. Reading the descriptor is its owner's.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Socket from "effect/socket/Socket"
import * as Wire from "furrow/Wire"

type Chunk = NonEmptyReadonlyArray<Uint8Array>

/** The connection has ended: 1000 at the end of file, 1006 if this end has let go; `why` is for people. */
export const closeError = (code: 1000 | 1006, why?: string): Socket.SocketError =>
  new Socket.SocketError({
    reason: new Socket.SocketCloseError({
      code,
      ...(why === undefined ? {} : { closeReason: why })
    })
  })

/** The descriptor cannot be read any more. */
export const readError = (cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new Socket.SocketReadError({ cause }) })

/** The descriptor takes no more bytes. */
export const writeError = (cause: unknown): Socket.SocketError =>
  new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })

/** The bytes of what a writer was given. */
export const toBytes = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? Buffer.from(chunk) : chunk

/** What is read is pushed here; what was pushed is pulled by the one reader. */
export class Inlet {
  private waiting: ((result: Effect.Effect<Chunk, Socket.SocketError>) => void) | undefined
  private pending: Chunk | undefined
  private flow: { take: (chunk: Uint8Array) => void; end: (why: string) => void } | undefined
  private ended: Socket.SocketError | undefined
  private dropping = false
  private onTaken: () => void

  /** `onTaken` is called when a chunk that had to wait was taken, or will never be. */
  constructor(onTaken: () => void) {
    this.onTaken = onTaken
  }

  /** Hands over what was read. `false`: it waits, and nothing more may be pushed before `onTaken`. */
  push(chunk: Chunk): boolean {
    if (this.dropping) return true
    const { flow, waiting } = this
    if (flow !== undefined) {
      for (const bytes of chunk) flow.take(bytes)
      return true
    }
    if (waiting === undefined) {
      this.pending = chunk
      return false
    }
    this.waiting = undefined
    waiting(Effect.succeed(chunk))
    return true
  }

  /** Nothing more will be read; what was pushed before is still delivered. */
  end(error: Socket.SocketError): void {
    if (this.ended !== undefined) return
    this.ended = error
    const { flow, waiting } = this
    this.waiting = undefined
    waiting?.(Effect.fail(error))
    flow?.end(error.message)
  }

  /** From now on, what is pushed is thrown away, so that the descriptor can be read to its end. */
  drop(): void {
    this.dropping = true
    this.end(closeError(1006))
    if (this.pending === undefined) return
    this.pending = undefined
    this.onTaken()
  }

  /** The reader of the socket. `open` is run when it is acquired. */
  reader(open: () => void): Socket.Socket["reader"] {
    const flow: Wire.Flow = (take, end) => {
      const { pending } = this
      this.flow = { take, end }
      if (pending !== undefined) {
        this.pending = undefined
        this.push(pending)
        this.onTaken()
      }
      if (this.ended !== undefined) end(this.ended.message)
    }
    const pull = Effect.callback<Chunk, Socket.SocketError>((resume) => {
      const pending = this.pending
      if (pending !== undefined) {
        this.pending = undefined
        resume(Effect.succeed(pending))
        this.onTaken()
        return
      }
      if (this.ended !== undefined) return resume(Effect.fail(this.ended))
      this.waiting = resume
      return Effect.sync(() => {
        if (this.waiting === resume) this.waiting = undefined
      })
    })
    return Effect.acquireRelease(
      Effect.sync(() => {
        open()
        return { pull: Wire.flowing(pull, flow), upgrade: Socket.SocketUpgradeError.unsupported }
      }),
      () => Effect.sync(() => this.drop())
    )
  }
}
