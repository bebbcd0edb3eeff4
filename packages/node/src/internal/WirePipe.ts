/**
 * The parent's end of the wire: the socket over the duplex descriptor of a child process.
 *
 * Answers for that socket being this end's alone, for errors of one whose other end has died, and for a descriptor that
 * is closed when its scope is. The child's end is `WireFd`'s.
 */
import * as Effect from "effect/Effect"
import { make as makeSpawner } from "effect/process/ChildProcessSpawner"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { ChildProcess } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { Socket as NetSocket } from "node:net"
import * as NetEnd from "./NetEnd.ts"
import { Fd } from "./WireFd.ts"

/** The sockets that were taken. */
const taken = new WeakMap<ChildProcess, NetSocket>()

const take = (child: ChildProcess): void => {
  const net = child.stdio[Fd]
  if (!(net instanceof NetSocket)) return
  child.stdio[Fd] = null
  net.allowHalfOpen = true
  // It may break before somebody listens: whoever reads is told then.
  net.on("error", () => {})
  taken.set(child, net)
}

/** Starts one child process, and takes its socket. */
export interface Catcher {
  readonly spawner: ChildProcessSpawner["Service"]
  /** The socket over the descriptor, once the process was started; nothing if that was not done by Node's own means. */
  readonly net: () => NetSocket | undefined
}

/**
 * Whoever starts a child process with it takes the socket over its descriptor as soon as there is one: the stock spawner
 * would put a pipe and two streams over it, and each byte would pass through all of them.
 */
export const catcher = (stock: ChildProcessSpawner["Service"]): Catcher => {
  const children: Array<ChildProcess> = []
  let net: NetSocket | undefined
  const spawner = makeSpawner((command) => {
    const args = command._tag === "StandardCommand" ? command.args : []
    const onChild = (message: unknown) => {
      const { process: child } = message as { readonly process: ChildProcess }
      children.push(child)
      // This is heard before whoever starts it hears that it was. Others may start children meanwhile.
      child.once("spawn", () => {
        if (args.every((arg, at) => child.spawnargs[at + 1] === arg)) take(child)
      })
    }
    return Effect.suspend(() => {
      subscribe("child_process", onChild)
      return Effect.ensuring(
        stock.spawn(command),
        Effect.sync(() => unsubscribe("child_process", onChild))
      )
    }).pipe(
      Effect.tap(({ pid }) =>
        Effect.sync(() => {
          const child = children.find((child) => child.pid === pid)
          if (child !== undefined) net = taken.get(child)
        })
      )
    )
  })
  return { spawner, net: () => net }
}

/**
 * The socket over a child's descriptor. What the child says is kept until it is read. Closing the writer half-closes;
 * closing the scope closes. The bytes of `first` are written before all others.
 */
export const make = Effect.fnUntraced(function* (
  net: NetSocket,
  first?: Uint8Array
): Effect.fn.Return<Socket.Socket, never, Scope.Scope> {
  const { socket } = yield* NetEnd.make(() => net, { linger: false })
  // Nobody is left who would take what was not written yet.
  yield* Effect.addFinalizer(() => Effect.sync(() => net.destroy()))
  // If the child is gone already, whoever writes next is told.
  if (first !== undefined) net.write(first)
  return socket
})
