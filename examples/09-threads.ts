/**
 * One actor in two worlds: a process, and a thread of this process. The program of the actor is the same; where it lives
 * is decided by a Layer, here around a single spawn. Around the whole program it would count for all of it.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeWorkerSpawner from "@furrow/node/NodeWorkerSpawner"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"
import { isMainThread } from "node:worker_threads"

const Where = Rpc.make("Where", {
  success: Schema.Struct({ pid: Schema.Int, isMainThread: Schema.Boolean })
})

class Resident extends Actor.make("Resident", [Where]) {}

const ResidentLive = Resident.toLayer({
  Where: () => Effect.succeed({ pid: process.pid, isMainThread })
})

const visit = Effect.gen(function* () {
  const resident = yield* Nursery.spawn(Resident)
  const { isMainThread, pid } = yield* resident.client.Where()
  yield* Console.log(
    `It lives in ${pid === process.pid ? "this process" : "another process"}, in ${isMainThread ? "its main thread" : "a thread of its own"}.`
  )
})

const program = Nursery.run(
  Effect.gen(function* () {
    yield* visit
    yield* visit.pipe(Effect.provide(NodeWorkerSpawner.layer))
  })
)

NodeActor.main(import.meta, [Resident.program(ResidentLive)], program)

// Output:
// It lives in another process, in its main thread.
// It lives in this process, in a thread of its own.
