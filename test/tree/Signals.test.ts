/**
 * Signals to the root of a tree of processes: rule S8. The first cancels the tree in order, the second ends it at once;
 * the code says which was the first.
 */
import { assert, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { patience } from "../contract/World.ts"
import { isAlive, killGroup, untilDead } from "../node/Pids.ts"
import { start } from "../node/Program.ts"

const signals = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129]
] as const

/** A tree that waits for its signal, the processes below its root, and a file that they write to. */
const waiting = (
  what: (file: string) => object
): Effect.Effect<
  {
    readonly program: Effect.Success<ReturnType<typeof start>>
    readonly pids: ReadonlyArray<number>
    readonly lines: () => ReadonlyArray<string>
  },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-signals-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const file = join(folder, "seen")
    const program = yield* start("../../tree/fixtures/signalled.ts", [JSON.stringify(what(file))])
    const [, first, second] = yield* program.until("stdout", /pids (\d+) (\d+)\n/)
    const pids = [Number(first), Number(second)]
    yield* Effect.addFinalizer(() => Effect.sync(() => pids.forEach(killGroup)))
    return { program, pids, lines: () => readFileSync(file, "utf8").trim().split("\n") }
  })

/** How often a text contains another. */
const times = (text: string, part: string) => text.split(part).length - 1

for (const [signal, code] of signals) {
  it.live(`S8 BOOT-22 ${signal} to the root ends every level in order, and exits ${code}`, () =>
    Effect.gen(function* () {
      const { lines, pids, program } = yield* waiting((file) => ({
        above: { file },
        below: { file }
      }))
      program.process.kill(signal)
      const ended = yield* program.ended
      assert(!pids.some(isAlive))
      expect(ended.code).toBe(code)
      expect(ended.stderr).toBe("")
      expect(lines().filter((line) => line.endsWith("ended"))).toEqual([
        "above has ended",
        "below has ended"
      ])
    })
  )

  it.live(
    `S8 ${signal} exits ${code} also when finalizers die, each of which is told of once`,
    () =>
      Effect.gen(function* () {
        const { pids, program } = yield* waiting(() => ({
          below: { dies: "the finalizer far below" },
          root: "dies"
        }))
        program.process.kill(signal)
        const ended = yield* program.ended
        assert(!pids.some(isAlive))
        expect(ended.code).toBe(code)
        const own = ended.stderr.split("\n").filter((line) => !line.startsWith("[root/"))
        expect(times(own.join("\n"), "the root's own finalizer")).toBe(1)
        expect(own.join("\n")).toContain("the finalizer far below")
        expect(own.join("\n")).toContain("root/above/below")
      })
  )
}

it.live("S8 a second signal of another kind ends a finalizer of the root that takes a minute", () =>
  Effect.gen(function* () {
    const { pids, program } = yield* waiting(() => ({ root: "takes a minute" }))
    program.process.kill("SIGHUP")
    yield* program.until("stdout", /finalizing/)
    assert(pids.every(isAlive))
    const begun = performance.now()
    program.process.kill("SIGINT")
    expect((yield* program.ended).code).toBe(129)
    expect(performance.now() - begun).toBeLessThan(patience(1000))
    yield* Effect.forEach(pids, untilDead)
  })
)

it.live("S8 a second signal ends a finalizer of an actor that takes a minute", () =>
  Effect.gen(function* () {
    const { lines, pids, program } = yield* waiting((file) => ({
      above: { file, lingers: 60_000 }
    }))
    program.process.kill("SIGTERM")
    yield* Effect.suspend(() =>
      lines().includes("above ends") ? Effect.void : Effect.fail("not yet")
    ).pipe(Effect.sandbox, Effect.retry({ while: () => true }))
    const begun = performance.now()
    program.process.kill("SIGTERM")
    expect((yield* program.ended).code).toBe(143)
    expect(performance.now() - begun).toBeLessThan(patience(1000))
    yield* Effect.forEach(pids, untilDead)
  })
)
