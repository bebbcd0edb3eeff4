/** The actors that the type tests speak of: one with every kind of operation, and one with next to nothing. */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"

export class RoomClosed extends Schema.TaggedError<RoomClosed>()("RoomClosed", {
  room: Schema.String
}) {}

const Increment = Rpc.make("Increment", {
  payload: { by: Schema.Int },
  success: Schema.Int,
  error: RoomClosed
})
export const Get = Rpc.make("Get", { success: Schema.Int })
const Ticks = Rpc.make("Ticks", {
  payload: { every: Schema.Int },
  success: Schema.Int,
  error: RoomClosed,
  stream: true
})
export const Chat = Dialog.make("Chat", {
  payload: { room: Schema.String },
  started: Schema.String,
  fromCaller: Schema.String,
  fromCallee: Schema.Int,
  success: Schema.Boolean,
  error: RoomClosed
})

/** Every kind of operation, and arguments. */
export class Counter extends Actor.make("Counter", [Increment, Get, Ticks, Chat], {
  arguments: { from: Schema.Int }
}) {}

/** One operation, no arguments. */
export class Plain extends Actor.make("Plain", [Get]) {}

/** Every handler of {@link Counter}, so that a test can give one of its own. */
export declare const handlers: Actor.HandlersFrom<Actor.OperationsOf<typeof Counter>>

/** What {@link Auth} gives to handlers. */
export class User extends Context.Service<User, { readonly name: string }>()("types/User") {}

/** What {@link Auth} needs of the actor. */
export class Accounts extends Context.Service<Accounts, { readonly size: number }>()(
  "types/Accounts"
) {}

export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {}) {}

/** A middleware with everything: it gives and needs a service, fails, and has a side of its own in the client. */
export class Auth extends RpcMiddleware.Service<
  Auth,
  { provides: User; requires: Accounts; clientError: "no token" }
>()("types/Auth", { error: Forbidden, requiredForClient: true }) {}
