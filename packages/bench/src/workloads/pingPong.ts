/** W4: one dialog that stays open, and numbers that go back and forth in it. */
import type { PingPong } from "../Peer.ts"
import { payload } from "../Payloads.mjs"
import { brought, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** How many round trips a second there are, measured for `millis` ms after `warmUp` ms. */
export const roundTripsPerSecond = async (
  pingPong: PingPong,
  warmUp: number,
  millis: number
): Promise<number> => {
  const first = await pingPong.rally(0, warmUp)
  const start = performance.now()
  const last = await pingPong.rally(first, millis)
  return ((last - first) / (performance.now() - start)) * 1000
}

/** W4. */
export const pingPong: Workload<"W4"> = {
  name: "W4",
  title: "one open dialog: round trips",
  figures: { trips: more("/s") },
  pinned: true,
  run: async (peer, quick) => {
    const child = await peer.spawn()
    await child.echo(payload)
    const open = await brought(child.pingPong, "pingPong")()
    const trips = await roundTripsPerSecond(open, quick ? 50 : 400, quick ? 100 : 1500)
    await open.close()
    await child.stop()
    return { trips }
  }
}
