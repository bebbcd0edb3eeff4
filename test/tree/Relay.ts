/**
 * Somebody between the two ends of a link over TCP, who can fall silent: nothing is forwarded any more, in either
 * direction and on either of its connections, and nobody is told.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Link } from "furrow/protocol"
import { connect, createServer } from "node:net"
import type { AddressInfo, Server, Socket } from "node:net"

/** See the module. */
export interface Relay {
  readonly port: number
  /** Falls silent, after so many bytes to the one who dialled. */
  readonly silence: (after: number) => void
}

/** A relay in front of a port of this machine, until the scope is closed. */
export const make = (target: number): Effect.Effect<Relay, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Relay & { readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const servers: Array<Server> = []
      let left = Infinity

      const keep = (socket: Socket) => {
        sockets.add(socket.on("error", () => {}))
        return socket
      }
      const pass = (to: Socket, bytes: Uint8Array) => {
        const some = bytes.subarray(0, left)
        left -= some.length
        if (some.length > 0) to.write(some)
      }
      const join = (near: Socket, far: Socket) => {
        near.on("data", (bytes) => left > 0 && far.write(bytes))
        far.on("data", (bytes) => pass(near, bytes))
        for (const [one, other] of [
          [near, far],
          [far, near]
        ] as const) {
          one.on("end", () => left > 0 && other.end())
        }
      }
      const listen = (
        port: number,
        onFar: (near: Socket, far: Socket) => void,
        done: (server: Server) => void
      ) => {
        const server = createServer((near) => {
          keep(near).pause()
          const far = keep(connect({ port, host: "127.0.0.1" }))
          onFar(near, far)
        })
        servers.push(server)
        server.listen(0, "127.0.0.1", () => done(server))
      }
      const portOf = (server: Server) => (server.address() as AddressInfo).port

      /** Its first frame names the other port: that is relayed, too, and named in its place. */
      const greeted = (near: Socket, far: Socket) => {
        far.once("data", (bytes) => {
          far.pause()
          const { link, rest } = Link.take(bytes)!
          listen(
            link.heartbeat!.port!,
            (near, far) => {
              join(near, far)
              near.resume()
            },
            (server) => {
              const heartbeat = { key: link.heartbeat!.key, port: portOf(server) }
              near.write(Link.encode({ _tag: "Link", heartbeat }))
              if (rest.length > 0) near.write(rest)
              join(near, far)
              near.resume()
              far.resume()
            }
          )
        })
      }
      listen(target, greeted, (server) =>
        resume(
          Effect.succeed({
            port: portOf(server),
            silence: (after) => {
              left = after
            },
            close: () => {
              for (const server of servers) server.close()
              for (const socket of sockets) socket.destroy()
            }
          })
        )
      )
    }),
    (relay) => Effect.sync(relay.close)
  )
