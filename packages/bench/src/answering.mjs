/**
 * The callee's half of a peer whose messages have no backpressure of their own: it answers, and counts what is on its way.
 *
 * Plain JavaScript, because children load it (see `Payloads.mjs`).
 */
import { chunk, isPrime, item, window } from "./Payloads.mjs"

/** How many bytes of chunks may be on their way. */
const byteWindow = 1 << 20

/**
 * A handler of questions.
 *
 * @param {(answer: import("./Calls.ts").Answer) => void} post
 * @param {{ grow: (leaves: number) => Promise<unknown>; stop: () => Promise<void>; bytes?: (chunk: Uint8Array) => unknown }} own
 *   what differs: how children of the child are started and ended, and what a chunk travels as
 */
export const answering = (post, own) => {
  /** @type {Map<number, { onTheirWay: number; taken: () => void }>} */
  const streams = new Map()

  /**
   * Posts `n` values, never more than `most` that are not acknowledged.
   *
   * @param {number} id
   * @param {number} n
   * @param {number} most
   * @param {(i: number) => unknown} make
   */
  const produce = async (id, n, most, make) => {
    const stream = { onTheirWay: 0, taken: () => {} }
    streams.set(id, stream)
    for (let i = 0; i < n; i++) {
      while (stream.onTheirWay >= most) {
        await /** @type {Promise<void>} */ (
          new Promise((resolve) => {
            stream.taken = resolve
          })
        )
      }
      stream.onTheirWay++
      post({ id, value: make(i) })
    }
    streams.delete(id)
    post({ id, end: true })
  }

  /** @param {any} question */
  return async ({ arg, id, op }) => {
    switch (op) {
      case "echo":
        return post({ id, result: arg })
      case "ping":
        return post({ id, value: arg })
      case "isPrime":
        return post({ id, result: isPrime(arg) })
      case "ack": {
        const stream = streams.get(id)
        if (stream === undefined) return
        stream.onTheirWay -= arg
        return stream.taken()
      }
      case "items":
        return produce(id, arg, window, item)
      case "chunks": {
        const bytes = chunk(arg.size)
        const most = Math.max(4, Math.floor(byteWindow / arg.size))
        return produce(id, arg.n, most, () => own.bytes?.(bytes) ?? bytes)
      }
      case "grow":
        return post({ id, result: await own.grow(arg) })
      case "stop":
        await own.stop()
        return process.exit(0)
    }
  }
}
