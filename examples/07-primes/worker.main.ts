/** A worker's process. It may block while it computes: nobody else lives there. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import { Worker } from "./worker.ts"

const isPrime = (n: number): boolean => {
  if (n < 2) return false
  if (n % 2 === 0) return n === 2
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) {
    if (n % divisor === 0) return false
  }
  return true
}

const WorkerLive = Worker.toLayer({
  IsPrime: ({ n }) => Effect.sync(() => isPrime(n))
})

NodeActor.runMain(Worker.program(WorkerLive))
