/**
 * Two feeds, an aggregator that is a parent itself, and one stream of unique values up to the root. All four processes
 * run at the pace of the reader: who is ahead of it waits. When the root has seen enough of a stream, its cancel
 * reaches both feeds, two levels down.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect, Stream } from "effect"
import { Nursery } from "furrow"
import { Aggregator } from "./service.ts"

const program = Nursery.run(
  Effect.gen(function* () {
    const aggregator = yield* Nursery.spawn(Aggregator, {
      main: new URL("./aggregator.main.ts", import.meta.url)
    })
    const all = yield* Stream.runCollect(aggregator.client.Unique({ upTo: 10_000 }))
    yield* Console.log(`${all.length} numbers, and their sum is ${all.reduce((a, b) => a + b)}`)

    const some = aggregator.client.Unique({ upTo: 1_000_000_000 }).pipe(Stream.take(5))
    yield* Stream.runForEach(some, (n) => Console.log(`and again: ${n}`))
  })
)

NodeActor.runMain(program)

// Output:
// 10000 numbers, and their sum is 50005000
// and again: 1
// and again: 2
// and again: 3
// and again: 4
// and again: 5
