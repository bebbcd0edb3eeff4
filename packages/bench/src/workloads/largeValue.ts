/** W8: one very large value, and small calls beside it on the same connection, one at a time, while it travels. */
import type { Child } from "../Peer.ts"
import { chunk, payload } from "../Payloads.mjs"
import { quantile } from "../Statistics.ts"
import { brought, check, less } from "../Workload.ts"
import type { Workload } from "../Workload.ts"
import { latencies } from "./calls.ts"

/** How long the calls beside it go on at a time, in ms: a call that has begun is waited for. */
const Slice = 20

const beside = async (child: Child, travel: () => Promise<void>) => {
  let travelling = true
  const start = performance.now()
  const travelled = travel().finally(() => {
    travelling = false
  })
  const times: Array<number> = []
  while (travelling) times.push(...(await latencies(child, Slice)))
  await travelled
  const millis = performance.now() - start
  return { p99: quantile(times, 0.99) / 1000, most: Math.max(...times) / 1000, millis }
}

/** W8. */
export const largeValue: Workload<"W8"> = {
  name: "W8",
  title: "small calls while 100 MiB travel on their connection, to the parent and to the child",
  figures: {
    downP99: less("ms"),
    downMost: less("ms"),
    down: less("ms"),
    upP99: less("ms"),
    upMost: less("ms"),
    up: less("ms")
  },
  pinned: false,
  run: async (peer, quick) => {
    const size = (quick ? 4 : 100) << 20
    const child = await peer.spawn()
    await child.echo(payload)
    await latencies(child, quick ? 50 : 500)
    const download = brought(child.download, "download")
    const upload = brought(child.upload, "upload")
    const value = chunk(size)
    // Once each way before: the first one finds no memory that is there already.
    check(await download(size), size, "bytes")
    check(await upload(value), size, "bytes")
    const down = await beside(child, async () => check(await download(size), size, "bytes"))
    const up = await beside(child, async () => check(await upload(value), size, "bytes"))
    await child.stop()
    return {
      downP99: down.p99,
      downMost: down.most,
      down: down.millis,
      upP99: up.p99,
      upMost: up.most,
      up: up.millis
    }
  }
}
