/**
 * One example as a reader would run it: in a fresh process, beside what its own comments say it does.
 *
 * Answers for watching it from outside, in the process table, and for leaving nothing behind: its processes are known by
 * a mark in their environment, which whatever they start inherits, in any group and session.
 */
import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

/** How long an example may take, in milliseconds. */
const Limit = 16_000

/** How long what is left of a tree may still be seen when its root has ended, in milliseconds. */
const Lingering = 2_000

/** What the comments at the end of an example say: its output, its exit code, and parts of its errors. */
export interface Documented {
  readonly stdout: ReadonlyArray<string>
  readonly code: number
  readonly stderr: ReadonlyArray<string>
}

/** What was seen of a run. */
export interface Run {
  readonly stdout: ReadonlyArray<string>
  readonly code: number | null
  readonly stderr: string
  /** The processes that were left. */
  readonly left: ReadonlyArray<string>
}

/** Reads an example's own comments. */
export const documented = (file: string): Documented => {
  const text = readFileSync(join(root, file), "utf8")
  const block = (heading: string) => {
    const found = new RegExp(`^// ${heading}:\\n((?:// .*\\n)+)`, "m").exec(text)
    const lines = found?.at(-1)?.trimEnd().split("\n") ?? []
    return { found, lines: lines.map((line) => line.slice("// ".length)) }
  }
  const failure = block("Exit code (\\d+), and on stderr")
  return {
    stdout: block("Output").lines,
    code: Number(failure.found?.[1] ?? 0),
    stderr: failure.lines
  }
}

const ps = (...args: ReadonlyArray<string>): ReadonlyArray<string> =>
  spawnSync("ps", args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }).stdout.split("\n")

/** The processes that carry a mark; one that waits to be reaped has no environment any more. */
const marked = (mark: string): ReadonlyArray<number> =>
  ps("axeww", "-o", "pid=,args=")
    .filter((line) => line.includes(mark))
    .map((line) => Number.parseInt(line))

/** What those processes run, without their environment. */
const commands = (mark: string): ReadonlyArray<string> => {
  const pids = marked(mark)
  if (pids.length === 0) return []
  const lines = ps("-ww", "-o", "args=", "-p", pids.join(","))
  return lines.filter((line) => line.trim() !== "")
}

const killAll = (pids: ReadonlyArray<number>): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // It has just ended by itself.
    }
  }
}

/** Whatever a test runner adds to the environment, a reader's shell does not have. */
const environment = (mark: string): NodeJS.ProcessEnv => {
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|FORCE_COLOR$)/.test(name))
  return { ...Object.fromEntries(own), NO_COLOR: "1", FURROW_EXAMPLE: mark }
}

/** Whether a command is an actor's: its title, or its arguments, name it. */
const isActor = (command: string): boolean => command.includes("furrow:root/")

/**
 * Runs Node with these arguments, in the repository's root, until nothing more is to be seen of it. `observe` is told
 * again and again how many actors there are.
 */
export const run = async (
  args: ReadonlyArray<string>,
  observe?: (actors: number) => void
): Promise<Run> => {
  const mark = crypto.randomUUID()
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: environment(mark),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true
  })
  const written = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text
    })
  }
  const end = new AbortController()
  child.once("close", () => end.abort())
  const late = setTimeout(() => killAll(marked(mark)), Limit)
  try {
    while (!end.signal.aborted) {
      observe?.(commands(mark).filter(isActor).length)
      await pause(observe === undefined ? Limit : 50, end.signal)
    }
    const lingering = performance.now() + Lingering
    while (marked(mark).length > 0 && performance.now() < lingering) await pause(20)
    return {
      stdout: written.stdout.trimEnd().split("\n"),
      code: child.exitCode,
      stderr: written.stderr,
      left: commands(mark)
    }
  } finally {
    clearTimeout(late)
    killAll(marked(mark))
  }
}

const pause = (millis: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, millis)
    signal?.addEventListener("abort", () => {
      clearTimeout(timer)
      resolve()
    })
  })
