/**
 * Why a process ended that its exit does not tell: out of memory, or a crash of the runtime.
 *
 * Answers for reading the signs: the signal, V8's own words on stderr, and whether the system had killed somebody for
 * want of memory. Where they come from is `NodeSpawner`'s and `MemoryKills`'s. Without a stderr that was piped, a heap
 * that was full cannot be told from another crash of the runtime.
 */
import type { Death, ProcessExit } from "furrow/ProcessExit"

/** What is known of a process beside its exit. */
export interface Signs {
  /** The last it wrote to stderr. */
  readonly stderr: string
  /** The limit of its heap in MiB, if one was set. */
  readonly heapLimit: number | undefined
  /** Whether the system has ended a process of its control group for want of memory while it lived. */
  readonly memoryKill: boolean
}

/** The signals that a process is sent for its own doing, by the processor or by `abort`. */
const crashes = new Set(["SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"])

/** The signals of an abort, before which a runtime writes why. */
const aborts = new Set(["SIGABRT", "SIGILL", "SIGTRAP"])

/** Whether the last words of a process that ended like this may say why. */
export const mayExplain = (exit: ProcessExit): boolean =>
  exit.signal !== undefined && aborts.has(exit.signal)

const heapFull =
  /^FATAL ERROR: .*(?:heap out of memory|Allocation failed)|^# Fatal JavaScript out of memory/m

const systemFull = /^# Fatal process out of memory|^terminate called .*bad_alloc/m

/** What else a runtime says before it aborts: whole lines, which may still be on their way. */
const reasons = [
  /^# Fatal error in .*\n# (.+)\n/m,
  /^(FATAL ERROR: .+|.*\bAssertion .+ failed\b.*)\n/m
]

/** The death that the last words of an aborted process tell of. */
export const inWords = (stderr: string): Death | undefined => {
  if (heapFull.test(stderr)) return { _tag: "OutOfMemory", of: "heap" }
  if (systemFull.test(stderr)) return { _tag: "OutOfMemory", of: "system" }
  for (const reason of reasons) {
    const [, said] = reason.exec(stderr) ?? []
    if (said !== undefined) return { _tag: "RuntimeCrash", said }
  }
  return undefined
}

/** Why a process ended, as far as its exit does not say it. */
export const deathOf = (exit: ProcessExit, signs: Signs): Death | undefined => {
  if (exit.signal === "SIGKILL") {
    return signs.memoryKill ? { _tag: "OutOfMemory", of: "system" } : undefined
  }
  if (exit.signal === undefined || !crashes.has(exit.signal)) return undefined
  const told = mayExplain(exit) ? inWords(signs.stderr) : undefined
  if (told?._tag !== "OutOfMemory" || told.of === "system" || signs.heapLimit === undefined) {
    return told ?? { _tag: "RuntimeCrash" }
  }
  return { ...told, limit: signs.heapLimit }
}
