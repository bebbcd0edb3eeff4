/** W4: one dialog that stays open, and numbers that go back and forth; `cpu` is the processor time of both ends. */
import type { Child, PingPong } from "../Peer.ts"
import { payload } from "../Payloads.mjs"
import { processorTime } from "../ProcessTable.ts"
import { warmUp } from "../warmUp.ts"
import { brought, less, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** What round trips cost, measured for `millis` ms after having been warmed up. */
export const roundTrips = async (
  pingPong: PingPong,
  { pid }: Child,
  warm: { readonly millis: number; readonly trips: number },
  millis: number
): Promise<{ readonly perSecond: number; readonly cpu: number }> => {
  let first = 0
  const step = async (millis: number) => {
    const before = first
    first = await pingPong.rally(before, millis)
    return first - before
  }
  await warmUp(step, warm.millis, warm.trips)
  const used = processorTime(pid)
  const start = performance.now()
  const last = await pingPong.rally(first, millis)
  const perSecond = ((last - first) / (performance.now() - start)) * 1000
  return { perSecond, cpu: used() / (last - first) }
}

/** W4. */
export const pingPong: Workload<"W4"> = {
  name: "W4",
  title: "one open dialog: round trips",
  figures: { trips: more("/s"), cpu: less("µs") },
  pinned: true,
  run: async (peer, quick) => {
    const child = await peer.spawn()
    await child.echo(payload)
    const open = await brought(child.pingPong, "pingPong")()
    const { cpu, perSecond } = await roundTrips(
      open,
      child,
      quick ? { millis: 50, trips: 1 } : { millis: 400, trips: 10_000 },
      quick ? 100 : 1500
    )
    await open.close()
    await child.stop()
    return { trips: perSecond, cpu }
  }
}
