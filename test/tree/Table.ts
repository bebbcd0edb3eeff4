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

/** How long anybody waits before it is said who is still there, in milliseconds: sooner than any test's timeout. */
const Bound = 60_000

/** Waits until none of them lives, and says how many milliseconds that took; a test that waits too long says for whom. */
export const untilGone = (entries: ReadonlyArray<Entry>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const begun = performance.now()
    const taken = () => performance.now() - begun
    while (left(entries).length > 0 && taken() < Bound) yield* Effect.sleep("5 millis")
    const there = left(entries)
    if (there.length > 0) {
      const lines = there.map((entry) => `${JSON.stringify(entry)} ${threadsOf(entry.pid)}`)
      return yield* Effect.die(
        new Error(`still there after ${Math.round(taken())} ms:\n${lines.join("\n")}`)
      )
    }
    return taken()
  })

/** What each thread of a process is doing, where the system tells. */
const threadsOf = (pid: number): string =>
  spawnSync(
    "sh",
    ["-c", `for t in /proc/${pid}/task/*; do cut -d' ' -f2,3 $t/stat; cat $t/wchan; echo; done`],
    { encoding: "utf8" }
  ).stdout.replaceAll(/\s+/g, " ")

/** Everybody below a process, who will be gone at the end of the test, whatever becomes of it. */
export const take = (root: number): Effect.Effect<ReadonlyArray<Entry>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => below(root)),
    (taken) =>
      Effect.sync(() => {
        for (const { pid } of left(taken)) process.kill(pid, "SIGKILL")
      })
  )
