/**
 * A process per core, each asleep in a call, and after a second a body that fails. The block cancels the calls that are
 * under way, ends every process and waits until it is reaped. Then, and not before, the program fails with the error of
 * its body. Watch it from another terminal with `ps`.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"
import { availableParallelism } from "node:os"

class SelfDestruct extends Schema.TaggedError<SelfDestruct>()("SelfDestruct", {}) {
  override get message() {
    return "this program will end now"
  }
}

const Sleep = Rpc.make("Sleep")
class Sleeper extends Actor.make("Sleeper", [Sleep]) {}

const SleeperLive = Sleeper.toLayer({ Sleep: () => Effect.never })

const startOne = Effect.fn("startOne")(function* (core: number) {
  const sleeper = yield* Nursery.spawn(Sleeper, { name: `sleeper-${core}` })
  yield* Nursery.fork(sleeper.client.Sleep())
})

const program = Nursery.run(
  Effect.gen(function* () {
    const cores = Array.from({ length: availableParallelism() }, (_, core) => core)
    yield* Effect.forEach(cores, startOne, { concurrency: "unbounded", discard: true })
    yield* Console.log("a process per core sleeps")
    yield* Effect.sleep("1 second")
    return yield* new SelfDestruct()
  })
)

NodeActor.main(
  import.meta,
  [Sleeper.program(SleeperLive)],
  Effect.ensuring(program, Console.log("all of them are gone"))
)

// Output:
// a process per core sleeps
// all of them are gone

// Exit code 1, and on stderr:
// SelfDestruct: this program will end now
