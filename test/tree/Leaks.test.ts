/** What a tree leaves in the process that it was in: nothing. In a file of its own, so that nothing else is in the process. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import { readdirSync } from "node:fs"
import { vi } from "vitest"
import { Worker } from "../contract/fixtures/Worker.ts"
import { patience, processes } from "../contract/World.ts"

const left = () => ({
  descriptors: process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0,
  resources: process
    .getActiveResourcesInfo()
    .filter((name) => name !== "Timeout")
    .toSorted(),
  listeners: [process, process.stdout, process.stderr].map((emitter) =>
    Object.fromEntries(emitter.eventNames().map((name) => [name, emitter.listenerCount(name)]))
  )
})

const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length

const { crash, it, main } = processes

/** A tree in which something of everything happens: calls, streams, a crash, a kill, a start that fails. */
const life = Effect.gen(function* () {
  const plain = { ...main, arguments: {} }
  const spawn = (name: string) => Nursery.spawn(Worker, { ...plain, name })
  yield* Nursery.run(
    Effect.gen(function* () {
      const worker = yield* spawn("well")
      yield* worker.client.Echo("hello")
      yield* worker.client.Ticks().pipe(Stream.take(3), Stream.runDrain)
      const hang = yield* Effect.forkChild(worker.client.Hang())
      yield* worker.client.Nothing()
      yield* Fiber.interrupt(hang)
      yield* Nursery.call(Worker, ({ Length }) => Length("x".repeat(1_000_000)), plain)
      yield* Effect.exit(Nursery.spawn(Worker, { ...main, arguments: { build: "fail" } }))
      const lasting = yield* Nursery.spawn(Worker, {
        ...plain,
        grace: "100 millis",
        terminateGrace: "100 millis"
      })
      yield* lasting.client.Persist()
      yield* lasting.stop
    })
  )
  yield* Effect.exit(
    Nursery.run(
      Effect.gen(function* () {
        const victim = yield* spawn("victim")
        yield* spawn("sibling")
        yield* crash(victim)
        return yield* victim.client.Hang()
      })
    )
  )
  yield* Effect.exit(Nursery.run(Effect.andThen(spawn("cancelled"), Effect.interrupt)))
})

it(
  "S9 one tree after the other leaves no descriptor, no timer, no listener and nobody who watches",
  () =>
    Effect.gen(function* () {
      const before = left()
      // The test's own machinery has a few, that come and go.
      const timersBefore = timers() + 2
      const { watchers } = yield* Events.CurrentHub
      const watching = watchers.size
      for (let n = 0; n < 4; n++) yield* life
      yield* Effect.promise(() =>
        vi.waitFor(
          () => {
            expect(left()).toEqual(before)
            expect(timers()).toBeLessThanOrEqual(timersBefore)
          },
          { timeout: patience(1000) }
        )
      )
      expect(watchers.size).toBe(watching)
    }),
  { timeout: patience(10_000) }
)
