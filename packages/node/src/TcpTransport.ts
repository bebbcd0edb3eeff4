/**
 * Links over TCP: between machines, or on one.
 *
 * Answers for a link that is lost within its bound when the other end cannot be reached any more, and for one that is
 * not lost because the other end computes. Nobody is asked for a proof: whoever can reach the address can speak to what
 * listens there, which is why that is the loopback interface unless said otherwise.
 */
import * as Duration from "effect/Duration"
import type { HeartbeatOptions, Transport } from "furrow/Transport"
import * as Links from "./internal/Links.ts"

/** Where somebody listens. */
export interface TcpAddress {
  /** A name or a number; when listening, of the interface. Defaults to `127.0.0.1`: this machine alone. */
  readonly host?: string | undefined
  /** When listening, 0 lets the system choose. */
  readonly port: number
}

/** How links are made. */
export interface Options {
  /** Every link over TCP has heartbeats; this is how patient this end is. */
  readonly heartbeat?: HeartbeatOptions | undefined
  /**
   * The port that a listener takes heartbeats at, on the same interface; to be opened where there is a firewall.
   * Defaults to `0`: the system chooses, and whoever dials is told.
   */
  readonly heartbeatPort?: number | undefined
  /**
   * How long to wait for the other end's first word: for an answer when dialling, and for anything at all from one who
   * has dialled. Defaults to 10 seconds.
   */
  readonly timeout?: Duration.Input | undefined
}

interface BoundAddress extends TcpAddress {
  readonly host: string
}

const Loopback = "127.0.0.1"

const show = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/**
 * The transport over TCP.
 *
 * **Example** (A link that is lost after 6 seconds of silence)
 *
 * ```ts
 * const tcp = TcpTransport.make({ heartbeat: { interval: "2 seconds", bound: "6 seconds" } })
 * const socket = yield* tcp.dial({ host: "10.0.0.7", port: 4000 })
 * ```
 */
export const make = (options: Options = {}): Transport<TcpAddress> => {
  const patience = Links.patienceOf(options.heartbeat ?? {})
  const timeout = Duration.toMillis(Duration.fromInputUnsafe(options.timeout ?? "10 seconds"))
  return {
    listen: ({ host = Loopback, port }) =>
      Links.listen<BoundAddress>({
        shown: show(host, port),
        place: { host, port },
        timeout,
        addressOf: (bound) =>
          bound === null || typeof bound === "string"
            ? { host, port }
            : { host: bound.address, port: bound.port },
        shownOf: (address) => show(address.host, address.port),
        heartbeat: {
          patience,
          placeOf: (address) => ({ host: address.host, port: options.heartbeatPort ?? 0 })
        }
      }),
    dial: ({ host = Loopback, port }) =>
      Links.dial({
        shown: show(host, port),
        place: { host, port },
        timeout,
        patience,
        heartbeatPlace: (net, told) => ({ host: net.remoteAddress ?? host, port: told ?? port })
      })
  }
}
