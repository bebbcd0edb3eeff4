/**
 * The parent's end of the wire: a socket over the duplex descriptor of a child process.
 *
 * Answers for one write at a time, for errors of a pipe whose other end has died, and for a descriptor that is closed
 * when its scope is. The child's end is `WireFd`'s.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { closeError, Inlet, readError, toBytes, writeError } from "./Inlet.ts"
import { settle } from "./Settle.ts"

/** How long the rest of a dead child's bytes may take to arrive, in milliseconds. */
const DrainTime = 200

type Chunk = Arr.NonEmptyReadonlyArray<Uint8Array>

interface Writing {
  readonly bytes: Uint8Array
  readonly done: (result: Effect.Effect<void, Socket.SocketError>) => void
}

/**
 * What is written, as the stream that the pipe's sink pulls. The sink pulls again when the pipe has taken what it got
 * before; that is how a write knows that it is done. (Node counts bytes below its mark of 64 KiB as taken.)
 */
class Outlet {
  private waiting: ((chunk: Effect.Effect<Chunk, Cause.Done>) => void) | undefined
  private readonly queue: Array<Writing> = []
  private handed: Writing | undefined
  private ending = false
  private broken: Socket.SocketError | undefined

  readonly next = Effect.callback<Chunk, Cause.Done>((resume) => {
    const handed = this.handed
    this.handed = undefined
    this.waiting = resume
    handed?.done(Effect.void)
    this.hand()
    return Effect.sync(() => {
      if (this.waiting === resume) this.waiting = undefined
    })
  })

  private hand(): void {
    const waiting = this.waiting
    if (waiting === undefined) return
    const writing = this.queue.shift()
    if (writing === undefined && !this.ending) return
    this.waiting = undefined
    this.handed = writing
    waiting(writing === undefined ? Cause.done() : Effect.succeed([writing.bytes]))
  }

  readonly write = (bytes: Uint8Array): Effect.Effect<void, Socket.SocketError> =>
    Effect.callback<void, Socket.SocketError>((resume) => {
      if (this.broken !== undefined) return resume(Effect.fail(this.broken))
      if (this.ending) return resume(Effect.fail(writeError(new Error("the writer is closed"))))
      const writing: Writing = { bytes, done: resume }
      this.queue.push(writing)
      this.hand()
      return Effect.sync(() => {
        const at = this.queue.indexOf(writing)
        if (at >= 0) this.queue.splice(at, 1)
      })
    })

  end(): void {
    this.ending = true
    this.hand()
  }

  break(error: Socket.SocketError): void {
    this.broken ??= error
    const lost =
      this.handed === undefined ? this.queue.splice(0) : [this.handed, ...this.queue.splice(0)]
    this.handed = undefined
    for (const writing of lost) writing.done(Effect.fail(this.broken))
  }
}

/**
 * The socket over a child's descriptor. What the child says is kept until it is read, and read from now on. Closing the
 * writer half-closes; closing the scope closes.
 */
export const make = Effect.fnUntraced(function* (
  handle: ChildProcessHandle,
  fd: number
): Effect.fn.Return<Socket.Socket, never, Scope.Scope> {
  const outlet = new Outlet()
  const writing = yield* Stream.fromPull(Effect.succeed(outlet.next)).pipe(
    Stream.run(handle.getInputFd(fd)),
    Effect.onExit((exit) =>
      Effect.sync(() =>
        outlet.break(
          exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)
            ? writeError(Cause.squash(exit.cause))
            : closeError(1006)
        )
      )
    ),
    Effect.forkDetach({ startImmediately: true })
  )

  let taken: (() => void) | undefined
  const inlet = new Inlet(() => {
    const resume = taken
    taken = undefined
    resume?.()
  })
  const offer = (chunk: Chunk) =>
    Effect.callback<void>((resume) => {
      if (inlet.push(chunk)) return resume(Effect.void)
      taken = () => resume(Effect.void)
    })
  const reading = yield* Stream.runForEachArray(handle.getOutputFd(fd), offer).pipe(
    Effect.onExit((exit) =>
      Effect.sync(() =>
        inlet.end(
          exit._tag === "Success"
            ? closeError(1000)
            : Cause.hasInterruptsOnly(exit.cause)
              ? closeError(1006)
              : readError(Cause.squash(exit.cause))
        )
      )
    ),
    Effect.forkDetach({ startImmediately: true })
  )

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      inlet.drop()
      // Interrupting the sink destroys the descriptor. Once it has ended by itself nothing can, but the end of file
      // does: the child is gone.
      yield* Fiber.interrupt(writing)
      yield* settle([reading], DrainTime)
      yield* Fiber.interrupt(reading)
    })
  )

  return Socket.make({
    reader: inlet.reader(() => {}),
    writer: Effect.acquireRelease(
      Effect.succeed<Socket.Writer>({
        write: (chunk) =>
          Socket.isCloseEvent(chunk)
            ? Effect.sync(() => outlet.end())
            : outlet.write(toBytes(chunk)),
        writeAll: (chunks) => outlet.write(Buffer.concat(Arr.map(chunks, toBytes)))
      }),
      () => Effect.sync(() => outlet.end())
    )
  })
})
