/**
 * Listening and dialling with sockets of Node's, for every kind of address.
 *
 * Answers for the first frame of a link, for its heartbeats, for connections that belong to somebody from their first
 * moment on, and for errors by their reason. What an address is, and whether it may be used, is the transport's.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { Link } from "furrow/protocol"
import * as Transport from "furrow/Transport"
import { randomUUID } from "node:crypto"
import * as Net from "node:net"
import * as Heartbeats from "./Heartbeats.ts"
import type { Place } from "./HeartbeatThread.ts"
import * as NetEnd from "./NetEnd.ts"

/** How long a listener waits for the connections that it has handed out, in milliseconds. */
const CloseTime = 1000

/** How patient an end is, in milliseconds. */
export interface Patience {
  readonly interval: number
  readonly bound: number
}

/** An end that answers, and asks nothing. */
const patient: Patience = { interval: 5000, bound: Infinity }

/** The options with their defaults. Throws if they make no sense. */
export const patienceOf = (options: Transport.HeartbeatOptions): Patience => {
  const interval = Duration.toMillis(Duration.fromInputUnsafe(options.interval ?? "5 seconds"))
  const bound = Duration.toMillis(Duration.fromInputUnsafe(options.bound ?? "15 seconds"))
  if (interval > 0 && bound >= 2 * interval) return { interval, bound }
  throw new RangeError(
    `A heartbeat every ${interval} ms cannot be missed within ${bound} ms: give an interval above zero, and a bound of two intervals or more.`
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** An error of an address, as it is shown to people. */
export const fail = (
  address: string,
  reason: Transport.TransportErrorReason
): Effect.Effect<never, Transport.TransportError> =>
  Effect.fail(new Transport.TransportError({ address, reason }))

/** The second connection of a link, as it is shown to people. */
const heartbeatsOf = (address: string): string => `${address} (its heartbeats)`

/** What the system's word means. */
export const reasonOf = (error: {
  readonly code?: string | undefined
  readonly message: string
}): Transport.TransportErrorReason => {
  switch (error.code) {
    case "EADDRINUSE":
      return new Transport.AddressInUse()
    case "ECONNREFUSED":
      return new Transport.Refused()
    case "ENOENT":
    case "ENOTFOUND":
      return new Transport.NotFound()
    case "EACCES":
    case "EPERM":
      return new Transport.NotAllowed({ detail: `the system does not permit it (${error.code})` })
    default:
      return new Transport.SystemFailed({
        ...(error.code === undefined ? {} : { code: error.code }),
        detail: error.message
      })
  }
}

/**
 * Guards a link from before the two ends can know of its second connection, and waits for that: a link is there when
 * both are. `false` if it was not there in time.
 */
const lives = (
  end: NetEnd.NetEnd,
  guard: Omit<Heartbeats.Guard, "onHeard" | "onLost">,
  begin: Effect.Effect<void>
): Effect.Effect<boolean, never, Scope.Scope> =>
  Effect.gen(function* () {
    const known = Deferred.makeUnsafe<boolean>()
    yield* Heartbeats.guard({
      ...guard,
      onHeard: () => Deferred.doneUnsafe(known, Exit.succeed(true)),
      onLost: (why) => {
        Deferred.doneUnsafe(known, Exit.succeed(false))
        end.lose(why)
      }
    })
    yield* begin
    return yield* Deferred.await(known)
  })

// ---------------------------------------------------------------------------------------------------------------------
// Listening
// ---------------------------------------------------------------------------------------------------------------------

/** Where to listen, and how. */
export interface Listening<Address> {
  readonly shown: string
  readonly place: Place
  /** How long one who has connected may say nothing, in milliseconds. */
  readonly timeout: number
  /** The address that was taken in the end. */
  readonly addressOf: (bound: Net.AddressInfo | string | null) => Address
  readonly shownOf: (address: Address) => string
  /** How patient this end is, and where its thread listens, once the address is known to be ours. */
  readonly heartbeat:
    | { readonly patience: Patience; readonly placeOf: (address: Address) => Place }
    | undefined
}

const socketOptions = {
  allowHalfOpen: true,
  noDelay: true,
  // The second connection says nothing of the first. This keeps the first known to whoever stands in between.
  keepAlive: true,
  keepAliveInitialDelay: 15_000
}

/** Listens until the scope is closed. */
export const listen = <Address>({
  addressOf,
  heartbeat,
  place,
  shown,
  shownOf,
  timeout
}: Listening<Address>): Effect.Effect<
  Transport.Listener<Address>,
  Transport.TransportError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const arrived = yield* Queue.unbounded<Net.Socket>()
    const waiting = new Set<Net.Socket>()
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => Net.createServer({ ...socketOptions, pauseOnConnect: true })),
      (server) =>
        Effect.callback<void>((resume) => {
          // It closes when its connections have; those that were handed out are their handlers'.
          const timer = setTimeout(() => resume(Effect.void), CloseTime)
          server.close(() => {
            clearTimeout(timer)
            resume(Effect.void)
          })
          for (const net of waiting) net.destroy()
        })
    )
    server.on("connection", (net) => {
      waiting.add(net)
      net.on("close", () => waiting.delete(net))
      net.on("error", () => {})
      net.setTimeout(timeout, () => net.destroy())
      net.once("data", () => net.setTimeout(0))
      Queue.offerUnsafe(arrived, net)
    })
    yield* Effect.callback<void, Transport.TransportError>((resume) => {
      server.once("error", (error) => resume(fail(shown, reasonOf(error))))
      server.listen(place, () => {
        // A connection that the system had no room for: whoever dialled is told by its end.
        server.removeAllListeners("error").on("error", () => {})
        resume(Effect.void)
      })
    })
    const address = addressOf(server.address())
    const beating =
      heartbeat === undefined
        ? undefined
        : {
            ...heartbeat.patience,
            port: yield* Heartbeats.listen(heartbeat.placeOf(address)).pipe(
              Effect.catch((error) => fail(heartbeatsOf(shown), reasonOf(error)))
            )
          }

    const serve = <A, E, R>(
      net: Net.Socket,
      handler: (socket: Socket.Socket) => Effect.Effect<A, E, R>
    ) =>
      Effect.gen(function* () {
        const end = yield* NetEnd.make(() => net, { linger: true })
        waiting.delete(net)
        const key = randomUUID()
        const writer = yield* end.socket.writer
        // Whoever takes no more bytes is told of by the reader.
        const greet = Effect.ignore(writer.write(Link.encode(linkOf(key, beating))))
        if (beating === undefined) yield* greet
        else {
          const { bound, interval } = beating
          const guard = { key, interval, bound, first: timeout, dial: undefined }
          if (!(yield* lives(end, guard, greet))) return
        }
        return yield* handler(end.socket)
      }).pipe(
        Effect.scoped,
        Effect.ignoreCause({
          log: "Warn",
          message: `A connection to ${shownOf(address)} has failed`
        })
      )

    return {
      address,
      run: (handler) =>
        Effect.gen(function* () {
          const scope = yield* Effect.scope
          const next = Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(restore(Queue.take(arrived)), (net) =>
              Effect.forkIn(serve(net, handler), scope)
            )
          )
          return yield* Effect.forever(next)
        }).pipe(Effect.scoped)
    }
  })

const linkOf = (key: string, beating: { readonly port: number | undefined } | undefined) =>
  ({
    _tag: "Link",
    ...(beating === undefined
      ? {}
      : { heartbeat: { key, ...(beating.port === undefined ? {} : { port: beating.port }) } })
  }) satisfies Link.Link

// ---------------------------------------------------------------------------------------------------------------------
// Dialling
// ---------------------------------------------------------------------------------------------------------------------

/** What to dial, and how. */
export interface Dialling {
  readonly shown: string
  readonly place: Place
  /** Milliseconds to wait for the other end. */
  readonly timeout: number
  /** How patient this end is; without it, it only answers. */
  readonly patience: Patience | undefined
  /** Where the other end takes heartbeats, by what it has said of its port. */
  readonly heartbeatPlace: (net: Net.Socket, port: number | undefined) => Place
}

/** Waits for the connection, and for the other end's first frame; what follows that is still to be read. */
const linked = (net: Net.Socket, shown: string) =>
  Effect.callback<Link.Link, Transport.TransportError>((resume) => {
    let held: Uint8Array = new Uint8Array(0)
    const leave = () => {
      net.off("data", onData).off("end", onEnd).off("error", onError).off("close", onEnd)
      net.pause()
    }
    const refuse = (reason: Transport.TransportErrorReason) => {
      leave()
      resume(fail(shown, reason))
    }
    const onEnd = () =>
      refuse(new Transport.NoLink({ detail: "it closed the connection without a word" }))
    const onError = (error: Error) => refuse(reasonOf(error))
    const onData = (chunk: Uint8Array) => {
      held = Buffer.concat([held, chunk])
      try {
        const taken = Link.take(held)
        if (taken === undefined) return
        leave()
        if (taken.rest.length > 0) net.unshift(taken.rest)
        resume(Effect.succeed(taken.link))
      } catch {
        refuse(new Transport.NoLink({ detail: "it does not speak Furrow's protocol" }))
      }
    }
    net.on("data", onData).on("end", onEnd).on("error", onError).on("close", onEnd)
    return Effect.sync(leave)
  })

/** A connection until the scope is closed. */
export const dial = ({
  heartbeatPlace,
  patience,
  place,
  shown,
  timeout
}: Dialling): Effect.Effect<Socket.Socket, Transport.TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    const end = yield* NetEnd.make(() => Net.connect({ ...socketOptions, ...place }), {
      linger: true
    })
    const { heartbeat } = yield* linked(end.net, shown).pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => fail(shown, new Transport.TimedOut({ waited: timeout }))
      })
    )
    if (heartbeat !== undefined) {
      const guard = {
        ...(patience ?? patient),
        first: timeout,
        key: heartbeat.key,
        dial: heartbeatPlace(end.net, heartbeat.port)
      }
      if (!(yield* lives(end, guard, Effect.void))) {
        return yield* fail(heartbeatsOf(shown), new Transport.TimedOut({ waited: timeout }))
      }
    } else if (patience !== undefined) {
      return yield* fail(
        shown,
        new Transport.NoLink({
          detail: "it takes no heartbeats, and this end was told to ask for them"
        })
      )
    }
    return end.socket
  })
