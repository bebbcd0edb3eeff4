/**
 * The suite of faults in a real world, whose wires are cut at either end.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"
import { Spawner } from "furrow/Spawner"
import suite from "./Faults.suite.ts"
import type { World } from "./World.ts"

/** How this end of the wire to an actor is cut, by the actor's path. */
const cuts = new Map<string, () => void>()

const cutError = new Socket.SocketError({
  reason: new Socket.SocketCloseError({ code: 1006, closeReason: "cut at this end" })
})

/** The same socket until it is cut; then nothing is read or written any more. */
const cuttable = (socket: Socket.Socket) => {
  const cut = Deferred.makeUnsafe<never, Socket.SocketError>()
  const isCut = () => Deferred.isDoneUnsafe(cut)
  return {
    cut: () => void Deferred.doneUnsafe(cut, Exit.fail(cutError)),
    socket: Socket.make({
      reader: Effect.map(socket.reader, (reader) => ({
        ...reader,
        pull: Effect.raceFirst(reader.pull, Deferred.await(cut))
      })),
      writer: Effect.map(socket.writer, (writer) => ({
        ...writer,
        write: (chunk) =>
          Effect.suspend(() => (isCut() ? Effect.fail(cutError) : writer.write(chunk)))
      }))
    })
  }
}

const cutting = Layer.effect(
  Spawner,
  Effect.map(Spawner, (spawner) =>
    Spawner.of({
      spawn: (request) =>
        Effect.flatMap(spawner.spawn(request), (spawned) => {
          const { cut, socket } = cuttable(spawned.socket)
          cuts.set(request.path, cut)
          return Effect.as(
            Effect.addFinalizer(() => Effect.sync(() => cuts.delete(request.path))),
            { ...spawned, socket }
          )
        })
    })
  )
)

/** See the module. */
export default (world: World): void =>
  suite(
    {
      ...world,
      it: (name, effect, options) =>
        world.it(name, () => Effect.provide(effect(), cutting), options)
    },
    [
      {
        name: "the parent's end",
        run: ({ actor }) => Effect.sync(() => cuts.get(actor.path)?.())
      },
      { name: "the child's end", run: ({ client }) => client.Sever() },
      {
        name: "the parent's end, then the child's",
        run: ({ actor, client }) =>
          Effect.andThen(
            Effect.forkDetach(Effect.exit(client.Sever()), { startImmediately: true }),
            Effect.sync(() => cuts.get(actor.path)?.())
          )
      }
    ]
  )
