/** Furrow: the measured actor's process. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { chunk, isPrime, item } from "../Payloads.mjs"
import { Measured } from "./furrow.actor.ts"

function* upTo<A>(n: number, make: (i: number) => A): Generator<A> {
  for (let i = 0; i < n; i++) yield make(i)
}

const MeasuredLive = Measured.toLayer({
  Echo: (value) => Effect.succeed(value),
  IsPrime: ({ n }) => Effect.sync(() => isPrime(n)),
  // In arrays of 512, as a source of many small items would be written.
  Items: ({ n }) => Stream.fromIterable(upTo(n, item), { chunkSize: 512 }),
  Chunks: ({ n, size }) => {
    const bytes = chunk(size)
    return Stream.fromIterable(
      upTo(n, () => bytes),
      { chunkSize: 1 }
    )
  },
  Rally: Effect.fnUntraced(function* (_, dialog) {
    const { messages, send } = yield* dialog.accept()
    yield* Stream.runForEach(messages, send)
  }),
  Download: ({ size }) => Effect.sync(() => chunk(size)),
  Upload: ({ value }) => Effect.succeed(value.byteLength),
  // Loaded when it is asked for: what it does to V8's flags is no part of other workloads.
  Held: () => Effect.promise(async () => (await import("../collectGarbage.mjs")).held())
})

NodeActor.runMain(Measured.program(MeasuredLive))
