/**
 * Ping-pong in one operation: a first word, items both ways, a result. `Dialog.use` holds the dialog for a block that
 * ends only when both ends have ended: a body that fails cancels the player and waits for it, a player that fails
 * interrupts the body. Who sends faster than the other reads has to wait.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect, Stream } from "effect"
import { Dialog, Nursery } from "furrow"
import { Player } from "./player.ts"

const program = Nursery.run(
  Effect.gen(function* () {
    const player = yield* Nursery.spawn(Player, {
      main: new URL("./player.main.ts", import.meta.url)
    })
    const count = yield* player.client.Rally({ opponent: "root" }).pipe(
      Dialog.use(
        Effect.fn("rally")(function* (rally) {
          yield* Console.log(`started: ${rally.started}`)
          yield* rally.send({ ping: 1 })
          yield* Stream.runForEach(rally.messages, ({ pong }) =>
            Console.log(`ping ${pong}, pong ${pong}`).pipe(
              Effect.andThen(pong < 3 ? rally.send({ ping: pong + 1 }) : rally.end)
            )
          )
          return yield* rally.result
        })
      )
    )
    yield* Console.log(`result: ${count} balls`)
  })
)

NodeActor.runMain(program)

// Output:
// started: ready when you are, root
// ping 1, pong 1
// ping 2, pong 2
// ping 3, pong 3
// result: 3 balls
