/**
 * How much of the machine others use while something is measured: what the system counts as busy, without what this
 * process and all that it has started and reaped have used. Where the system does not say (anywhere but on Linux),
 * nothing is known.
 */
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"

/** Above which share of the machine, used by others, a measurement is noisy. */
export const NoisyAbove = 0.2

/** Linux counts processor time in hundredths of a second, whatever its timer does. */
const TicksPerSecond = 100

interface Reading {
  readonly at: number
  readonly busy: number
  readonly own: number
}

const read = (): Reading | undefined => {
  try {
    const [machine = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1)
    // user, nice, system, idle, iowait, irq, softirq, steal
    const ticks = machine.trim().split(/\s+/).slice(1, 9).map(Number)
    const self = readFileSync("/proc/self/stat", "latin1")
    const [utime = 0, stime = 0, childrenUtime = 0, childrenStime = 0] = self
      .slice(self.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 15)
      .map(Number)
    return {
      at: performance.now(),
      busy: ticks.reduce((sum, each) => sum + each, 0) - (ticks[3] ?? 0) - (ticks[4] ?? 0),
      own: utime + stime + childrenUtime + childrenStime
    }
  } catch {
    return undefined
  }
}

/** Begins to count; what it gives is the share of all processors (0 to 1) that others have used since. */
export const begin = (): (() => number | undefined) => {
  const before = read()
  return () => {
    const after = read()
    if (before === undefined || after === undefined) return undefined
    const ticks = after.busy - before.busy - (after.own - before.own)
    const all = ((after.at - before.at) / 1000) * TicksPerSecond * availableParallelism()
    return Math.min(1, Math.max(0, ticks / all))
  }
}
