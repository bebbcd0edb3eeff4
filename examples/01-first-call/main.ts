/**
 * An actor, a call, a clean end. The counter lives in a process of its own, and the nursery is the block that owns it.
 * Calls reach it as typed methods whose values are checked at both ends. When the block has ended, so has the process:
 * its finalizers have run, and what they wrote has been passed on.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect } from "effect"
import { Nursery } from "furrow"
import { Counter } from "./counter.ts"

const block = Nursery.run(
  Effect.gen(function* () {
    const counter = yield* Nursery.spawn(Counter, {
      main: new URL("./counter.main.ts", import.meta.url),
      arguments: { from: 40 }
    })
    yield* Console.log(`40 + 2 = ${yield* counter.client.Increment({ by: 2 })}`)
    yield* Console.log(`42 + 3 = ${yield* counter.client.Increment({ by: 3 })}`)
  })
)

NodeActor.runMain(Effect.andThen(block, Console.log("the counter's process is gone")))

// Output:
// 40 + 2 = 42
// 42 + 3 = 45
// [root/Counter] closing at 45
// the counter's process is gone
