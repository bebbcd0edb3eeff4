/**
 * What actors write, and what becomes of it when nobody takes it: fault F25. The root's own output is a real pipe, whose
 * reader stops, or leaves.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isAlive, untilDead } from "../node/Pids.ts"
import { start } from "../node/Program.ts"
import type { Program } from "../node/Program.ts"

const printing = (program: string, options?: { readonly shell: string }) =>
  start("../../tree/fixtures/printing.ts", [program], options)

/** Does not read the program's stdout before it has ended. */
const unread = ({ process: { stdout }, process: child }: Program) => {
  stdout.pause()
  child.once("exit", () => stdout.resume())
}

/** How much an actor may have got rid of that nobody takes: what pipes and queues hold. */
const Held = 4_000_000

describe("lines", () => {
  it.live("F25 of three actors that write at once, each in pieces, are whole and in order", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* (yield* printing("lines")).ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: "written\n" })
      const lines = stdout.split("\n").slice(0, -1)
      for (const [name, length] of [
        ["a", 10],
        ["b", 1000],
        ["c", 30_000]
      ] as const) {
        const prefix = `[root/${name}] `
        const own = lines.filter((line) => line.startsWith(prefix))
        expect(own).toEqual(
          Array.from({ length: 200 }, (_, n) => prefix + `${name} ${n} `.padEnd(length, name))
        )
      }
      expect(lines.length).toBe(600)
    })
  )

  it.live("F25 of an actor's actor have its name alone in front", () =>
    Effect.gen(function* () {
      const { stdout } = yield* (yield* printing("below")).ended
      expect(stdout).toBe("[root/above/below] below 0 belowbelowbe\n")
    })
  )

  it.live("F25 that an actor wrote before it left are passed on, the last one too", () =>
    Effect.gen(function* () {
      const { stdout } = yield* (yield* printing("last")).ended
      expect(stdout).toBe("[root/writer] all but the last\n[root/writer] the last\n")
    })
  )

  it.live("F25 of an actor that has ended are not lost if they are read later", () =>
    Effect.gen(function* () {
      const program = yield* printing("behind")
      program.process.stdout.pause()
      yield* program.until("stderr", /ended/)
      program.process.stdout.resume()
      const { code, stdout } = yield* program.ended
      expect(code).toBe(0)
      expect(stdout.split("\n").filter((line) => line.startsWith("[root/writer] ")).length).toBe(
        1000
      )
    })
  )
})

describe("a reader that has stopped", () => {
  it.live("F25 holds up the actor that writes, and nobody else; the tree ends by a signal", () =>
    Effect.gen(function* () {
      const program = yield* printing("full")
      unread(program)
      const [, taken, waiting] = yield* program.until("stderr", /full after (\d+), (\d+) waiting/)
      expect(Number(taken)).toBeLessThan(Held)
      expect(Number(waiting)).toBeLessThan(Held)
      program.process.kill("SIGTERM")
      expect((yield* program.ended).code).toBe(143)
    })
  )

  it.live("F25 of a stream holds up the actor that writes, which ends in bounded time", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* (yield* printing("unread")).ended
      expect(Number(/full after (\d+)/.exec(stderr)?.[1])).toBeLessThan(Held)
      expect(stderr).toContain('"_tag":"Stopped","stage":"terminated"')
      expect(code).toBe(0)
    })
  )

  it.live("F25 of a stream finds all of it, also when the actor has ended", () =>
    Effect.gen(function* () {
      const { stderr } = yield* (yield* printing("late")).ended
      expect(stderr).toBe("61000 read\n")
    })
  )

  it.live("F25 is not there for an actor whose output is ignored", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* (yield* printing("ignored")).ended
      expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: "written\n", stdout: "" })
    })
  )

  it.live("F25 is not asked for what an actor writes to the root's own output", () =>
    Effect.gen(function* () {
      const { stdout } = yield* (yield* printing("inherited")).ended
      expect(stdout.split("\n").length).toBe(101)
      expect(stdout).not.toContain("[root/")
    })
  )
})

describe("a reader that has left", () => {
  for (const [program, what] of [
    ["forever", "an actor"],
    ["own", "the root"]
  ] as const) {
    it.live(`F25 ends a tree of which ${what} writes, in order, quietly, with 141`, () =>
      Effect.gen(function* () {
        const tree = yield* printing(program, {
          shell: '{ "$@"; echo "code $?" >&2; } | head -n 1'
        })
        const { stderr, stdout } = yield* tree.ended
        expect(stdout.split("\n").length).toBe(2)
        const [, pid, rest] = /^pid (\d+)\n([^]*)$/.exec(stderr) ?? assert.fail(stderr)
        expect(rest).toBe("released\ncode 141\n")
        assert(!isAlive(Number(pid)))
      })
    )
  }

  it.live("F25 of stderr does no harm", () =>
    Effect.gen(function* () {
      const program = yield* printing("below")
      program.process.stderr.destroy()
      const { code, stdout } = yield* program.ended
      expect(code).toBe(0)
      expect(stdout).toContain("below 0")
    })
  )

  it.live("F25 together with the root, which was killed, ends actors that write in order", () =>
    Effect.gen(function* () {
      const program = yield* printing("forever")
      const [, pid] = yield* program.until("stderr", /pid (\d+)/)
      program.process.kill("SIGKILL")
      yield* untilDead(Number(pid))
    })
  )
})
