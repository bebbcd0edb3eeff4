/**
 * The writing half of a pipe that a sink pulls from: what is written, one chunk after the other.
 *
 * Answers for a write that is done when the pipe has taken it, and for writes that fail when nobody reads any more.
 * Opening the pipe is its owner's.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Sink from "effect/Sink"
import type * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { closeError, writeError } from "./Inlet.ts"

type Chunk = NonEmptyReadonlyArray<Uint8Array>

interface Writing {
  readonly bytes: Uint8Array
  readonly done: (result: Effect.Effect<void, Socket.SocketError>) => void
}

/**
 * The sink pulls again when the pipe has taken what it got before; that is how a write knows that it is done. (Node
 * counts bytes below its mark of 64 KiB as taken; as long as the pipe has room for them, they are.)
 */
export class Outlet {
  private waiting: ((chunk: Effect.Effect<Chunk, Cause.Done>) => void) | undefined
  private readonly queue: Array<Writing> = []
  private handed: Writing | undefined
  private ending = false
  private broken: Socket.SocketError | undefined

  private readonly next = Effect.callback<Chunk, Cause.Done>((resume) => {
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

  /** Feeds a sink with all that is written, from now on. Interrupting the fiber closes the pipe. */
  into<E>(sink: Sink.Sink<void, Uint8Array, unknown, E>): Effect.Effect<Fiber.Fiber<void, E>> {
    return Stream.fromPull(Effect.succeed(this.next)).pipe(
      Stream.run(sink),
      Effect.onExit((exit) =>
        Effect.sync(() =>
          this.break(
            exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)
              ? writeError(Cause.squash(exit.cause))
              : closeError(1006)
          )
        )
      ),
      Effect.forkDetach({ startImmediately: true })
    )
  }

  /** Writes some bytes after those of earlier writes; done when the pipe has taken them. */
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

  /** Closes the pipe when all that was written before is taken. */
  end(): void {
    this.ending = true
    this.hand()
  }

  private break(error: Socket.SocketError): void {
    this.broken ??= error
    const lost =
      this.handed === undefined ? this.queue.splice(0) : [this.handed, ...this.queue.splice(0)]
    this.handed = undefined
    for (const writing of lost) writing.done(Effect.fail(this.broken))
  }
}
