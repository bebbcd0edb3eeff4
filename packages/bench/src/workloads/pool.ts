/** A pool of two, which have one job each at a time: many small jobs of which 64 are asked for at once, and the primes. */
import { isPrime, numbers, payload } from "../Payloads.mjs"
import { brought, check, less, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"
import { crowd } from "./calls.ts"

/** How many workers it has. */
const Size = 2

/** See the module. */
export const pool: Workload<"pool"> = {
  name: "pool",
  title: "a pool of two workers: small jobs, 64 asked for at once, and six primes",
  figures: { jobs: more("/s"), primes: less("ms") },
  pinned: false,
  run: async (peer, quick) => {
    const workers = await brought(peer.pool, "pool")(Size)
    await Promise.all(Array.from({ length: Size }, () => workers.echo(payload)))
    const { perSecond } = await crowd(
      workers,
      quick ? { millis: 50, calls: 1 } : { millis: 400, calls: 10_000 },
      quick ? 100 : 1500
    )
    const asked = quick ? numbers.slice(0, 2) : numbers
    const ask = brought(workers.isPrime, "isPrime")
    const start = performance.now()
    const answers = await Promise.all(asked.map(ask))
    const primes = performance.now() - start
    check(answers.join(), asked.map(isPrime).join(), "primes")
    await workers.stop()
    return { jobs: perSecond, primes }
  }
}
