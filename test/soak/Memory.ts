/**
 * What this process holds, once everything that can go is gone: memory, handles, descriptors.
 *
 * Answers for garbage being collected whether or not Node was started with `--expose-gc`. How much of it is a leak is
 * for whoever compares.
 */
import * as Schema from "effect/Schema"
import { readdirSync } from "node:fs"
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

/** What a process holds. `handles` are what keeps its event loop, timers aside; `descriptors` are 0 where none can be counted. */
export interface Holding extends Schema.Schema.Type<typeof Holding> {}

/** Schema of {@link Holding}. */
export const Holding = Schema.Struct({
  bytes: Schema.Finite,
  handles: Schema.Int,
  descriptors: Schema.Int
})

const passing: ReadonlySet<string> = new Set(["Timeout", "Immediate"])

/** What this process holds now. */
export const measure = (): Holding => ({
  bytes: held(),
  handles: process.getActiveResourcesInfo().filter((name) => !passing.has(name)).length,
  descriptors: process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0
})
