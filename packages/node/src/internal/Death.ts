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

/** Whether the last words of a process that ended like this may say more than its exit. */
export const maySpeak = (exit: ProcessExit): boolean =>
  exit.signal !== undefined && aborts.has(exit.signal)

const heapFull =
  /^FATAL ERROR: .*(?:heap out of memory|Allocation failed)|^# Fatal JavaScript out of memory/m

const systemFull = /^# Fatal process out of memory|^terminate called .*bad_alloc/m

/** What a runtime says before it aborts. */
const said = [/^# Fatal error in .*\n# (.+)$/m, /^(FATAL ERROR: .+|.*\bAssertion .+ failed\b.*)$/m]

/** Why a process ended, as far as its exit does not say it. */
export const deathOf = (exit: ProcessExit, signs: Signs): Death | undefined => {
  if (exit.signal === "SIGKILL") {
    return signs.memoryKill ? { _tag: "OutOfMemory", of: "system" } : undefined
  }
  if (exit.signal === undefined || !crashes.has(exit.signal)) return undefined
  if (maySpeak(exit)) {
    if (heapFull.test(signs.stderr)) {
      const limit = signs.heapLimit
      return { _tag: "OutOfMemory", of: "heap", ...(limit === undefined ? {} : { limit }) }
    }
    if (systemFull.test(signs.stderr)) return { _tag: "OutOfMemory", of: "system" }
    for (const pattern of said) {
      const [, words] = pattern.exec(signs.stderr) ?? []
      if (words !== undefined) return { _tag: "RuntimeCrash", said: words }
    }
  }
  return { _tag: "RuntimeCrash" }
}
