/**
 * What this process holds, once everything that can go is gone.
 *
 * Answers for garbage being collected whether or not Node was started with `--expose-gc`. How much of it is a leak is
 * for whoever compares.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

/** Bytes on the heap and in buffers, after garbage has been collected. */
export const held = (): number => {
  gc()
  gc()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
