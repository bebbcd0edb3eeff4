/**
 * The table of processes, for tests that want to know who is left, and not what anybody believes.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"

/** A living process; one that has ended and is not reaped yet is none. */
export interface Entry {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly command: string
}

/** Everybody who lives. */
export const all = (): ReadonlyArray<Entry> => {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,ppid=,pgid=,stat=,args="], { encoding: "utf8" })
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, group, state, command = ""] =
      /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s*(.*)$/.exec(line) ?? []
    return state === undefined || state.startsWith("Z")
      ? []
      : [{ pid: Number(pid), parent: Number(parent), group: Number(group), command }]
  })
}

/** Everybody below a process, and whoever shares a group with them. */
export const below = (root: number): ReadonlyArray<Entry> => {
  const table = all()
  const found = new Set([root])
  const groups = new Set<number>()
  for (let before = 0; before < found.size;) {
    before = found.size
    for (const { group, parent, pid } of table) {
      if (!found.has(parent) && !groups.has(group)) continue
      found.add(pid)
      if (group === pid) groups.add(group)
    }
  }
  return table.filter(({ pid }) => pid !== root && found.has(pid))
}

/** Whether it is a shell that watches over actors. */
export const isGuardian = ({ command }: Entry): boolean => command.includes("furrow:guardian")

/** Those who still live, of these. */
export const left = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> => {
  const pids = new Set(entries.map(({ pid }) => pid))
  return all().filter(({ pid }) => pids.has(pid))
}

/** Waits until none of them lives, and says how many milliseconds that took; the test's own timeout is the bound. */
export const untilGone = (entries: ReadonlyArray<Entry>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const begun = performance.now()
    while (left(entries).length > 0) yield* Effect.sleep("5 millis")
    return performance.now() - begun
  })

/** Everybody below a process, who will be gone at the end of the test, whatever becomes of it. */
export const take = (root: number): Effect.Effect<ReadonlyArray<Entry>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => below(root)),
    (taken) =>
      Effect.sync(() => {
        for (const { pid } of left(taken)) process.kill(pid, "SIGKILL")
      })
  )
