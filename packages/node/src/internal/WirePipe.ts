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
import { closeError, Inlet, readError, toBytes } from "./Inlet.ts"
import { Outlet } from "./Outlet.ts"
import { settle } from "./Settle.ts"

/** How long the rest of a dead child's bytes may take to arrive, in milliseconds. */
const DrainTime = 200

type Chunk = Arr.NonEmptyReadonlyArray<Uint8Array>

/**
 * The socket over a child's descriptor. What the child says is kept until it is read, and read from now on. Closing the
 * writer half-closes; closing the scope closes. The bytes of `first` are written before all others.
 */
export const make = Effect.fnUntraced(function* (
  handle: ChildProcessHandle,
  fd: number,
  first?: Uint8Array
): Effect.fn.Return<Socket.Socket, never, Scope.Scope> {
  const outlet = new Outlet()
  const writing = yield* outlet.into(handle.getInputFd(fd))
  // If the child is gone already, whoever writes next is told.
  if (first !== undefined) yield* Effect.ignore(outlet.write(first))

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
