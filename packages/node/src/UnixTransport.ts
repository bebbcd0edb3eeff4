/**
 * Links over Unix sockets: between programs of one user on one machine.
 *
 * Answers for a socket file that only its owner can reach, that is gone when the listener is, and that a listener which
 * died without closing leaves to the next. The system tells at once when a process ends, so these links have no
 * heartbeats unless asked for: only a process that is stopped, and lives, would stay unnoticed.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HeartbeatSuffix } from "furrow/protocol/Link"
import type { HeartbeatOptions, Transport } from "furrow/Transport"
import { resolve } from "node:path"
import * as Links from "./internal/Links.ts"
import * as SocketFile from "./internal/SocketFile.ts"

/**
 * Where somebody listens: a file in a directory that nobody else may enter (mode 0700, made when it is not there). The
 * name may be some 95 bytes long.
 */
export interface UnixAddress {
  readonly path: string
}

/** How links are made. */
export interface Options {
  /**
   * Asks whether the other end lives. When listening, this end offers it, in a second file whose name ends with
   * `.heartbeat`; one that dials needs a listener that does. Defaults to none.
   */
  readonly heartbeat?: HeartbeatOptions | undefined
  /**
   * How long to wait for the other end's first word: for an answer when dialling, and for anything at all from one who
   * has dialled. Defaults to 10 seconds.
   */
  readonly timeout?: Duration.Input | undefined
}

/** The transport over Unix sockets. */
export const make = (options: Options = {}): Transport<UnixAddress> => {
  const patience = options.heartbeat === undefined ? undefined : Links.patienceOf(options.heartbeat)
  const timeout = Duration.toMillis(Duration.fromInputUnsafe(options.timeout ?? "10 seconds"))
  return {
    listen: (address) =>
      Effect.gen(function* () {
        const path = resolve(address.path)
        const beside = `${path}${HeartbeatSuffix}`
        yield* SocketFile.prepare(path)
        return yield* Links.listen({
          shown: path,
          place: { path },
          timeout,
          addressOf: () => {
            // Whoever has the one file has the other.
            SocketFile.clear(beside)
            return { path }
          },
          shownOf: () => path,
          heartbeat:
            patience === undefined ? undefined : { patience, placeOf: () => ({ path: beside }) }
        })
      }),
    dial: (address) =>
      Effect.gen(function* () {
        const path = resolve(address.path)
        yield* SocketFile.check(path)
        return yield* Links.dial({
          shown: path,
          place: { path },
          timeout,
          patience,
          heartbeatPlace: () => ({ path: `${path}${HeartbeatSuffix}` })
        })
      })
  }
}
