/**
 * How two ends that do not share a pipe come to a connection: one listens at an address, the other dials it.
 *
 * Answers for the contract that every kind of connection keeps, and for its errors, sorted by what to do next. What is
 * said over the connection is a `Session`'s; who listens where, and who may, is not known here.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"

/** Somebody listens there already; take another address. */
export class AddressInUse extends Schema.TaggedClass<AddressInUse>()("AddressInUse", {}) {}

/** Nobody listens there; start the other end, or try again later. */
export class Refused extends Schema.TaggedClass<Refused>()("Refused", {}) {}

/** There is no such file or host; check the address. */
export class NotFound extends Schema.TaggedClass<NotFound>()("NotFound", {}) {}

/** The address may not be used, or what stands there cannot be trusted; mend what `detail` names. */
export class NotAllowed extends Schema.TaggedClass<NotAllowed>()("NotAllowed", {
  detail: Schema.String
}) {}

/** The path does not fit into the address of a Unix socket; take a shorter one. Both numbers are bytes. */
export class PathTooLong extends Schema.TaggedClass<PathTooLong>()("PathTooLong", {
  length: Schema.Int,
  limit: Schema.Int
}) {}

/** The other end did not answer in time. */
export class TimedOut extends Schema.TaggedClass<TimedOut>()("TimedOut", {
  /** Milliseconds waited. */
  waited: Schema.Finite
}) {}

/** Somebody answered who is no Furrow actor, or does not offer what this end needs. */
export class NoLink extends Schema.TaggedClass<NoLink>()("NoLink", {
  detail: Schema.String
}) {}

/** The system could not do it; `code` is its own word for why. */
export class SystemFailed extends Schema.TaggedClass<SystemFailed>()("SystemFailed", {
  code: Schema.optional(Schema.String),
  detail: Schema.String
}) {}

/** Every reason a {@link TransportError} can have. */
export const TransportErrorReason = Schema.Union([
  AddressInUse,
  Refused,
  NotFound,
  NotAllowed,
  PathTooLong,
  TimedOut,
  NoLink,
  SystemFailed
])

/** See {@link TransportErrorReason}. */
export type TransportErrorReason = typeof TransportErrorReason.Type

const sentence = (address: string, reason: TransportErrorReason): string => {
  switch (reason._tag) {
    case "AddressInUse":
      return `Somebody listens at ${address} already. Take another address, or end the program that has it.`
    case "Refused":
      return `Nobody listens at ${address}. Start the program that should, or try again later.`
    case "NotFound":
      return `There is no ${address}. Check the address.`
    case "NotAllowed":
      return `${address} cannot be used: ${reason.detail}.`
    case "PathTooLong":
      return `${address} is no address of a Unix socket: its ${reason.length} bytes are more than the ${reason.limit} that fit. Take a shorter path.`
    case "TimedOut":
      return `${address} has not answered within ${reason.waited} ms. Check that it can be reached, or give it more time.`
    case "NoLink":
      return `What answers at ${address} is not what was expected there: ${reason.detail}.`
    case "SystemFailed":
      return `${address} cannot be used: ${reason.detail}.`
  }
}

/** An address could not be listened at, or not be dialled. */
export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  /** The address as it is shown to people. */
  address: Schema.String,
  reason: TransportErrorReason
}) {
  override get message() {
    return sentence(this.address, this.reason)
  }
}

/**
 * How an end of a link asks whether the other lives; each end has its own patience. It is answered from outside of the
 * event loop, so a busy process is alive, and one that is stopped or cannot be reached is not.
 */
export interface HeartbeatOptions {
  /** How often to ask. Defaults to 5 seconds. */
  readonly interval?: Duration.Input | undefined
  /** How long nothing may be heard before the link is lost; at least two intervals. Defaults to 15 seconds. */
  readonly bound?: Duration.Input | undefined
}

/** An address that is being listened at. */
export interface Listener<out Address> {
  /** Where it really listens, so that it can be dialled: with the port that the system has chosen. */
  readonly address: Address
  /**
   * Hands every connection to the handler, in a fiber of its own with a scope of its own, until it is interrupted; then
   * all of them are ended. A handler that fails loses its connection and nothing else: it is logged. Connections that
   * come while nobody runs this wait, until the transport loses patience.
   */
  readonly run: <A, E, R>(
    handler: (socket: Socket.Socket) => Effect.Effect<A, E, R>
  ) => Effect.Effect<never, never, Exclude<R, Scope.Scope>>
}

/**
 * One way to connect, such as `TcpTransport` and `UnixTransport` of `@furrow/node`. The sockets it gives are connected:
 * they end once, and never connect again.
 */
export interface Transport<in out Address> {
  /** Listens until the scope is closed. */
  readonly listen: (
    address: Address
  ) => Effect.Effect<Listener<Address>, TransportError, Scope.Scope>
  /** A connection until the scope is closed; what was written before is flushed, for a second at most. */
  readonly dial: (address: Address) => Effect.Effect<Socket.Socket, TransportError, Scope.Scope>
}
