/** piscina: a pool of one thread for each child, or of several. It has tasks, and no streams. */
import { fileURLToPath } from "node:url"
import { Piscina } from "piscina"
import type { Child, Peer } from "../Peer.ts"

const filename = fileURLToPath(new URL("./piscina.child.mjs", import.meta.url))

/** A pool of so many threads, each with so many tasks at once. */
const start = (threads: number, concurrentTasksPerWorker: number): Child => {
  const pool = new Piscina({
    filename,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker
  })
  return {
    pid: undefined,
    echo: (value) => pool.run(value, { name: "echo" }),
    isPrime: (n) => pool.run(n, { name: "isPrime" }),
    stop: () => pool.destroy()
  }
}

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "thread",
  spawn: async () => start(1, 64),
  pool: async (size) => start(size, 1)
})
