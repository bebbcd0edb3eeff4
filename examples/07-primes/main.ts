/**
 * Six large numbers, and a few workers that share them out. The pool is Effect's own: to borrow a worker is to borrow
 * its portal, and who needs one waits until one is free. The answers come in the order of the questions, and the end of
 * the block is the end of the workers.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect, Pool } from "effect"
import { Nursery } from "furrow"
import { Worker } from "./worker.ts"

const numbers = [
  112272535095293, 112582705942171, 112272535095293, 115280095190773, 115797848077099,
  1099726899285419
]

const program = Nursery.run(
  Effect.gen(function* () {
    const workers = yield* Pool.make({
      acquire: Nursery.spawn(Worker, { main: new URL("./worker.main.ts", import.meta.url) }),
      size: 3
    })
    const answers = yield* Effect.forEach(
      numbers,
      (n) => Pool.use(workers, ({ client }) => client.IsPrime({ n })),
      { concurrency: "unbounded" }
    )
    for (const [index, n] of numbers.entries()) {
      yield* Console.log(`${n} is ${answers[index] === true ? "" : "not "}prime`)
    }
  }).pipe(Effect.scoped)
)

NodeActor.runMain(program)

// Output:
// 112272535095293 is prime
// 112582705942171 is prime
// 112272535095293 is prime
// 115280095190773 is prime
// 115797848077099 is prime
// 1099726899285419 is not prime
