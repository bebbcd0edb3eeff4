/**
 * How many processes the system has ended for want of memory, among those in this process's control group, where its
 * children are as well.
 *
 * Answers for finding the counter (cgroup v2: `memory.events`, v1: `memory.oom_control`) and for laying each kill to one
 * process only. The counter names nobody: who else of the group was killed while a child lived, and another has not
 * claimed, is taken for the child. Where there is no counter, nobody is known to have been killed.
 */
import { readFileSync } from "node:fs"

/**
 * The files that may hold the counter, the likeliest first, from the texts of `/proc/self/cgroup` and
 * `/proc/self/mountinfo`.
 */
export const counterFiles = (cgroup: string, mountinfo: string): ReadonlyArray<string> => {
  const paths = new Map<"v1" | "v2", string>()
  for (const line of cgroup.split("\n")) {
    const [id, controllers = "", ...path] = line.split(":")
    if (id === "0") paths.set("v2", path.join(":"))
    if (controllers.split(",").includes("memory")) paths.set("v1", path.join(":"))
  }
  const files: Array<string> = []
  for (const line of mountinfo.split("\n")) {
    const [place = "", system = ""] = line.split(" - ")
    const [, , , root = "", point = ""] = place.split(" ")
    const [type, , options = ""] = system.split(" ")
    const version = type === "cgroup2" ? "v2" : type === "cgroup" ? "v1" : undefined
    const path = version === undefined ? undefined : paths.get(version)
    if (path === undefined || (version === "v1" && !options.split(",").includes("memory"))) continue
    // A container may see its own part of the hierarchy only, mounted as if it were the whole.
    const inside = root === "/" ? path : path.startsWith(root) ? path.slice(root.length) : ""
    const directory = `${point}${inside === "/" ? "" : inside}`
    if (version === "v2") files.unshift(`${directory}/memory.events`)
    else files.push(`${directory}/memory.oom_control`)
  }
  return files
}

/** The counter in the text of such a file; the same words in both versions. */
export const killsIn = (text: string): number | undefined => {
  const found = /^oom_kill (\d+)$/m.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

const readText = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    // Not on this system, or not for this process.
    return ""
  }
}

let files: ReadonlyArray<string> | undefined

/** The counter now. */
const read = (): number | undefined => {
  files ??= counterFiles(readText("/proc/self/cgroup"), readText("/proc/self/mountinfo"))
  for (const file of files) {
    const kills = killsIn(readText(file))
    if (kills !== undefined) return kills
  }
  return undefined
}

/** Lays kills to processes, by a counter. */
export class MemoryKills {
  private readonly counter: () => number | undefined
  private claimed = 0

  constructor(counter: () => number | undefined = read) {
    this.counter = counter
  }

  /** A process begins to live. To be called when it was killed: whether that was for want of memory. */
  begin(): () => boolean {
    const before = this.counter()
    const claimedBefore = this.claimed
    return () => {
      const now = before === undefined ? undefined : this.counter()
      if (before === undefined || now === undefined) return false
      if (now - before <= this.claimed - claimedBefore) return false
      this.claimed++
      return true
    }
  }
}

/** Those of this process's control group. */
export const memoryKills = new MemoryKills()
