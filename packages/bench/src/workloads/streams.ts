/** W3: from the child to its parent, under backpressure: small items, and chunks of bytes. */
import { payload, sizesOf } from "../Payloads.mjs"
import { brought, check, more } from "../Workload.ts"
import type { Workload } from "../Workload.ts"

/** How often a second something happens that can be asked for in any number. */
const rate = async (
  ask: (n: number) => Promise<void>,
  bounds: { readonly warmUp: number; readonly least: number; readonly most: number },
  millis: number
): Promise<number> => {
  const timed = async (n: number) => {
    const start = performance.now()
    await ask(n)
    return (performance.now() - start) / n
  }
  const each = Math.min(await timed(bounds.warmUp), await timed(bounds.warmUp))
  const enough = Math.max(bounds.least, Math.min(bounds.most, Math.round(millis / each)))
  return 1000 / (await timed(enough))
}

const KiB64 = 1 << 16
const MiB = 1 << 20

/** W3. */
export const streams: Workload<"W3"> = {
  name: "W3",
  title: "a stream from the child: items { i, price, size }, and chunks of 64 KiB and 1 MiB",
  figures: { items: more("/s"), mb64k: more("MB/s"), mb1m: more("MB/s") },
  pinned: false,
  run: async (peer, quick) => {
    const millis = quick ? 50 : 1500
    const child = await peer.spawn()
    await child.echo(payload)
    const items = brought(child.items, "items")
    const figures: Record<string, number> = {
      items: await rate(
        async (n) => {
          const { count, sum } = await items(n)
          check(count, n, "items")
          check(sum, sizesOf(n), "the sum of sizes")
        },
        quick ? { warmUp: 500, least: 500, most: 1e5 } : { warmUp: 10_000, least: 5000, most: 1e6 },
        millis
      )
    }
    const { chunks } = child
    if (chunks !== undefined) {
      const megabytes = async (size: number, warmUp: number) =>
        (size / 1e6) *
        (await rate(
          async (n) => check(await chunks(n, size), n * size, "bytes"),
          quick ? { warmUp: 4, least: 4, most: 100 } : { warmUp, least: 20, most: 20_000 },
          millis
        ))
      figures["mb64k"] = await megabytes(KiB64, 200)
      figures["mb1m"] = await megabytes(MiB, 20)
    }
    await child.stop()
    return figures
  }
}
