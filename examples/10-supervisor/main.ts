/**
 * A worker that is shot after every job, and every job is done. Its supervisor starts it again; the portal stays the
 * same, and waits while there is no worker. A job that was under way when the worker died fails with `Disconnected`:
 * here it may be asked for once more, because squaring twice does no harm. The sixth shot is one more than the
 * supervisor is told to bear.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect } from "effect"
import { ChildSpec, Supervisor } from "furrow"
import type { PortalError } from "furrow"
import { Worker } from "./worker.ts"

const isLost = ({ reason }: PortalError.PortalError) => reason._tag === "Disconnected"

const program = Supervisor.run(
  {
    children: {
      worker: ChildSpec.make(Worker, { main: new URL("./worker.main.ts", import.meta.url) })
    },
    intensity: { maxRestarts: 5, within: "1 minute" }
  },
  Effect.fn("jobs")(function* (supervisor) {
    const worker = supervisor.portal("worker", { whenDown: "wait" })
    for (const n of [1, 2, 3, 4, 5, 6]) {
      const { done, value } = yield* worker.client
        .Square({ n })
        .pipe(Effect.retry({ while: isLost }))
      yield* Console.log(`${n} * ${n} = ${value}, job ${done} of this life`)
      const life = yield* worker.current
      process.kill(life.pid!, "SIGKILL")
      yield* life.exit
    }
    return yield* Effect.never
  })
)

NodeActor.runMain(
  Effect.catchTag(program, "RestartIntensityExceeded", ({ message }) => Console.log(message))
)

// Output:
// 1 * 1 = 1, job 1 of this life
// 2 * 2 = 4, job 1 of this life
// 3 * 3 = 9, job 1 of this life
// 4 * 4 = 16, job 1 of this life
// 5 * 5 = 25, job 1 of this life
// 6 * 6 = 36, job 1 of this life
// The supervisor gave up after 5 restarts within 60000 ms, which is as many as it allows. The last to end was "worker": The actor "root/worker" crashed: its process was ended by SIGKILL.
