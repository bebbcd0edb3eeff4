/**
 * An actor that is reached by an address: the two ends of its connection, without anybody who spawned it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import type * as Socket from "effect/socket/Socket"
import * as Actor from "furrow/Actor"
import type { AnyDefinition, Client } from "furrow/Actor"
import { helloOf } from "furrow/launch"
import * as Life from "furrow/Life"
import { makeClient, makeServer } from "furrow/Routers"
import * as Session from "furrow/Session"

/** Answers with what it was given. */
const Echo = Rpc.make("Echo", { payload: { text: Schema.String }, success: Schema.String })
/** Computes for some milliseconds, in which its event loop does nothing else. */
const Compute = Rpc.make("Compute", { payload: { millis: Schema.Int } })
/** Never answers. */
const Wait = Rpc.make("Wait")

type Operations = typeof Echo | typeof Compute | typeof Wait

class Linked extends Actor.make("Linked", [Echo, Compute, Wait]) {}

/** Keeps this process's event loop busy. */
export const compute = (millis: number): void => {
  const until = performance.now() + millis
  while (performance.now() < until);
}

const LinkedLive = Linked.toLayer(
  Effect.succeed({
    Echo: ({ text }) => Effect.succeed(text),
    Compute: ({ millis }) => Effect.sync(() => compute(millis)),
    Wait: () => Effect.never
  })
)

const definition = Linked as unknown as AnyDefinition

const lifeOf = (path: string): Life.Life =>
  Life.make({ name: path, path, incarnation: crypto.randomUUID(), ancestors: [] })

/** Serves the actor at the accepted end; tells how the connection has ended. */
export const serve = (socket: Socket.Socket) =>
  Effect.gen(function* () {
    const life = lifeOf("linked")
    const context = yield* Layer.build(LinkedLive)
    const server = yield* makeServer(definition, Context.get(context, Linked.Service), life)
    const session = yield* Session.make({
      socket,
      role: "accepted",
      hello: yield* helloOf("Linked", life.self.incarnation, definition)
    })
    server.attach(session)
    session.send({ _tag: "Ready" })
    return yield* session.end
  })

/** A client at the end that dialled, once the actor is ready, and the end of its session. */
export const call = (socket: Socket.Socket) =>
  Effect.gen(function* () {
    const life = lifeOf("caller")
    const session = yield* Session.make({
      socket,
      role: "dialled",
      hello: yield* helloOf("Caller", life.self.incarnation, undefined),
      expected: "Linked"
    })
    yield* Effect.callback<void>((resume) => {
      session.onFrame = () => resume(Effect.void)
    })
    const callee = { path: "linked", incarnation: session.peer.incarnation }
    const client = yield* makeClient(definition, session, callee, life)
    return { client: client as Client<Operations>, end: session.end }
  })
