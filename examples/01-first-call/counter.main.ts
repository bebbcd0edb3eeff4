/** The counter's process: the contract's implementation, as a Layer, and the runner. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { Counter } from "./counter.ts"

const CounterLive = Counter.toLayer(
  Effect.gen(function* () {
    const { from } = yield* Counter.Arguments
    const count = yield* Ref.make(from)
    yield* Effect.addFinalizer(() =>
      Effect.flatMap(Ref.get(count), (n) => Console.log(`closing at ${n}`))
    )
    return Counter.of({
      Increment: ({ by }) => Ref.updateAndGet(count, (n) => n + by)
    })
  })
)

NodeActor.runMain(Counter.program(CounterLive))
