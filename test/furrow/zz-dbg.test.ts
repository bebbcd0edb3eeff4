import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Deadline from "furrow/Deadline"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { Player, account } from "../contract/fixtures/Player.ts"
import { testWorld } from "../contract/World.ts"
testWorld.it("dbg", () => Nursery.run(Effect.gen(function*(){
  const player = yield* Nursery.spawn(Player)
  const block = yield* Effect.forkChild(player.client.Play([{do:"accept",value:1},{do:"firmly",script:[{do:"sleep",millis:3000}]}]).pipe(Dialog.use(() => Effect.onExit(Effect.never, () => Effect.sync(() => console.log("body out")))), Effect.provideService(Deadline.JoinBound,"200 millis")),{startImmediately:true})
  yield* player.client.Echo(0)
  console.log("a")
  block.interruptUnsafe()
  yield* testWorld.elapse("200 millis")
  console.log("b", block.pollUnsafe() && account(block.pollUnsafe()!))
  yield* testWorld.elapse("3 seconds")
  console.log("c", block.pollUnsafe() && account(block.pollUnsafe()!))
  process.exit(0)
})))
