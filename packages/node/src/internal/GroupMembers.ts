/**
 * Who in a process group runs.
 *
 * Answers for zombies being nobody: a process that has ended stays in its group until it is reaped, and in a container
 * there may be no one who does that. They are told apart where there is a `/proc`; elsewhere they count until they are
 * reaped.
 */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"

/** The first pause between two looks, in milliseconds; each is twice as long as the one before. */
const FirstPause = 5

/** The longest. */
const LongestPause = 160

/** Whether there is nobody in the group, not even a zombie. */
const isFree = (group: number): boolean => {
  try {
    process.kill(-group, 0)
    return false
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH"
  }
}

/** Whether this process belongs to the group and runs. */
const isMember = (pid: string, group: number): boolean => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1")
    // After the name, which may contain anything: state, parent, group.
    const [state = "", , own] = text.slice(text.lastIndexOf(")") + 2).split(" ", 3)
    return own === String(group) && state !== "Z" && state !== "X"
  } catch {
    return false
  }
}

/** Whether it is seen that there are zombies at most. */
const onlyZombies = (group: number): boolean => {
  try {
    const names = readdirSync("/proc")
    return (
      names.includes("self") && !names.some((name) => /^\d/.test(name) && isMember(name, group))
    )
  } catch {
    return false
  }
}

/** Whether it is seen that nobody in the group runs. */
export const nobodyRuns = (group: number): boolean => isFree(group) || onlyZombies(group)

/** Waits until nobody in the group runs, at most this many milliseconds; says whether that is so. */
export const untilNobodyRuns = (group: number, millis: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const end = performance.now() + millis
    let timer: NodeJS.Timeout | undefined
    const look = (pause: number): void => {
      if (nobodyRuns(group)) return resume(Effect.succeed(true))
      const left = end - performance.now()
      if (left <= 0) return resume(Effect.succeed(false))
      timer = setTimeout(look, Math.min(pause, left), Math.min(2 * pause, LongestPause))
    }
    look(FirstPause)
    return Effect.sync(() => clearTimeout(timer))
  })
