/** W2: a small value there and back, one call at a time and 64 in flight; `cpu` is the processor time of both ends. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Child, Tally } from "../Peer.ts"
import { payload } from "../Payloads.mjs"
import { processorTime } from "../ProcessTable.ts"
import { quantile } from "../Statistics.ts"
import { warmUp } from "../warmUp.ts"
import { check, less, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

const InFlight = 64

const echoesOf =
  ({ echo }: Child) =>
  async (millis: number, most: number): Promise<ReadonlyArray<number>> => {
    const times: Array<number> = []
    const end = performance.now() + millis
    let n = 0
    // One at least, however little this process runs.
    do {
      const start = performance.now()
      const answer = await echo({ n, s: payload.s })
      times.push((performance.now() - start) * 1000)
      check(answer.n, n, "echo")
      n++
    } while (times.length < most && performance.now() < end)
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

/** What calls cost with 64 in flight, measured for `millis` ms after having been warmed up. */
export const crowd = async (
  child: Child,
  warm: { readonly millis: number; readonly calls: number },
  millis: number
): Promise<{ readonly perSecond: number; readonly cpu: number }> => {
  const tally: Tally = { answers: 0, enough: false }
  const calling = (child.keepCalling ?? callsOf(child))(InFlight, tally)
  const measured = async () => {
    const step = async (millis: number) => {
      const before = tally.answers
      await sleep(millis)
      return tally.answers - before
    }
    await warmUp(step, warm.millis, warm.calls)
    const before = tally.answers
    const used = processorTime(child.pid)
    const start = performance.now()
    let answers: number
    do {
      await sleep(millis)
      answers = tally.answers - before
    } while (answers === 0)
    const perSecond = (answers / (performance.now() - start)) * 1000
    const cpu = used() / answers
    tally.enough = true
    return { perSecond, cpu }
  }
  const [costs] = await Promise.all([measured(), calling])
  return costs
}

/** W2. */
export const calls: Workload<"W2"> = {
  name: "W2",
  title: "echo of { n, s: 32 characters }: one call at a time, and 64 in flight",
  figures: {
    p50: less("µs"),
    p99: less("µs"),
    cpu: less("µs"),
    calls: more("/s"),
    cpu64: less("µs")
  },
  pinned: true,
  run: async (peer, quick) => {
    const child = await peer.spawn()
    const warming = async (millis: number) => (await latencies(child, millis)).length
    await warmUp(warming, quick ? 50 : 500, quick ? 1 : 10_000)
    const used = processorTime(child.pid)
    const times = await latencies(child, quick ? 100 : 1500)
    const cpu = used() / times.length
    const many = await crowd(
      child,
      quick ? { millis: 50, calls: 1 } : { millis: 400, calls: 30_000 },
      quick ? 100 : 1500
    )
    await child.stop()
    return {
      p50: quantile(times, 0.5),
      p99: quantile(times, 0.99),
      cpu,
      calls: many.perSecond,
      cpu64: many.cpu
    }
  }
}
