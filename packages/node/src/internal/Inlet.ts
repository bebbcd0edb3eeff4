/**
 * The reading half of a socket that is fed from outside: a place for one chunk, between whoever reads a descriptor and
 * whoever pulls.
 *
 * Answers for backpressure (the next chunk is asked for when the reader pulls again, so that the memory of this one may
 * be used for it), for an end that comes after every byte, and for a reader whose scope closes while it waits. Reading
 * the descriptor is its owner's.
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

/** From how many bytes on the memory of a chunk is given back as soon as nobody needs it. */
const Large = 8192

/**
 * Gives back the memory of a chunk. Left to V8, the chunks of a large value are what it collects garbage for: it marks the
 * whole heap every few MB.
 */
export const freeChunk = ({ buffer, byteLength }: Uint8Array): void => {
  if (byteLength < Large || byteLength < buffer.byteLength) return
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}

/** What is read is pushed here; what was pushed is pulled by the one reader. */
export class Inlet {
  private waiting: ((result: Effect.Effect<Chunk, Socket.SocketError>) => void) | undefined
  private pending: Chunk | undefined
  private flow: { take: (chunk: Uint8Array) => void; end: (why: string) => void } | undefined
  private ended: Socket.SocketError | undefined
  private dropping = false
  /** A chunk was pushed, and the reader is not done with it. */
  private isFull = false
  private readonly onTaken: () => void

  /** `onTaken` is called when the reader is done with a chunk that it was not done with at once, or will never be. */
  constructor(onTaken: () => void) {
    this.onTaken = onTaken
  }

  /** What is pushed is taken at once, by one who keeps nothing of it. */
  get isFlowing(): boolean {
    return this.flow !== undefined
  }

  /** Hands over what was read. `false`: the reader is not done with it, and nothing more may be pushed before `onTaken`. */
  push(chunk: Chunk): boolean {
    if (this.dropping) return true
    const { flow, waiting } = this
    if (flow !== undefined) {
      for (const bytes of chunk) flow.take(bytes)
      return true
    }
    if (waiting === undefined) this.pending = chunk
    else {
      this.waiting = undefined
      waiting(Effect.succeed(chunk))
    }
    // Whoever was waiting may have gone on to pull again, to let it flow, or to leave.
    this.isFull = this.waiting === undefined && this.flow === undefined && !this.dropping
    return !this.isFull
  }

  private empty(): void {
    if (!this.isFull) return
    this.isFull = false
    this.onTaken()
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
    this.pending = undefined
    this.empty()
  }

  /** The reader of the socket. `open` is run when it is acquired. */
  reader(open: () => void): Socket.Socket["reader"] {
    const flow: Wire.Flow = (take, end) => {
      const { pending } = this
      this.flow = { take, end }
      this.pending = undefined
      if (pending !== undefined) this.push(pending)
      this.empty()
      if (this.ended !== undefined) end(this.ended.message)
    }
    const pull = Effect.callback<Chunk, Socket.SocketError>((resume) => {
      const pending = this.pending
      if (pending !== undefined) {
        this.pending = undefined
        return resume(Effect.succeed(pending))
      }
      if (this.ended !== undefined) return resume(Effect.fail(this.ended))
      this.waiting = resume
      this.empty()
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
