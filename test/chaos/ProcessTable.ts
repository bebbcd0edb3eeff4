/**
 * Who lives, read from the kernel's table of processes and from nobody's records.
 *
 * Answers for finding everything that belongs to a round: what carries its mark in the environment it was started with,
 * and whoever is, or was, in a process group or session of such a process. Those that have ended and wait to be reaped
 * are dead. It reads Linux's /proc.
 */
import { readdirSync, readFileSync } from "node:fs"

/** A living process. */
export interface Entry {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  /** One letter: R runs, S sleeps, T is stopped. */
  readonly state: string
  /** When it was started, in ticks since the machine was: with the number, it names one process and no other. */
  readonly started: number
  readonly command: string
}

/** The variable that carries the mark. */
export const MarkVariable = "FURROW_CHAOS"

const readOr = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    // It has just ended, or is another user's.
    return ""
  }
}

/** An entry out of a line of `stat`; nothing for one that is dead. */
export const parseStat = (line: string): Omit<Entry, "command"> | undefined => {
  // The name may contain anything, so the fields are counted from its end.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
  const [state, parent, group, session] = fields
  if (line === "" || state === undefined || "ZXx".includes(state)) return undefined
  return {
    pid: Number.parseInt(line, 10),
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    state,
    started: Number(fields[19])
  }
}

/** Every living process of the machine. */
const living = (): ReadonlyArray<Entry> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const entry = parseStat(readOr(`/proc/${name}/stat`))
      return entry === undefined
        ? []
        : [{ ...entry, command: readOr(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim() }]
    })

/** Whoever lives of the process groups that these processes lead or led. */
export const livingOf = (leaders: ReadonlyArray<number>): ReadonlyArray<Entry> =>
  leaders.length === 0
    ? []
    : living().filter(({ group, pid }) => leaders.includes(pid) || leaders.includes(group))

const nameOf = ({ pid, started }: Entry): string => `${pid} ${started}`

/** Looks for whatever belongs to one round. */
export class Observer {
  private readonly mark: string
  private readonly groups = new Set<number>()
  private readonly seen = new Set<string>()

  /** `mark`: the value of {@link MarkVariable} in the environment of the round's first process. */
  constructor(mark: string) {
    this.mark = `${MarkVariable}=${mark}`
  }

  /** How many processes it has seen so far. */
  get count(): number {
    return this.seen.size
  }

  private isMarked(pid: number): boolean {
    return readOr(`/proc/${pid}/environ`).split("\0").includes(this.mark)
  }

  /** Whoever lives now. */
  look(): ReadonlyArray<Entry> {
    const all = living()
    const marked = all.filter(({ pid }) => this.isMarked(pid))
    // A program may have dropped the mark with its environment; it is known by the company it keeps.
    for (const { group, pid, session } of marked) {
      if (group === pid) this.groups.add(group)
      if (session === pid) this.groups.add(session)
    }
    const found = all.filter(
      (entry) =>
        marked.includes(entry) || this.groups.has(entry.group) || this.groups.has(entry.session)
    )
    for (const entry of found) this.seen.add(nameOf(entry))
    return found
  }

  /** Signals one process, if it is still of this round; says whether it was. */
  signal(pid: number, name: NodeJS.Signals): boolean {
    const entry = parseStat(readOr(`/proc/${pid}/stat`))
    if (entry === undefined || !this.isMarked(pid)) return false
    try {
      return process.kill(pid, name)
    } catch {
      return false
    }
  }
}

/** The table as lines to be read. */
export const inWords = (entries: ReadonlyArray<Entry>): string =>
  entries
    .map(
      ({ command, group, parent, pid, session, state }) =>
        `pid ${pid} of ${parent}, group ${group}, session ${session}, ${state}: ${command}`
    )
    .join("\n")
