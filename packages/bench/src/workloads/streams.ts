/** W3: from the child to its parent, under backpressure: small items, and chunks; `cpu` is both ends' for an item. */
import { payload, sizesOf } from "../Payloads.mjs"
import type { Child } from "../Peer.ts"
import { processorTime } from "../ProcessTable.ts"
import { brought, check, less, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** What something costs that can be asked for in any number; as often as fills `millis` ms, within the bounds. */
const cost = async (
  { pid }: Child,
  ask: (n: number) => Promise<void>,
  bounds: { readonly warmUp: number; readonly least: number; readonly most: number },
  millis: number
): Promise<{ readonly perSecond: number; readonly cpu: number }> => {
  const timed = async (n: number) => {
    const start = performance.now()
    await ask(n)
    return (performance.now() - start) / n
  }
  const each = Math.min(await timed(bounds.warmUp), await timed(bounds.warmUp))
  const enough = Math.max(bounds.least, Math.min(bounds.most, Math.round(millis / each)))
  const used = processorTime(pid)
  const perSecond = 1000 / (await timed(enough))
  return { perSecond, cpu: used() / enough }
}

const KiB64 = 1 << 16
const MiB = 1 << 20

/** W3. */
export const streams: Workload<"W3"> = {
  name: "W3",
  title: "a stream from the child: items { i, price, size }, and chunks of 64 KiB and 1 MiB",
  figures: { items: more("/s"), cpu: less("µs"), mb64k: more("MB/s"), mb1m: more("MB/s") },
  pinned: false,
  run: async (peer, quick) => {
    const millis = quick ? 50 : 1500
    const child = await peer.spawn()
    await child.echo(payload)
    const items = brought(child.items, "items")
    const item = await cost(
      child,
      async (n) => {
        const { count, sum } = await items(n)
        check(count, n, "items")
        check(sum, sizesOf(n), "the sum of sizes")
      },
      quick ? { warmUp: 500, least: 500, most: 1e5 } : { warmUp: 10_000, least: 5000, most: 1e6 },
      millis
    )
    const figures: Record<string, number> = { items: item.perSecond, cpu: item.cpu }
    const { chunks } = child
    if (chunks !== undefined) {
      const megabytes = async (size: number, warmUp: number) => {
        const { perSecond } = await cost(
          child,
          async (n) => check(await chunks(n, size), n * size, "bytes"),
          quick ? { warmUp: 4, least: 4, most: 100 } : { warmUp, least: 20, most: 20_000 },
          millis
        )
        return (size / 1e6) * perSecond
      }
      figures["mb64k"] = await megabytes(KiB64, 200)
      figures["mb1m"] = await megabytes(MiB, 20)
    }
    await child.stop()
    return figures
  }
}
