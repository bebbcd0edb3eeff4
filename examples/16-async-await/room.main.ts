/** The room's process: the contract's implementation, as a Layer, and the runner. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { Banned, Room } from "./room.ts"

const RoomLive = Room.toLayer(
  Effect.gen(function* () {
    const { banned } = yield* Room.Arguments
    const lines = yield* Ref.make<ReadonlyArray<string>>([])
    yield* Effect.addFinalizer(() => Console.log("the lights go out"))
    return Room.of({
      Post: ({ line, who }) =>
        banned.includes(who)
          ? Effect.fail(new Banned({ who }))
          : Ref.updateAndGet(lines, (all) => [...all, `${who}: ${line}`]).pipe(
              Effect.map((all) => all.length)
            ),
      History: () => Stream.unwrap(Effect.map(Ref.get(lines), Stream.fromIterable)),
      Listen: () => Effect.never,
      Chat: Effect.fnUntraced(function* ({ who }, dialog) {
        const { messages, send } = yield* dialog.accept(`welcome, ${who}`)
        return yield* messages.pipe(
          Stream.tap((line) => send(line.toUpperCase())),
          Stream.runCount
        )
      })
    })
  })
)

NodeActor.runMain(Room.program(RoomLive))
