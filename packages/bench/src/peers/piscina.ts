/** piscina: a pool of one thread for each child. It has tasks, and no streams. */
import { fileURLToPath } from "node:url"
import { Piscina } from "piscina"
import type { Peer } from "../Peer.ts"

const filename = fileURLToPath(new URL("./piscina.child.mjs", import.meta.url))

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "thread",
  spawn: async () => {
    const pool = new Piscina({
      filename,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: 64
    })
    return {
      pid: undefined,
      echo: (value) => pool.run(value, { name: "echo" }),
      isPrime: (n) => pool.run(n, { name: "isPrime" }),
      stop: () => pool.destroy()
    }
  }
})
