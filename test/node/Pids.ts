/**
 * Whether processes are alive, for tests: one that nobody has reaped yet is dead, whatever `kill(pid, 0)` says.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"

/** The first letter of the process's state, as `ps` shows it; nothing if there is no such process. */
export const stateOf = (pid: number): string => {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" })
  return stdout.trim().slice(0, 1)
}

/** Whether the process still runs. */
export const isAlive = (pid: number): boolean => !["", "Z"].includes(stateOf(pid))

/** The processes whose parent this is. */
export const childrenOf = (pid: number): ReadonlyArray<number> => {
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" })
  return stdout.split("\n").filter(Boolean).map(Number)
}

/** Waits until the process is dead; the test's own timeout is the bound. */
export const untilDead = (pid: number): Effect.Effect<void> =>
  Effect.suspend(() =>
    isAlive(pid) ? Effect.andThen(Effect.sleep("10 millis"), untilDead(pid)) : Effect.void
  )

/** Ends what a failed test would leave behind; does nothing to a group that has no living member. */
export const killGroup = (pid: number): void => {
  const { stdout } = spawnSync("ps", ["-eo", "pgid=,stat="], { encoding: "utf8" })
  const alive = stdout.split("\n").some((line) => {
    const [group, state] = line.trim().split(/\s+/)
    return group === String(pid) && state?.startsWith("Z") === false
  })
  if (alive) process.kill(-pid, "SIGKILL")
}

/** The living processes that have this in their command, or title: `furrow:` and the path of an actor, unless told otherwise. */
export const withTitle = (text: string): ReadonlyArray<number> => {
  const { stdout } = spawnSync("ps", ["-ww", "-eo", "pid=,stat=,args="], { encoding: "utf8" })
  return stdout.split("\n").flatMap((line) => {
    const [pid, state, ...args] = line.trim().split(/\s+/)
    return state?.startsWith("Z") === false && args.join(" ").includes(text) ? [Number(pid)] : []
  })
}
