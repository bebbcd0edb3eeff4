/** What is left in a process after its children: nothing. In a file of its own, so that nothing else is in the process. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { readdirSync } from "node:fs"
import { vi } from "vitest"
import { patience } from "../contract/World.ts"
import * as Child from "./Child.ts"

const descriptors = () => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0)

const resources = () =>
  process.getActiveResourcesInfo().filter((name) => /Pipe|Process|Socket/.test(name)).length

const listeners = () =>
  [process, process.stdout, process.stderr].map((emitter) =>
    Object.fromEntries(emitter.eventNames().map((name) => [name, emitter.listenerCount(name)]))
  )

const left = () => ({ descriptors: descriptors(), resources: resources(), listeners: listeners() })

it.live("F21: lives that end in the middle of everything leave no descriptor and no listener", () =>
  Effect.gen(function* () {
    const life = Effect.scoped(
      Effect.gen(function* () {
        const child = yield* Child.obedient({ stdout: "lines", stderr: "pipe" })
        // Bytes that nobody reads, on stderr and on the wire, and a write that nobody takes.
        yield* child.ask("void process.stderr.write('x'.repeat(30_000))")
        yield* child.tell("void wire.pause().write('x'.repeat(1_000_000))")
        yield* Effect.forkChild(child.writer.write(Buffer.alloc(3_000_000)), {
          startImmediately: true
        })
      })
    )
    const unread = Effect.scoped(Child.spawn())
    // A writer that has ended well, and bytes that nobody reads.
    const halfClosed = (end: "dead" | "alive") =>
      Effect.scoped(
        Effect.gen(function* () {
          const child = yield* Child.spawn({ stderr: "pipe" })
          yield* Effect.scoped(
            Effect.flatMap(child.socket.writer, (writer) =>
              writer.write(
                "wire.write('x'.repeat(1_000_000)); console.error('written'); new Promise(() => {})\n"
              )
            )
          )
          yield* Stream.runHead(child.stderr)
          if (end === "alive") return
          yield* child.kill
          yield* child.exit
          yield* Stream.runDrain(child.stderr)
        })
      )
    const failed = Effect.scoped(Effect.flip(Child.spawn({ execPath: "/nowhere" })))
    const before = left()
    yield* Effect.all([life, life, unread, halfClosed("alive"), halfClosed("dead"), failed], {
      concurrency: 2
    })
    yield* Effect.promise(() => vi.waitFor(() => expect(left()).toEqual(before), patience(1000)))
  }).pipe(Effect.provide(Child.layer))
)
