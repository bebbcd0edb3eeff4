/**
 * The child's end of the wire: a socket over the descriptor it was started with.
 *
 * Answers for saying whether the descriptor is there, and for errors of a parent that has died. The parent's end is
 * `WirePipe`'s.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { fstatSync } from "node:fs"
import { Socket as NetSocket } from "node:net"
import * as NetEnd from "./NetEnd.ts"

/** The descriptor a parent puts the wire on. */
export const Fd = 3

/** Whether a socket stands at the descriptor. */
export const isThere = (fd: number = Fd): boolean => {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

/**
 * The socket over the descriptor. Closing the scope closes; nothing is taken before the reader is acquired, and a chunk
 * is the reader's until it pulls the next.
 */
export const open = (fd: number = Fd): Effect.Effect<Socket.Socket, never, Scope.Scope> =>
  Effect.map(
    NetEnd.make(
      (onread) =>
        new NetSocket({ fd, readable: true, writable: true, allowHalfOpen: true, onread }),
      // What its parent writes just now would take back the last words, if this end were closed.
      { linger: true }
    ),
    ({ socket }) => socket
  )
