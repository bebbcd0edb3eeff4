/** W2: a small value there and back, one call at a time and 64 in flight. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Child, Tally } from "../Peer.ts"
import { payload } from "../Payloads.mjs"
import { quantile } from "../Statistics.ts"
import { check, less, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

const InFlight = 64

const echoesOf =
  ({ echo }: Child) =>
  async (millis: number, most: number): Promise<ReadonlyArray<number>> => {
    const times: Array<number> = []
    const end = performance.now() + millis
    for (let n = 0; times.length < most && performance.now() < end; n++) {
      const start = performance.now()
      const answer = await echo({ n, s: payload.s })
      times.push((performance.now() - start) * 1000)
      check(answer.n, n, "echo")
    }
    return times
  }

const callsOf =
  ({ echo }: Child) =>
  async (inFlight: number, tally: Tally): Promise<void> => {
    let next = 0
    const one = async () => {
      while (!tally.enough) {
        const n = next++
        const answer = await echo({ n, s: payload.s })
        check(answer.n, n, "echo")
        tally.answers++
      }
    }
    await Promise.all(Array.from({ length: inFlight }, one))
  }

/** How long single calls take, in µs: for `millis` ms, at most `most` of them. */
export const latencies = (child: Child, millis: number, most = 30_000) =>
  (child.latencies ?? echoesOf(child))(millis, most)

/** How many calls a second are answered with 64 in flight, measured for `millis` ms after `warmUp` ms. */
export const callsPerSecond = async (
  child: Child,
  warmUp: number,
  millis: number
): Promise<number> => {
  const tally: Tally = { answers: 0, enough: false }
  const calling = (child.keepCalling ?? callsOf(child))(InFlight, tally)
  const measured = async () => {
    await sleep(warmUp)
    const before = tally.answers
    const start = performance.now()
    await sleep(millis)
    const rate = ((tally.answers - before) / (performance.now() - start)) * 1000
    tally.enough = true
    return rate
  }
  const [rate] = await Promise.all([measured(), calling])
  return rate
}

/** W2. */
export const calls: Workload<"W2"> = {
  name: "W2",
  title: "echo of { n, s: 32 characters }: one call at a time, and 64 in flight",
  figures: { p50: less("µs"), p99: less("µs"), calls: more("/s") },
  pinned: true,
  run: async (peer, quick) => {
    const child = await peer.spawn()
    await latencies(child, quick ? 50 : 500)
    const times = await latencies(child, quick ? 100 : 1500)
    const rate = await callsPerSecond(child, quick ? 50 : 400, quick ? 100 : 1500)
    await child.stop()
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), calls: rate }
  }
}
