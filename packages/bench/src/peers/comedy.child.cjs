/** What the actors of `comedy.ts` are made of; that package takes CommonJS alone. */
const payloads = import("../Payloads.mjs")

/** @type {any} */
let self
/** @type {Map<number, { onTheirWay: number; taken: () => void }>} */
const streams = new Map()

module.exports = {
  /** @param {unknown} actor */
  initialize: async (actor) => {
    self = actor
    // The first call does not pay for it.
    await payloads
  },
  destroy: () => {},
  /** @param {unknown} value */
  echo: (value) => value,
  pid: () => process.pid,
  /** @param {number} n */
  isPrime: async (n) => (await payloads).isPrime(n),
  /** @param {{ id: number; n: number }} message */
  ack: ({ id, n }) => {
    const stream = streams.get(id)
    if (stream === undefined) return
    stream.onTheirWay -= n
    stream.taken()
  },
  /** @param {{ id: number; n: number }} message */
  items: async ({ id, n }) => {
    const { item, window } = await payloads
    const parent = self.getParent()
    const stream = { onTheirWay: 0, taken: () => {} }
    streams.set(id, stream)
    for (let i = 0; i < n; i++) {
      while (stream.onTheirWay >= window) {
        await new Promise((resolve) => {
          stream.taken = () => resolve(undefined)
        })
      }
      stream.onTheirWay++
      parent.send("value", { id, value: item(i) })
    }
    streams.delete(id)
    parent.send("value", { id, end: true })
  },
  /** @param {number} leaves */
  grow: async (leaves) => {
    const children = await Promise.all(
      Array.from({ length: leaves }, () =>
        self.createChild("/comedy.child.cjs", { mode: "forked" })
      )
    )
    return Promise.all(children.map((child) => child.sendAndReceive("pid")))
  }
}
