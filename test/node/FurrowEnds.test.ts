/**
 * Programs without Effect that end, each in its own way: whatever it is, nobody is left.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { killGroup, untilDead } from "./Pids.ts"
import { start } from "./Program.ts"

/** A program that has an actor, and what that has written down. */
const plain = (how: string) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-plain-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const file = join(folder, "seen")
    const program = yield* start("plain.ts", [how, file])
    const [, pid = 0] = (yield* program.until("stdout", /pid (\d+)\n/)).map(Number)
    yield* Effect.addFinalizer(() => Effect.sync(() => killGroup(pid)))
    const lines = () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [])
    const until = (line: string): Effect.Effect<void> =>
      Effect.suspend(() =>
        lines().includes(line) ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), until(line))
      )
    return { pid, program, lines, until }
  })

for (const how of ["closes", "signals, and closes"]) {
  it.live(`S1 S9 one that ${how} its tree ends by itself, after every finalizer`, () =>
    Effect.gen(function* () {
      const { lines, program } = yield* plain(how)
      const { code, stderr, stdout } = yield* program.ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(stdout).toMatch(/^pid \d+\nfinally\nclosed\n0 listeners\n$/)
      expect(lines().at(-1)).toBe("Worker has ended")
    })
  )
}

it.live("S7 one that exits without closing leaves nobody behind", () =>
  Effect.gen(function* () {
    const { pid, program } = yield* plain("exits")
    expect((yield* program.ended).code).toBe(5)
    yield* untilDead(pid)
  })
)

it.live("S7 one that an exception ends leaves nobody behind", () =>
  Effect.gen(function* () {
    const { pid, program } = yield* plain("throws")
    const { code, stderr } = yield* program.ended
    expect(code).toBe(1)
    expect(stderr).toContain("that nobody caught")
    yield* untilDead(pid)
  })
)

it.live(
  "S8 SIGINT is the program's own: without a handler it ends at once, and nobody is left",
  () =>
    Effect.gen(function* () {
      const { pid, program, until } = yield* plain("waits")
      yield* until("Worker hangs")
      program.process.kill("SIGINT")
      const { code, signal } = yield* program.ended
      expect({ code, signal }).toEqual({ code: null, signal: "SIGINT" })
      yield* untilDead(pid)
    })
)

it.live("S8 with `signals` SIGINT ends the tree in order, and then the program with 130", () =>
  Effect.gen(function* () {
    const { lines, program, until } = yield* plain("signals")
    yield* until("Worker hangs")
    program.process.kill("SIGINT")
    const { code, stderr, stdout } = yield* program.ended
    expect(code).toBe(130)
    expect(stderr).toBe("")
    expect(stdout).toContain("finally")
    expect(lines().slice(-2)).toEqual(["Worker ends", "Worker has ended"])
  })
)

for (const [what, how, code] of [
  ["SIGINT", "two, and waits", 130],
  ["an exception", "two, and throws", 1]
] as const) {
  it.live(`S8 S9 with two trees ${what} ends both in order, the slower one, too`, () =>
    Effect.gen(function* () {
      const { lines, program } = yield* plain(how)
      if (what === "SIGINT") program.process.kill("SIGINT")
      const ended = yield* program.ended
      expect(ended.code).toBe(code)
      expect(lines().at(-1)).toBe("slow has ended")
      const told = ended.stderr.match(/that nobody caught/g) ?? []
      expect(told).toHaveLength(what === "SIGINT" ? 0 : 1)
    })
  )
}

it.live("S2 one whose tree has crashed, and that never asks, is told at its end, and fails", () =>
  Effect.gen(function* () {
    const { program } = yield* plain("crashes")
    const { code, stderr } = yield* program.ended
    expect(code).toBe(1)
    expect(stderr).toContain('The actor "root/Worker" crashed: its process was ended by SIGKILL.')
  })
)

it.live(
  "S2 one whose tree has crashed, and that asks, is told once, and what follows is its own",
  () =>
    Effect.gen(function* () {
      const { program } = yield* plain("crashes, and asks")
      const { code, stderr, stdout } = yield* program.ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(stdout).toContain('ActorCrashed: The actor "root/Worker" crashed')
    })
)

it.live("S2 one that has lost a one-shot, and does not look at it, fails: nobody else tells", () =>
  Effect.gen(function* () {
    const { pid, program } = yield* plain("loses a one-shot")
    const { code, stderr } = yield* program.ended
    expect(code).toBe(1)
    expect(stderr).toContain('the process of "root/Worker" exited with code 3')
    yield* untilDead(pid)
  })
)

it.live("one that is started for an actor does not start itself for ever", () =>
  Effect.gen(function* () {
    const program = yield* start("plain.ts", ["itself"])
    const { code, stdout } = yield* program.ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/"root\/Worker" did not start: its process exited with code 64/)
    expect(stdout).toMatch(/main program and runs no actor/)
  })
)
