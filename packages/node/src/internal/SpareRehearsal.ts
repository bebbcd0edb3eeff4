/**
 * A short life of an actor inside of this process, so that the next one is not the first: what every actor runs has been
 * compiled by then, which takes longer than running it.
 *
 * Answers for leaving nothing behind. Nobody but this process hears of it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"
import { TestWorld } from "furrow/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as NodeActor from "../NodeActor.ts"

const Line = Rpc.make("Line", {
  payload: { line: Schema.String },
  success: Schema.Struct({ line: Schema.String, length: Schema.Int })
})
class Player extends Actor.make("Player", [Line], { arguments: { part: Schema.String } }) {}

const PlayerLive = Player.toLayer({
  Line: ({ line }) => Effect.succeed({ line, length: line.length })
})

/** It comes up, is called, and is stopped. */
const play = Nursery.run(
  Effect.gen(function* () {
    const { client, stop } = yield* Nursery.spawn(Player, { arguments: { part: "the first" } })
    yield* client.Line({ line: "Who's there?" })
    yield* stop
  })
).pipe(
  // The spawner of the world in memory covers that of processes.
  Effect.provide(Layer.mergeAll(NodeActor.layer, TestWorld.layer([Player.program(PlayerLive)])))
)

/** What it and the start have left would have V8 collect all of it in the first steps, or the last, of the next one. */
const tidyUp = Effect.sync(() => {
  const isExposed = globalThis.gc !== undefined
  if (!isExposed) setFlagsFromString("--expose-gc")
  runInNewContext('gc({ type: "major" })')
  if (!isExposed) setFlagsFromString("--no-expose-gc")
})

/** Plays it once: by the second time V8 takes up optimising it, and is at that when the actor comes up. */
export const rehearse: Effect.Effect<void, unknown> = Effect.andThen(play, tidyUp)
