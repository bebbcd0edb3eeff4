/** The thread of `comlink.ts`. */
import * as Comlink from "comlink"
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs"
import { parentPort } from "node:worker_threads"
import { chunk, isPrime, item } from "../Payloads.mjs"

/**
 * An iterator that stays here.
 *
 * @param {number} n
 * @param {(i: number) => unknown} make
 */
const pulled = (n, make) => {
  let i = 0
  return Comlink.proxy({ next: () => (i < n ? { done: false, value: make(i++) } : { done: true }) })
}

if (parentPort === null) throw new Error("this is the thread of comlink.ts")
Comlink.expose(
  {
    /** @param {unknown} value */
    echo: (value) => value,
    isPrime,
    /** @param {number} n */
    items: (n) => pulled(n, item),
    /**
     * @param {number} n
     * @param {number} size
     */
    chunks: (n, size) => {
      const bytes = chunk(size)
      return pulled(n, () => bytes)
    }
  },
  nodeEndpoint(parentPort)
)
