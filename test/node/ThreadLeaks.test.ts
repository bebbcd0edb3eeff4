/** What is left in a process after its threads: nothing. In a file of its own, so that nothing else is in the process. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeWorkerSpawner from "@furrow/node/NodeWorkerSpawner"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Nursery from "furrow/Nursery"
import { Spawner } from "furrow/Spawner"
import { readdirSync } from "node:fs"
import { vi } from "vitest"
import { patience } from "../contract/World.ts"
import { Evaluator } from "./fixtures/evaluator.ts"

const main = new URL("./fixtures/evaluator.ts", import.meta.url)
const options = { main, helloTimeout: patience(2000) }

/** The kernel's own list of this process's threads. */
const threads = () => (process.platform === "linux" ? readdirSync("/proc/self/task").length : 0)

const resources = () =>
  process.getActiveResourcesInfo().filter((name) => /Port|Worker|Process|Pipe/.test(name)).length

const listeners = () =>
  [process, process.stdout, process.stderr].flatMap((emitter, at) =>
    emitter.eventNames().map((name) => [`${at} ${String(name)}`, emitter.listenerCount(name)])
  )

const left = (): Record<string, number> => ({
  threads: threads(),
  resources: resources(),
  ...Object.fromEntries(listeners())
})

/** What there is more of than before. Node may still be clearing away what it had itself before. */
const more = (before: Record<string, number>) =>
  Object.entries(left()).filter(([what, count]) => count > (before[what] ?? 0))

it.live("threads that end in the middle of everything leave no thread, port or listener", () =>
  Effect.gen(function* () {
    const killed = Nursery.run(
      Effect.gen(function* () {
        const { client, stop } = yield* Nursery.spawn(Evaluator, {
          ...options,
          stdout: "pipe",
          grace: 0,
          terminateGrace: 0
        })
        yield* client.EvaluateBelow("void console.log('x'.repeat(100_000))")
        yield* Effect.forkChild(Effect.exit(client.Evaluate("for (;;);")))
        yield* stop
      })
    )
    const stopped = Nursery.run(Nursery.spawn(Evaluator, { ...options, stdout: "inherit" }))
    const unheard = Effect.scoped(
      Effect.flatMap(Spawner, ({ spawn }) =>
        spawn({ actor: Evaluator, path: "root/unheard", options })
      )
    )
    const refused = Effect.flip(
      Nursery.run(Nursery.spawn(Evaluator, { ...options, execArgv: ["--title=x"] }))
    )
    // What the first of all leaves is Node's.
    yield* stopped
    const before = left()
    yield* Effect.all([killed, stopped, unheard, refused], { concurrency: "unbounded" })
    yield* Effect.promise(() => vi.waitFor(() => expect(more(before)).toEqual([]), patience(1000)))
  }).pipe(Effect.provide(Layer.merge(NodeActor.layer, NodeWorkerSpawner.layer)))
)
