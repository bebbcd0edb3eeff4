/** W1: from starting a child to its first answer, and from asking it to end until it has been reaped. */
import { payload } from "../Payloads.mjs"
import { allGone } from "../ProcessTable.ts"
import { median } from "../Statistics.ts"
import { less } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** After how many ms a peer that is very slow to start has been asked often enough. */
const Enough = 12_000

/** W1. */
export const spawning: Workload<"W1"> = {
  name: "W1",
  title: "a child: started until its first answer, asked to end until reaped",
  figures: { spawn: less("ms"), stop: less("ms") },
  pinned: false,
  run: async (peer, quick) => {
    const times = quick ? 2 : 20
    const up: Array<number> = []
    const down: Array<number> = []
    const begun = performance.now()
    // The first one fills caches and is not counted.
    for (let n = 0; n <= times && (n < 4 || performance.now() - begun < Enough); n++) {
      await peer.ready?.()
      const start = performance.now()
      const child = await peer.spawn()
      await child.echo(payload)
      const answered = performance.now()
      await child.stop()
      if (child.pid !== undefined) await allGone([child.pid])
      const gone = performance.now()
      if (n === 0) continue
      up.push(answered - start)
      down.push(gone - answered)
    }
    return { spawn: median(up), stop: median(down) }
  }
}
