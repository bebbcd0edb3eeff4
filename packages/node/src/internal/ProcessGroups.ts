/**
 * The process groups of this process's living children, for the one who cannot wait.
 *
 * Answers for never signalling a number that may belong to somebody else by now. Ending children in order is the
 * ladder's and the spawner's.
 */

/** The process group of a child: its leader has the same number. */
export interface ProcessGroup {
  readonly pid: number
  /** Whether the leader has not been reaped yet, as known without any delay. */
  readonly isRunning: () => boolean
}

const groups = new Set<ProcessGroup>()

/** Keeps a group until it is known to be empty. */
export const add = (group: ProcessGroup): void => {
  groups.add(group)
}

/** The group is empty; its number may be somebody else's from now on. */
export const remove = (group: ProcessGroup): void => {
  groups.delete(group)
}

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // It has just ended.
  }
}

/** Whether no process, of any user, has this number. */
const isFree = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH"
  }
}

/** Signals a whole group, if its leader has not been reaped: only then the number is surely ours. */
export const signal = (group: ProcessGroup, name: NodeJS.Signals): void => {
  if (group.isRunning()) send(-group.pid, name)
}

/**
 * SIGKILL to a whole group. If its leader has been reaped, that is on its way to its end: the group has members and is
 * ours, or nobody has its number; unless a process has that as its own, which cannot be while our group has members.
 */
export const kill = (group: ProcessGroup): void => {
  if (group.isRunning() || isFree(group.pid)) send(-group.pid, "SIGKILL")
}

/** SIGKILL to every group. */
export const killAll = (): void => {
  for (const group of groups) kill(group)
}
