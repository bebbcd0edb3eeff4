/** A worker's process. Where it computes in steps, it can be cancelled between them. */
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
  IsPrime: ({ n }) => Effect.sync(() => isPrime(n)),
  FindLargest: Effect.fnUntraced(function* () {
    let largest = 2
    for (let n = 3; n < Number.MAX_SAFE_INTEGER; n += 2) {
      if (isPrime(n)) largest = n
      yield* Effect.yieldNow
    }
    return largest
  }),
  Pid: () => Effect.sync(() => process.pid)
})

NodeActor.runMain(Worker.program(WorkerLive))
