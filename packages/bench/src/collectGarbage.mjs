/**
 * A full garbage collection, for whoever wants to know what is really held. The flag is set at run time: on the command
 * line children would inherit it, and Node's own code cache is made without it.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")

/** Collects all that nobody can reach. */
export const collectGarbage = /** @type {() => void} */ (runInNewContext("gc"))

/** What this process holds, in bytes, after a full collection: its heap, and the buffers beside it. */
export const held = () => {
  collectGarbage()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}
