/** W5: a tree of processes in two levels, until all are up; its root cancelled, until all are gone. */
import { setTimeout as sleep } from "node:timers/promises"
import { allGone, isGone } from "../ProcessTable.ts"
import { median } from "../Statistics.ts"
import { brought, check, less } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** All below the root, and how they are laid out. */
const shapes = [
  { size: 8, middles: 2, leaves: 3 },
  { size: 16, middles: 4, leaves: 3 },
  { size: 32, middles: 4, leaves: 7 }
]

/** W5. */
export const trees: Workload<"W5"> = {
  name: "W5",
  title: "a tree of 8, 16, 32 in two levels: all up, and its root cancelled until all are gone",
  figures: Object.fromEntries(
    shapes.flatMap(({ size }) => [
      [`up${size}`, less("ms")],
      [`gone${size}`, less("ms")]
    ])
  ),
  pinned: false,
  run: async (peer, quick) => {
    const figures: Record<string, number> = {}
    const grow = brought(peer.tree, "tree")
    for (const { leaves, middles, size } of quick ? shapes.slice(0, 1) : shapes) {
      const up: Array<number> = []
      const gone: Array<number> = []
      for (let n = 0; n < (quick ? 1 : 3); n++) {
        const start = performance.now()
        const tree = await grow(middles, leaves)
        up.push(performance.now() - start)
        if (tree.pids !== undefined) {
          check(new Set(tree.pids).size, size, "processes of the tree")
          check(tree.pids.filter(isGone).length, 0, "processes gone too early")
        }
        await sleep(quick ? 50 : 300)
        const cancelled = performance.now()
        await tree.cancel()
        if (tree.pids !== undefined) await allGone(tree.pids)
        gone.push(performance.now() - cancelled)
      }
      figures[`up${size}`] = median(up)
      figures[`gone${size}`] = median(gone)
    }
    return figures
  }
}
