/** The worker's process: what it knows is gone when it is. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { Worker } from "./worker.ts"

const WorkerLive = Worker.toLayer(
  Effect.gen(function* () {
    const done = yield* Ref.make(0)
    return Worker.of({
      Square: ({ n }) =>
        Effect.map(
          Ref.updateAndGet(done, (before) => before + 1),
          (done) => ({ value: n * n, done })
        )
    })
  })
)

NodeActor.runMain(Worker.program(WorkerLive))
