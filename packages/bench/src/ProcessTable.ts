/** What the system says of processes. Linux only: elsewhere a workload that asks fails, and says so. */
import { readdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

/** Whether a process is gone, or only waits to be reaped. */
export const isGone = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const state = stat[stat.lastIndexOf(")") + 2]
    return state === "Z" || state === "X"
  } catch {
    return true
  }
}

/** How long processes may take to be gone, in ms. */
const Patience = 20_000

/** Waits until all of them are gone. */
export const allGone = async (pids: ReadonlyArray<number>): Promise<void> => {
  const begun = performance.now()
  let left = pids.filter((pid) => !isGone(pid))
  while (left.length > 0) {
    if (performance.now() - begun > Patience) {
      throw new Error(`still there after ${Patience / 1000} s: ${left.join(" ")}`)
    }
    await sleep(0.5)
    left = left.filter((pid) => !isGone(pid))
  }
}

/** How long the threads of another process have run so far, in µs. */
const processorTimeOf = (pid: number): number => {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [ran] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ", 1)
    nanoseconds += Number(ran)
  }
  return nanoseconds / 1000
}

/**
 * Begins to count processor time; what it gives is how much of it this process and children have used since, in µs. On
 * a machine that is busy it says more than the clock.
 */
export const processorTime = (...children: ReadonlyArray<number | undefined>): (() => number) => {
  const now = () => {
    const { system, user } = process.cpuUsage()
    return children.reduce<number>(
      (sum, pid) => sum + (pid === undefined ? 0 : processorTimeOf(pid)),
      system + user
    )
  }
  const before = now()
  return () => now() - before
}

/** What a process occupies, in MiB: all, its share of what is shared, and what is its own. */
export interface Memory {
  readonly rss: number
  readonly pss: number
  readonly uss: number
}

/** What a process occupies now. */
export const memoryOf = (pid: number): Memory => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1")
  const mib = (key: string) =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN) / 1024
  return {
    rss: mib("Rss"),
    pss: mib("Pss"),
    uss: mib("Private_Clean") + mib("Private_Dirty")
  }
}
