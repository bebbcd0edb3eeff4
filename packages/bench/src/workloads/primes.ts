/** W7: six large numbers, one after the other in this process, and shared out over two children. */
import { isPrime, numbers, payload } from "../Payloads.mjs"
import { brought, check, less, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** W7. */
export const primes: Workload<"W7"> = {
  name: "W7",
  title: "six primes: one after the other, and over two workers",
  figures: { sequential: less("ms"), two: less("ms"), speedUp: more("x") },
  pinned: false,
  run: async (peer, quick) => {
    // The first ones take some 0.1 s each, the last one 0.3.
    const asked = quick ? numbers.slice(0, 2) : numbers
    const start = performance.now()
    const expected = asked.map(isPrime)
    const sequential = performance.now() - start

    const workers = [await peer.spawn(), await peer.spawn()]
    for (const worker of workers) await worker.echo(payload)
    const begun = performance.now()
    const answers: Array<boolean> = []
    let next = 0
    await Promise.all(
      workers.map(async (worker) => {
        const ask = brought(worker.isPrime, "isPrime")
        while (next < asked.length) {
          const at = next++
          answers[at] = await ask(asked[at]!)
        }
      })
    )
    const two = performance.now() - begun
    check(answers.join(), expected.join(), "primes")
    for (const worker of workers) await worker.stop()
    return { sequential, two, speedUp: sequential / two }
  }
}
