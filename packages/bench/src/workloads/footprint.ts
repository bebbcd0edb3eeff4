/** W6: what an idle child occupies after one call; of threads, what each adds to its process. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Child, Peer } from "../Peer.ts"
import { payload } from "../Payloads.mjs"
import { memoryOf } from "../ProcessTable.ts"
import type { Memory } from "../ProcessTable.ts"
import { median } from "../Statistics.ts"
import { less } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

const spawned = async (peer: Peer, n: number): Promise<ReadonlyArray<Child>> => {
  const children: Array<Child> = []
  for (let k = 0; k < n; k++) {
    const child = await peer.spawn()
    await child.echo(payload)
    children.push(child)
  }
  return children
}

const stopAll = async (children: ReadonlyArray<Child>): Promise<void> => {
  for (const child of children) await child.stop()
}

const ofProcesses = async (peer: Peer, n: number, calm: number): Promise<Memory> => {
  // The first one of all compiles what the others find in a cache, and has what it takes to do so in its memory.
  await stopAll(await spawned(peer, 1))
  const children = await spawned(peer, n)
  await sleep(calm)
  const all = children.flatMap(({ pid }) => (pid === undefined ? [] : [memoryOf(pid)]))
  await stopAll(children)
  return {
    rss: median(all.map(({ rss }) => rss)),
    pss: median(all.map(({ pss }) => pss)),
    uss: median(all.map(({ uss }) => uss))
  }
}

const ofThreads = async (peer: Peer, n: number, calm: number): Promise<Memory> => {
  const { collectGarbage } = await import("../collectGarbage.mjs")
  // The first one loads what all of them share.
  const first = await spawned(peer, 1)
  collectGarbage()
  await sleep(calm)
  const before = memoryOf(process.pid)
  const children = await spawned(peer, n)
  collectGarbage()
  await sleep(calm)
  const after = memoryOf(process.pid)
  await stopAll([...children, ...first])
  return {
    rss: (after.rss - before.rss) / n,
    pss: (after.pss - before.pss) / n,
    uss: (after.uss - before.uss) / n
  }
}

/** W6. */
export const footprint: Workload<"W6"> = {
  name: "W6",
  title: "memory of an idle child after one call",
  figures: { rss: less("MiB"), pss: less("MiB"), uss: less("MiB") },
  pinned: false,
  run: async (peer, quick) => ({
    ...(await (peer.kind === "process" ? ofProcesses : ofThreads)(
      peer,
      quick ? 1 : 4,
      quick ? 50 : 1000
    ))
  })
}
