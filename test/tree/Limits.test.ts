/**
 * A system that has no room for one more actor: a typed refusal that says what there is no room for, nothing half done,
 * and as soon as there is room, actors again.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { vi } from "vitest"
import { patience } from "../contract/World.ts"
import { start } from "../node/Program.ts"

const limited = "../../tree/fixtures/limited.ts"

interface Told {
  readonly word?: string
  readonly reason?: string
  readonly message?: string
}

/** A root that makes one attempt at a time, when it is asked to. */
const asking = (shell?: string, args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const root = yield* start(limited, args, shell === undefined ? {} : { shell })
    yield* root.until("stdout", /^ready$/m)
    let asked = 0
    const ask = Effect.suspend(() => {
      root.process.stdin.write("once more\n")
      asked++
      return Effect.map(
        root.until("stdout", new RegExp(`^ready\\n(?:.*\\n){${asked - 1}}(.+)\\n`)),
        ([, line]) => JSON.parse(line!) as Told
      )
    })
    const end = Effect.suspend(() => {
      root.process.stdin.end()
      return root.ended
    })
    return { ask, end, root, pid: root.process.pid! }
  })

const descriptors = (pid: number): ReadonlyArray<number> =>
  readdirSync(`/proc/${pid}/fd`).map(Number)

/** Those that were not open before. */
const opened = (pid: number, before: ReadonlyArray<number>): ReadonlyArray<number> =>
  descriptors(pid).filter((descriptor) => !before.includes(descriptor))

/** The lowest limit that leaves a process so many descriptors. */
const limitFor = (open: ReadonlyArray<number>, room: number): number => {
  let limit = 0
  let free = 0
  while (free < room || limit <= 2) if (!open.includes(limit++)) free++
  return limit
}

/** Limits a process that runs, as its user; what it may be raised to again stays. */
const setLimit = (pid: number, limit: string, user: ReadonlyArray<string> = []) => {
  const [command, ...args] = [...user, "prlimit", "--pid", String(pid), `--${limit}:`]
  execFileSync(command, args)
}

/** The children that it did not have before. */
const born = (pid: number, before: ReadonlyArray<string>): ReadonlyArray<string> =>
  childrenOf(pid).filter((child) => !before.includes(child))

const childrenOf = (pid: number): ReadonlyArray<string> => {
  const { stdout } = spawnSync("ps", ["--ppid", String(pid), "-o", "pid="], { encoding: "utf8" })
  return stdout.split("\n").filter((line) => line !== "")
}

/** Waits until a process has nothing that it did not have before: sockets are closed a moment after their end. */
const nothingLeft = (
  pid: number,
  open: ReadonlyArray<number>,
  children: ReadonlyArray<string>
): Effect.Effect<void> =>
  Effect.promise(() =>
    vi.waitFor(
      () => {
        expect(opened(pid, open)).toEqual([])
        expect(born(pid, children)).toEqual([])
      },
      { timeout: patience(1000) }
    )
  )

const runs = (command: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0

const canLimit = process.platform === "linux" && runs("prlimit", "--version")

// Dozens of starts each, and a machine that is busy with others takes its time.
vi.setConfig({ testTimeout: patience(10_000) })

describe("no room for one more actor", () => {
  it.live.skipIf(!canLimit)(
    "F21 EMFILE at any step of a spawn is LimitReached, and leaves no descriptor and no process",
    () =>
      Effect.gen(function* () {
        const { ask, end, pid } = yield* asking()
        // What a process that spawns keeps for good is there after the first.
        expect(yield* ask).toEqual({ word: "well" })
        const open = descriptors(pid)
        const children = childrenOf(pid)
        let room = 0
        for (; ; room++) {
          setLimit(pid, `nofile=${limitFor(open, room)}`)
          const { message, reason, word } = yield* ask
          if (word !== undefined) break
          expect(reason).toBe("LimitReached")
          expect(message).toContain("EMFILE")
          expect(message).toContain("ulimit -n")
          yield* nothingLeft(pid, open, children)
        }
        // It was the limit that was in the way, and not for long.
        expect(room).toBeGreaterThan(5)
        expect(room).toBeLessThan(30)
        expect((yield* end).code).toBe(0)
      })
  )

  // To root the limit does not apply.
  const user =
    process.getuid?.() === 0 ? ["setpriv", "--reuid=64123", "--regid=64123", "--clear-groups"] : []
  const canBeUser = user.length === 0 || runs("env", ...user, process.execPath, "-e", "0")

  /** A root that may start no process for a while, with such an actor all the time or none. */
  const withoutProcesses = (args: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const { ask, end, pid } = yield* asking(`exec ${user.join(" ")} "$@"`, args)
      expect(yield* ask).toEqual({ word: "well" })
      const open = descriptors(pid)
      const children = childrenOf(pid)
      const [, before] = /Max processes +(\d+|unlimited)/.exec(
        readFileSync(`/proc/${pid}/limits`, "utf8")
      )!
      setLimit(pid, "nproc=1", user)
      for (let n = 0; n < 3; n++) {
        const { message, reason } = yield* ask
        expect(reason).toBe("LimitReached")
        expect(message).toContain("EAGAIN")
        expect(message).toContain("ulimit -u")
        yield* nothingLeft(pid, open, children)
      }
      setLimit(pid, `nproc=${before}`, user)
      expect(yield* ask).toEqual({ word: "well" })
      expect((yield* end).code).toBe(0)
    })

  // Where there is no other actor yet, it is the guardian that there is no room for.
  it.live.skipIf(!canLimit || !canBeUser)(
    "F21 EAGAIN is LimitReached, leaves nothing, and is over when there is room again",
    () => Effect.forEach([[], ["other"]], withoutProcesses, { concurrency: 2, discard: true })
  )
})

/** A directory of a file system that is full, for the length of the scope; another that nobody can write to if this is not allowed. */
const fullDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "furrow-full-"))
    if (!runs("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory)) {
      return { directory, mounted: false }
    }
    try {
      writeFileSync(join(directory, "everything"), Buffer.alloc(1_000_000))
    } catch {
      // That is what it is for.
    }
    return { directory, mounted: true }
  }),
  ({ directory, mounted }) =>
    Effect.sync(() => {
      if (mounted) runs("umount", directory)
      rmSync(directory, { recursive: true })
    })
).pipe(Effect.map(({ directory, mounted }) => (mounted ? directory : "/dev/full")))

it.live(
  "F21 ENOSPC: on a full disk, or where nothing can be written, actors start, work and end as ever",
  () =>
    Effect.gen(function* () {
      const full = yield* fullDirectory
      yield* Effect.forEach(
        [
          `TMPDIR=${full} HOME=${full}`,
          "TMPDIR=/dev/null/nowhere HOME=/dev/null/nowhere",
          `NODE_COMPILE_CACHE=${full}/cache`
        ],
        Effect.fnUntraced(function* (environment) {
          const { ask, end } = yield* asking(`${environment} exec "$@"`)
          expect(yield* ask).toEqual({ word: "well" })
          const { code, stderr } = yield* end
          expect([code, stderr]).toEqual([0, ""])
        }),
        { concurrency: 3, discard: true }
      )
    })
)
