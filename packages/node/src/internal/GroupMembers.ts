/**
 * Who in a process group runs.
 *
 * Answers for zombies being nobody: a process that has ended stays in its group until it is reaped, and in a container
 * there may be no one who does that. It is seen where there is a `/proc`; elsewhere, nothing is known here.
 */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"

/** The first pause between two looks, in milliseconds; each is twice as long as the one before. */
const FirstPause = 20

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

/** Whether nobody in the group runs, as far as that can be seen. */
const isEmpty = (group: number): boolean => {
  try {
    const names = readdirSync("/proc")
    return (
      names.includes("self") && !names.some((name) => /^\d/.test(name) && isMember(name, group))
    )
  } catch {
    return false
  }
}

/** Waits until it is seen that nobody in the group runs; for ever, where that cannot be seen. */
export const untilNobodyRuns = (group: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    let timer: NodeJS.Timeout
    const look = (pause: number): void => {
      timer = setTimeout(() => {
        if (isEmpty(group)) resume(Effect.void)
        else look(2 * pause)
      }, pause)
    }
    look(FirstPause)
    return Effect.sync(() => clearTimeout(timer))
  })
