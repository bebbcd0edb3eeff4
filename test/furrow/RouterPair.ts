/**
 * Two routers over one connection in memory, without a nursery, a process or a test world: what the tests of the
 * routers stand on.
 *
 * Answers for an actor that is served, a client of it, and a log of every frame that crossed, readable because the
 * codec is JSON unless a test says otherwise.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { AnyDefinition, Client, Definition, Service } from "furrow/Actor"
import { helloOf } from "furrow/launch"
import * as Life from "furrow/Life"
import { Codec, Framing } from "furrow/protocol"
import type { Protocol } from "furrow/protocol"
import { makeClient, makeServer } from "furrow/Routers"
import type { Server } from "furrow/Routers"
import * as Session from "furrow/Session"
import * as MemorySocket from "furrow/testing/MemorySocket"

/** A frame that crossed, and who said it. */
interface Said {
  readonly by: "caller" | "callee"
  readonly frame: Protocol.Frame
}

/** What {@link connect} gives. */
export interface Pair<Ops extends Rpc.Any> {
  readonly client: Client<Ops>
  readonly caller: Session.Session
  readonly callee: Session.Session
  /** Every frame after the two Hellos, in the order in which they were written. */
  readonly said: ReadonlyArray<Said>
  /** How many frames of this kind have crossed. */
  readonly count: (tag: Protocol.Frame["_tag"]) => number
  /** Cuts the connection. */
  readonly sever: Effect.Effect<void>
  readonly callerLife: Life.Life
  readonly calleeLife: Life.Life
  /** Closes the callee's server, as the end of its actor does. */
  readonly closeServer: Effect.Effect<void>
}

/** A life outside of any tree. */
export const lifeOf = (path: string): Life.Life =>
  Life.make({ name: path, path, incarnation: `life-of-${path}`, ancestors: [] })

const tapped = (
  socket: Socket.Socket,
  by: Said["by"],
  said: Array<Said>,
  codec: Codec.Codec
): Socket.Socket => {
  const deframer = new Framing.Deframer()
  let greeted = false
  const listen = (bytes: Uint8Array) => {
    for (const body of deframer.push(bytes.slice())) {
      if (greeted) said.push({ by, frame: codec.decodeFrame(body) })
      greeted = true
    }
  }
  return Socket.make({
    reader: socket.reader,
    writer: Effect.map(socket.writer, (writer) => {
      const heard = (chunks: ReadonlyArray<Uint8Array | string | Socket.CloseEvent>) =>
        Effect.sync(() => {
          for (const chunk of chunks) if (chunk instanceof Uint8Array) listen(chunk)
        })
      return {
        write: (chunk) => Effect.andThen(heard([chunk]), writer.write(chunk)),
        writeAll: (chunks) => Effect.andThen(heard(chunks), writer.writeAll(chunks))
      }
    })
  })
}

/**
 * Serves an actor by its Layer at one end of a connection, and calls it from the other, for the length of the scope.
 * The Layer is built in the context of the current fiber.
 */
export const connect = <
  Name extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  E,
  R,
  Called extends Rpc.Any = Ops
>(
  actor: Definition<Name, Ops, Args>,
  layer: Layer.Layer<Service<Name>, E, R>,
  options?: {
    readonly codec?: Codec.Codec
    /** The definition that the caller goes by. Defaults to the callee's. */
    readonly calls?: Definition<Name, Called, Args>
    /** What both ends accept, where that differs from the defaults. */
    readonly settings?: Partial<Protocol.Settings>
    /** Whether the frames that cross are kept in `said`. Defaults to true. */
    readonly log?: boolean
    /** A server that answers others as well. Defaults to one of its own. */
    readonly server?: Server
  }
): Effect.Effect<Pair<Called>, E, R | Scope.Scope> =>
  Effect.gen(function* () {
    const definition = actor as unknown as AnyDefinition
    const codec = options?.codec ?? Codec.json
    const said: Array<Said> = []
    const connection = MemorySocket.make()
    const callerLife = lifeOf("caller")
    const calleeLife = lifeOf("callee")
    const open = (role: "dialled" | "accepted", by: Said["by"], life: Life.Life) =>
      helloOf(life.self.name, life.self.incarnation, by === "callee" ? definition : undefined).pipe(
        Effect.flatMap((hello) =>
          Session.make({
            socket:
              options?.log === false ? connection[role] : tapped(connection[role], by, said, codec),
            role,
            hello: { ...hello, settings: { ...hello.settings, ...options?.settings } }
          })
        ),
        Effect.provideService(Codec.Codecs, [codec])
      )
    const [caller, callee] = yield* Effect.all(
      [open("dialled", "caller", callerLife), open("accepted", "callee", calleeLife)],
      { concurrency: 2 }
    ).pipe(Effect.orDie)
    const serverScope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), serverScope)
    const server =
      options?.server ??
      (yield* Scope.provide(
        makeServer(definition, Context.get(context, actor.Service), calleeLife),
        serverScope
      ))
    server.attach(callee)
    const called = (options?.calls ?? actor) as unknown as AnyDefinition
    const client = yield* makeClient(called, caller, calleeLife.self, callerLife)
    return {
      client: client as Client<Called>,
      caller,
      callee,
      said,
      count: (tag) => said.filter(({ frame }) => frame._tag === tag).length,
      sever: Effect.sync(() => connection.sever()),
      callerLife,
      calleeLife,
      closeServer: Scope.close(serverScope, Exit.void)
    }
  })
