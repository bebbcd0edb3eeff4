/**
 * A socket as its session uses it: every chunk as soon as it is there, and bytes that are on their way at once, without
 * a fiber that wakes up for each of them.
 *
 * Answers for every socket being such a wire. One that can do it by itself says so, with `flowing` and `putting`; for any
 * other, and for one that somebody has wrapped, a fiber pulls and a fiber writes.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"

/**
 * Hands over what is read from now on, in order, to one who never has to wait; nothing is pulled any more. A chunk may be
 * gone when `take` returns. `end` is told once, after all of it, why there is no more. Neither may throw.
 */
export type Flow = (take: (chunk: Uint8Array) => void, end: (why: string) => void) => void

/**
 * Writes some bytes, in pieces, behind those before them; tells once that they are taken, or never will be. Their memory is
 * not needed any more when they are.
 */
export type Put = (
  pieces: NonEmptyReadonlyArray<Uint8Array>,
  told: (exit: Exit.Exit<void, Socket.SocketError>) => void
) => void

type Pull = Socket.Reader["pull"]

// By what a wrapper would replace: what it adds must not be passed by.
const flows = new WeakMap<Pull, Flow>()
const puts = new WeakMap<Socket.Writer["write"] | Socket.Writer["writeAll"], Put>()

/** A reader's `pull` that can also flow. */
export const flowing = <P extends Pull>(pull: P, flow: Flow): P => {
  flows.set(pull, flow)
  return pull
}

/** How this `pull` flows by itself, if it can. */
export const flowOf = (pull: Pull): Flow | undefined => flows.get(pull)

/** A writer that can also do without a fiber. */
export const putting = (writer: Socket.Writer, put: Put): Socket.Writer => {
  puts.set(writer.write, put).set(writer.writeAll, put)
  return writer
}

const putOf = ({ write, writeAll }: Socket.Writer): Put | undefined => {
  const put = puts.get(write)
  return put === puts.get(writeAll) ? put : undefined
}

/** See the module. */
export interface Wire {
  /** The next chunks. Not after `flow`. */
  readonly pull: Effect.Effect<ReadonlyArray<Uint8Array>, Socket.SocketError>
  readonly flow: Flow
  /** Writes some bytes, and waits until they are taken. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, Socket.SocketError>
  readonly put: Put
  /** The memory of what `put` has taken is not needed any more: the other end has a copy. */
  readonly isCopied: boolean
}

const encoder = new TextEncoder()

/** The bytes of what a socket gives, or is given. */
export const bytesOf = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? encoder.encode(chunk) : chunk

const why = (cause: Cause.Cause<Socket.SocketError>): string => {
  const error = Cause.squash(cause)
  return Cause.hasDies(cause) ? `the reader failed: ${String(error)}` : String(error)
}

/** The wire over a socket, as long as the scope is open; it is written to as long as `writing` is. */
export const open = Effect.fnUntraced(function* (
  socket: Socket.Socket,
  writing: Scope.Scope
): Effect.fn.Return<Wire, Socket.SocketError, Scope.Scope> {
  const writer = yield* Scope.provide(socket.writer, writing)
  const { pull } = yield* socket.reader
  const run = yield* FiberSet.makeRuntime<never, void, Socket.SocketError>()
  const put = putOf(writer)
  return {
    pull: Effect.map(pull, (chunks) => chunks.map(bytesOf)),
    flow:
      flows.get(pull) ??
      ((take, end) => {
        const reading = Effect.forever(
          Effect.map(pull, (chunks) => {
            for (const chunk of chunks) take(bytesOf(chunk))
          }),
          { disableYield: true }
        )
        run(reading).addObserver((exit) => {
          if (Exit.isFailure(exit)) end(why(exit.cause))
        })
      }),
    write: writer.write,
    isCopied: put !== undefined,
    put:
      put ??
      ((pieces, told) => {
        const all = pieces.length === 1 ? writer.write(pieces[0]) : writer.writeAll(pieces)
        run(all).addObserver(told)
      })
  }
})
