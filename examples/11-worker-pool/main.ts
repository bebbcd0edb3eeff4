/**
 * Three workers, lent out to whoever has something to do. Numbers go through them as a stream, and the answers come in
 * the order of the questions. Who gives up is heard: the job is cancelled, and its worker is free again when it has
 * ended. A worker that is shot takes nothing along but its own job; another one takes its place.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect, Option, Stream } from "effect"
import { ActorPool, Nursery, ProcessExit } from "furrow"
import { Worker } from "./worker.ts"

const numbers = [
  112272535095293, 112582705942171, 112272535095293, 115280095190773, 115797848077099,
  1099726899285419
]

const program = Nursery.run(
  Effect.gen(function* () {
    const pool = yield* ActorPool.make(Worker, {
      main: new URL("./worker.main.ts", import.meta.url),
      size: 3
    })

    yield* Stream.fromIterable(numbers).pipe(
      ActorPool.map(pool, (n, { IsPrime }) =>
        Effect.map(IsPrime({ n }), (isPrime) => `${n} is ${isPrime ? "" : "not "}prime`)
      ),
      Stream.runForEach((line) => Console.log(line))
    )

    const largest = yield* pool.client.FindLargest().pipe(Effect.timeoutOption("200 millis"))
    yield* Console.log(Option.isNone(largest) ? "the largest was not found in time" : "found it!")

    // One worker for two operations: who it is, and a question that it has no time to answer.
    yield* pool
      .use(
        Effect.fnUntraced(function* ({ IsPrime, Pid }) {
          process.kill(yield* Pid(), "SIGKILL")
          yield* IsPrime({ n: 7 })
        })
      )
      .pipe(
        Effect.catchReason("PortalError", "Disconnected", ({ crash }) =>
          Console.log(
            `a worker ${crash === undefined ? "is gone" : ProcessExit.describeExit(crash)}`
          )
        )
      )
    yield* Console.log(`7 is ${(yield* pool.client.IsPrime({ n: 7 })) ? "" : "not "}prime`)

    yield* pool.drain
    yield* Console.log("the workers are gone")
  })
)

NodeActor.runMain(program)

// Output:
// 112272535095293 is prime
// 112582705942171 is prime
// 112272535095293 is prime
// 115280095190773 is prime
// 115797848077099 is prime
// 1099726899285419 is not prime
// the largest was not found in time
// a worker was ended by SIGKILL
// 7 is prime
// the workers are gone
