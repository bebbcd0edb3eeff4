/**
 * Cancelling a tree of processes ends it: what only real signals, blocked loops and exit hooks can show.
 */
import { assert, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isAlive, untilDead } from "../node/Pids.ts"
import { start } from "../node/Program.ts"

const family = "../../tree/fixtures/family.ts"

const pidOf = (match: RegExpExecArray): number => Number(match[1])

it.live("CANC-14 SIGINT to a root with a sleeping daemon exits 130, and no process is left", () =>
  Effect.gen(function* () {
    const root = yield* start(family, ["sleeping"])
    const pid = pidOf(yield* root.until("stdout", /child (\d+)/))
    root.process.kill("SIGINT")
    expect((yield* root.ended).code).toBe(130)
    assert(!isAlive(pid))
  })
)

it.live("CANC-15 the same with the nursery opened in a fiber beside", () =>
  Effect.gen(function* () {
    const root = yield* start(family, ["sleeping beside"])
    const pid = pidOf(yield* root.until("stdout", /child (\d+)/))
    root.process.kill("SIGINT")
    expect((yield* root.ended).code).toBe(130)
    assert(!isAlive(pid))
  })
)

it.live(
  "CANC-16 a grandchild whose loop is blocked for ten minutes is killed when the outer block fails",
  () =>
    Effect.gen(function* () {
      const root = yield* start(family, ["blocked grandchild"])
      const grandchild = pidOf(yield* root.until("stdout", /grandchild (\d+)/))
      const child = pidOf(yield* root.until("stdout", /^child (\d+)/m))
      const { code, stderr } = yield* root.ended
      expect(code).toBe(1)
      expect(stderr).toContain("the outer scope failed")
      assert(!isAlive(child) && !isAlive(grandchild))
    })
)

it.live(
  "CANC-22 a process that said its last word and does not exit is killed at the end of the ladder",
  () =>
    Effect.gen(function* () {
      const root = yield* start(family, ["lingering"])
      const child = pidOf(yield* root.until("stdout", /child (\d+)/))
      const { code, stdout } = yield* root.ended
      expect(code).toBe(0)
      expect(JSON.parse(stdout.split("\n")[1]!)).toStrictEqual({
        _tag: "Stopped",
        stage: "killed",
        exit: { signal: "SIGKILL" }
      })
      assert(!isAlive(child))
    })
)

it.live(
  "BOOT-19 what a child does at its process's exit is done, whether it finishes or fails",
  () =>
    Effect.gen(function* () {
      const dir = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-exit-"))),
        (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
      )
      for (const [program, expected] of [
        ["exit finished", 0],
        ["exit failed", 1]
      ] as const) {
        const file = join(dir, program)
        const root = yield* start(family, [program, file])
        const { code } = yield* root.ended
        expect(code).toBe(expected)
        assert(!existsSync(file))
      }
    })
)

it.live(
  "an actor that has lost its parent ends within its grace, whatever its finalizers take",
  () =>
    Effect.gen(function* () {
      const root = yield* start(family, ["slow below"])
      const slow = pidOf(yield* root.until("stdout", /slow (\d+)/))
      const child = pidOf(yield* root.until("stdout", /child (\d+)/))
      process.kill(child, "SIGKILL")
      expect((yield* root.ended).code).toBe(1)
      yield* untilDead(slow)
    })
)
