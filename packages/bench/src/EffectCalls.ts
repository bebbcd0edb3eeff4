/**
 * What a client made of Effects can do, for adapters whose peers have one: each loop runs in one fiber, as it would in a
 * program.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { payload } from "./Payloads.mjs"
import type { Child, Payload } from "./Peer.ts"
import { check } from "./Workload.ts"

/** The operations that such clients have in common. */
interface Client {
  readonly Echo: (value: Payload) => Effect.Effect<Payload, unknown>
  readonly IsPrime: (of: { readonly n: number }) => Effect.Effect<boolean, unknown>
  readonly Items: (of: { readonly n: number }) => Stream.Stream<{ readonly size: number }, unknown>
  readonly Chunks: (of: {
    readonly n: number
    readonly size: number
  }) => Stream.Stream<Uint8Array, unknown>
}

const run = Effect.runPromise

/** What can be asked of a child through such a client. */
export const operations = (client: Client) => {
  const echo = Effect.fnUntraced(function* (n: number) {
    const answer = yield* client.Echo({ n, s: payload.s })
    check(answer.n, n, "echo")
  })
  return {
    echo: (value) => run(client.Echo(value)),
    isPrime: (n) => run(client.IsPrime({ n })),
    latencies: (millis, most) =>
      run(
        Effect.gen(function* () {
          const times: Array<number> = []
          const end = performance.now() + millis
          let n = 0
          do {
            const start = performance.now()
            yield* echo(n++)
            times.push((performance.now() - start) * 1000)
          } while (times.length < most && performance.now() < end)
          return times
        })
      ),
    keepCalling: (inFlight, tally) => {
      let next = 0
      const caller = Effect.gen(function* () {
        while (!tally.enough) {
          yield* echo(next++)
          tally.answers++
        }
      })
      return run(
        Effect.all(
          Array.from({ length: inFlight }, () => caller),
          { concurrency: "unbounded", discard: true }
        )
      )
    },
    items: (n) => {
      let count = 0
      let sum = 0
      const counting = Stream.runForEachArray(client.Items({ n }), (items) =>
        Effect.sync(() => {
          for (const { size } of items) {
            count++
            sum += size
          }
        })
      )
      return run(Effect.map(counting, () => ({ count, sum })))
    },
    chunks: (n, size) => {
      let bytes = 0
      const counting = Stream.runForEachArray(client.Chunks({ n, size }), (chunks) =>
        Effect.sync(() => {
          for (const { byteLength } of chunks) bytes += byteLength
        })
      )
      return run(Effect.map(counting, () => bytes))
    }
  } satisfies Partial<Child>
}
