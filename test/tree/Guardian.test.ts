/**
 * Death from above: whoever is killed without a word takes everything below along, whatever it is doing. Everybody is
 * looked for in the table of processes.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeSpawner from "@furrow/node/NodeSpawner"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Nursery from "furrow/Nursery"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { vi } from "vitest"
import { Worker } from "../contract/fixtures/Worker.ts"
import { events } from "../contract/Watching.ts"
import { patience, processes } from "../contract/World.ts"
import { start } from "../node/Program.ts"
import type { Member, Tree } from "./fixtures/bereaved.ts"
import * as Table from "./Table.ts"

const namesOf = (members: Tree["members"]): ReadonlyArray<readonly [string, Member]> =>
  Object.entries(members).flatMap(([name, member]) => [
    [name, member] as const,
    ...namesOf(member.children ?? {})
  ])

/** A tree in which everybody is doing what he is to do, and the table of it. */
const standing = Effect.fnUntraced(function* (tree: Omit<Tree, "folder">) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-bereaved-"))),
    (made) => Effect.sync(() => rmSync(made, { recursive: true }))
  )
  const root = yield* start("../../tree/fixtures/bereaved.ts", [
    JSON.stringify({ ...tree, folder })
  ])
  const pid = root.process.pid!
  // One that fails while it comes up leaves nothing either.
  yield* Effect.addFinalizer(() => Effect.scoped(Table.take(pid)))
  const pids: Record<string, number> = {}
  yield* Effect.gen(function* () {
    for (const [name, { does = "idles" }] of namesOf(tree.members)) {
      pids[name] = Number((yield* root.until("stdout", new RegExp(`^${name} (\\d+)$`, "m")))[1])
      yield* root.until("stdout", new RegExp(`^${name} ${does}$`, "m"))
    }
    const programs = namesOf(tree.members).filter(([, { does }]) => does === "runs").length
    yield* root.until("stdout", new RegExp(`(?:^program \\d+$[^]*){${programs}}`, "m"))
  }).pipe(
    Effect.timeoutOrElse({
      duration: patience(6000),
      orElse: () => Effect.die(new Error(`not everybody stands: ${root.printed()}`))
    })
  )
  const table = yield* Table.take(pid)
  return {
    root,
    pid,
    table,
    pidOf: (name: string): number => {
      assert(pids[name] !== undefined, name)
      return pids[name]
    },
    guardian: (): number => {
      const found = Table.below(pid).find(
        (entry) => entry.parent === pid && Table.isGuardian(entry)
      )
      assert(found !== undefined)
      return found.pid
    }
  }
})

const kill = (pid: number): void => void process.kill(pid, "SIGKILL")

const busy: Member = { does: "loops" }

/** Twenty actors on four levels. */
const twenty: Tree["members"] = {
  a: {
    children: {
      aa: { children: { aaa: { children: { deepBusy: busy, deepIdle: {} } }, aab: {} } },
      ab: { does: "loops", children: { aba: {}, abb: {} } },
      stopped: { children: { ofStopped: {} } }
    }
  },
  b: { children: { ba: { does: "runs" }, bb: { ends: "says so" }, bc: { ends: "takes an hour" } } },
  c: { does: "waits", children: { ca: busy, cb: busy } },
  d: { children: { da: {} } }
}

// Whole trees have to come up, some of twenty processes.
vi.setConfig({ testTimeout: patience(8000) })

describe("a process that is killed", () => {
  it.live(
    "F3 F4 S7 BOOT-23 takes twenty actors along: busy, blocked, stopped, and the programs they have started",
    () =>
      Effect.gen(function* () {
        const { pid, pidOf, root, table } = yield* standing({ members: twenty })
        expect(new Set(namesOf(twenty).map(([name]) => pidOf(name))).size).toBe(20)
        // The program's shell and what that runs; and a guardian of each that has actors.
        const group = pidOf("ba")
        expect(table.filter((entry) => entry.group === group)).toHaveLength(3)
        expect(table.filter(Table.isGuardian)).toHaveLength(9)
        process.kill(pidOf("stopped"), "SIGSTOP")
        kill(pid)
        expect(yield* Table.untilGone(table)).toBeLessThan(patience(2000))
        // Who could end by himself has done so.
        expect((yield* root.ended).stdout).toContain("bb has ended")
      })
  )

  it.live(
    "F3 F4 in the middle of a tree takes what is below it along; its siblings live, and its parent is told the cause",
    () =>
      Effect.gen(function* () {
        const { pid, pidOf, root, table } = yield* standing({
          members: {
            middle: {
              children: {
                idle: { children: { far: busy } },
                blocked: { does: "waits" },
                runs: { does: "runs" }
              }
            },
            sibling: { children: { nephew: {} } }
          }
        })
        const middle = pidOf("middle")
        const subtree = Table.below(middle)
        const others = table.filter(
          (entry) => entry.pid !== middle && !subtree.some((e) => e.pid === entry.pid)
        )
        kill(middle)
        yield* Table.untilGone(subtree)
        yield* root.until("stdout", /^root was told: .*middle.*SIGKILL/m)
        expect(Table.left(others)).toHaveLength(others.length)
        kill(pid)
        yield* Table.untilGone(table)
      })
  )

  it.live(
    "F3 with actors that are all blocked, each below the other, takes no longer the more there are",
    () =>
      Effect.gen(function* () {
        const blocked = (depth: number): Tree["members"] =>
          depth === 0
            ? {}
            : { [`blocked${depth}`]: { does: "waits", children: blocked(depth - 1) } }
        const { pid, table } = yield* standing({ members: blocked(4) })
        // How many tenths of a second each of the guardians gives: less than ten together.
        const tenths = table
          .filter(Table.isGuardian)
          .map(({ command }) => /\d+$/.exec(command)?.[0])
        expect(new Set(tenths)).toEqual(new Set(["0", "1", "2", "5"]))
        kill(pid)
        expect(yield* Table.untilGone(table)).toBeLessThan(patience(1000))
      })
  )

  it.live("F3 takes a busy actor along at once if there is to be no grace", () =>
    Effect.gen(function* () {
      const { pid, root, table } = yield* standing({
        members: { busy, never: { ends: "says so" } },
        orphanGrace: 0
      })
      kill(pid)
      yield* Table.untilGone(table)
      yield* root.ended
    })
  )

  it.live(
    "F3 just after it has forked leaves nobody, and not a line of the new program is run before it is watched over",
    () =>
      Effect.forEach(
        [0, 1, 2, 4],
        (turns) =>
          Effect.gen(function* () {
            const root = yield* start("../../tree/fixtures/suicidal.ts", [String(turns)])
            const [, started] = yield* root.until("stdout", /^started (\d+)$/m)
            const table = Table.all().filter(({ group }) => group === Number(started))
            yield* Effect.addFinalizer(() =>
              Effect.sync(() => Table.left(table).forEach(({ pid }) => kill(pid)))
            )
            // Its stdout is closed when whoever inherited it is gone.
            const { signal, stdout } = yield* root.ended
            expect(signal).toBe("SIGKILL")
            if (turns === 0) expect(stdout).not.toContain("it runs")
          }).pipe(Effect.scoped),
        { concurrency: "unbounded", discard: true }
      )
  )
})

describe("a group that outlives its leader", () => {
  const members = { leader: { does: "runs" } } satisfies Tree["members"]

  it.live("F7 F4 is ended before the block is, also a program that ignores SIGTERM", () =>
    Effect.gen(function* () {
      const { pid, pidOf, root, table } = yield* standing({ members })
      const group = table.filter((entry) => entry.group === pidOf("leader"))
      expect(group).toHaveLength(3)
      kill(pidOf("leader"))
      // It is told when the block has ended.
      yield* root.until("stdout", /^root was told: /m)
      expect(Table.left(group)).toEqual([])
      kill(pid)
    })
  )

  it.live("F7 F3 is ended with its spawner, if that is killed while it waits for the group", () =>
    Effect.gen(function* () {
      const { pid, pidOf, table } = yield* standing({ members, groupGrace: 3_600_000 })
      const group = table.filter((entry) => entry.group === pidOf("leader"))
      const [leader, ...programs] = group.toSorted(
        (a, b) => Number(b.pid === b.group) - Number(a.pid === a.group)
      )
      kill(pidOf("leader"))
      yield* Table.untilGone([leader!])
      expect(Table.left(programs)).toHaveLength(2)
      kill(pid)
      yield* Table.untilGone(table)
    })
  )
})

/** Whether this system lets a test give a number of a process to another. */
const canReuse =
  spawnSync("unshare", [
    "--pid",
    "--fork",
    "--mount-proc",
    "sh",
    "-c",
    "echo 100 > /proc/sys/kernel/ns_last_pid"
  ]).status === 0

describe("the number of an actor that is gone", () => {
  for (const signal of ["SIGKILL", "SIGTERM"]) {
    it.live.skipIf(!canReuse)(
      `F8 is not signalled when it is somebody else's by then, and the root gets ${signal}`,
      () =>
        Effect.sync(() => {
          const { stdout } = spawnSync(
            "unshare",
            [
              "--pid",
              "--fork",
              "--mount-proc",
              "--kill-child",
              process.execPath,
              fileURLToPath(new URL("./fixtures/reuse.ts", import.meta.url)),
              signal
            ],
            { encoding: "utf8", timeout: patience(5000) }
          )
          expect(stdout).toBe("reused true\nstranger lives true\n")
        })
    )
  }
})

describe("a guardian", () => {
  it.live(
    "F3 that is killed is replaced by one that knows all actors, and its spawner says so",
    () =>
      Effect.gen(function* () {
        const { guardian, pid, root, table } = yield* standing({
          members: { busy, blocked: { does: "waits" } }
        })
        for (let times = 1; times <= 2; times++) {
          const killed = guardian()
          kill(killed)
          yield* root.until(
            "stdout",
            new RegExp(
              `The guardian of this process's actors \\(pid ${killed}\\) was ended from outside`
            )
          )
        }
        const next = yield* Table.take(pid)
        kill(pid)
        yield* Table.untilGone([...table, ...next])
      })
  )

  it.live("F3 ignores the signals that ask a process to end", () =>
    Effect.gen(function* () {
      const { guardian, pid, table } = yield* standing({ members: { busy } })
      const asked = guardian()
      for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"]) {
        process.kill(asked, signal)
      }
      kill(pid)
      yield* Table.untilGone(table)
    })
  )

  it.live(
    "F3 that is killed together with its spawner leaves those that are busy or blocked; all others end by themselves",
    () =>
      Effect.gen(function* () {
        const { guardian, pid, pidOf, table } = yield* standing({
          members: { busy, idle: { children: { below: {} } }, slow: { ends: "takes an hour" } }
        })
        // So that it cannot find another one meanwhile.
        process.kill(pid, "SIGSTOP")
        kill(guardian())
        kill(pid)
        yield* Table.untilGone(table.filter((entry) => entry.pid !== pidOf("busy")))
        expect(Table.left(table).map((entry) => entry.pid)).toEqual([pidOf("busy")])
      })
  )

  const guardians = () =>
    Table.all().filter((entry) => entry.parent === process.pid && Table.isGuardian(entry))

  it.live("S9 is there from the first actor of a block to its end, and no longer", () =>
    Effect.gen(function* () {
      for (let times = 0; times < 2; times++) {
        yield* Nursery.run(
          Effect.gen(function* () {
            const watch = yield* events
            expect(guardians()).toEqual([])
            const spawn = Nursery.spawn(Worker, { ...processes.main, arguments: {} })
            const first = yield* spawn
            const [guardian, ...others] = guardians()
            expect(others).toEqual([])
            const second = yield* spawn
            yield* first.stop
            expect(guardians()).toEqual([guardian])
            yield* second.stop
            yield* spawn
            expect(guardians()).toEqual([guardian])
            expect(watch.of("Started").map(({ guard }) => guard)).toEqual([
              "guardian",
              "guardian",
              "guardian"
            ])
          }).pipe(Effect.scoped)
        )
        expect(guardians()).toEqual([])
      }
    }).pipe(Effect.provide(NodeActor.layer))
  )
})

describe("where there is no shell", () => {
  it.live("F3 F4 S7 a watchdog in each actor ends it and its programs, busy or blocked", () =>
    Effect.gen(function* () {
      const { pid, root, table } = yield* standing({
        guard: "watchdog",
        members: {
          busy,
          blocked: { does: "waits", children: { below: busy } },
          runs: { does: "runs" },
          well: { ends: "says so", children: { slow: { ends: "takes an hour" } } }
        }
      })
      expect(table.filter(Table.isGuardian)).toEqual([])
      kill(pid)
      expect(yield* Table.untilGone(table)).toBeLessThan(patience(2000))
      expect((yield* root.ended).stdout).toContain("well has ended")
    })
  )

  it.live("F4 an actor that loses its connection before its parent is gone leaves no program", () =>
    Effect.gen(function* () {
      const { pid, table } = yield* standing({
        guard: "watchdog",
        members: { runs: { does: "runs" } }
      })
      process.kill(pid, "SIGUSR2")
      expect(yield* Table.untilGone(table)).toBeLessThan(patience(2000))
    })
  )

  it.live("an actor says that it has a watchdog, and ends in order with it", () =>
    Effect.gen(function* () {
      const watch = yield* events
      yield* Nursery.run(Nursery.spawn(Worker, { ...processes.main, arguments: {} }))
      expect(watch.of("Started").map(({ guard }) => guard)).toEqual(["watchdog"])
      expect(watch.of("Stopped").map(({ exit, stage }) => [exit, stage])).toEqual([
        [{ code: 0 }, "asked"]
      ])
    }).pipe(
      Effect.scoped,
      Effect.provideService(NodeSpawner.Guard, "watchdog"),
      Effect.provide(NodeActor.layer)
    )
  )
})
