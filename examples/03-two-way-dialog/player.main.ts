/** The player's process. Nothing can be sent before `accept`, because `accept` is what gives `send`. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Player } from "./player.ts"

const PlayerLive = Player.toLayer({
  Rally: Effect.fnUntraced(function* ({ opponent }, dialog) {
    const { messages, send } = yield* dialog.accept(`ready when you are, ${opponent}`)
    return yield* messages.pipe(
      Stream.tap(({ ping }) => send({ pong: ping })),
      Stream.runCount
    )
  })
})

NodeActor.runMain(Player.program(PlayerLive))
