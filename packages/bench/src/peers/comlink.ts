/** comlink over a thread. It has no streams: an item is a call to an iterator that stays with the thread. */
import * as Comlink from "comlink"
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import type { Payload, Peer } from "../Peer.ts"

const file = new URL("./comlink.child.mjs", import.meta.url)

/** An iterator as its thread exposes it. */
interface Pulled<A> {
  readonly next: () => { readonly done: false; readonly value: A } | { readonly done: true }
}

/** What the thread exposes. */
interface Exposed {
  readonly echo: (value: Payload) => Payload
  readonly isPrime: (n: number) => boolean
  readonly items: (n: number) => Pulled<{ readonly size: number }> & Comlink.ProxyMarked
  readonly chunks: (n: number, size: number) => Pulled<Uint8Array> & Comlink.ProxyMarked
}

const each = async <A>(
  iterator: { readonly next: () => Promise<ReturnType<Pulled<A>["next"]>> },
  take: (value: A) => void
): Promise<void> => {
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) take(next.value)
}

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "thread",
  spawn: async () => {
    const worker = new Worker(file)
    const exposed = Comlink.wrap<Exposed>(nodeEndpoint(worker))
    return {
      pid: undefined,
      echo: (value) => exposed.echo(value),
      isPrime: (n) => exposed.isPrime(n),
      items: async (n) => {
        let count = 0
        let sum = 0
        await each(await exposed.items(n), ({ size }) => {
          count++
          sum += size
        })
        return { count, sum }
      },
      chunks: async (n, size) => {
        let bytes = 0
        await each(await exposed.chunks(n, size), ({ byteLength }) => {
          bytes += byteLength
        })
        return bytes
      },
      stop: async () => {
        const exit = once(worker, "exit")
        void worker.terminate()
        await exit
      }
    }
  }
})
