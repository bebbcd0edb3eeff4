/**
 * Signals to the processes of a tree, and other ends that nobody in it has asked for: rule S8. The first signal cancels
 * the tree in order, the second ends it at once; the code says which was the first.
 */
import { assert, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { patience } from "../contract/World.ts"
import { isAlive, untilDead, withTitle } from "../node/Pids.ts"
import { start } from "../node/Program.ts"
import {
  both,
  ended,
  everybody,
  signalled,
  untilLine,
  untilNone,
  untilSome,
  waiting
} from "./Tree.ts"

const signals = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129]
] as const

/** How often a text contains another. */
const times = (text: string, part: string) => text.split(part).length - 1

for (const [signal, code] of signals) {
  it.live(`S8 F24 BOOT-22 ${signal} to the root ends every level in order, and exits ${code}`, () =>
    Effect.gen(function* () {
      const tree = yield* waiting(both)
      tree.program.process.kill(signal)
      const { code: own, stderr } = yield* tree.program.ended
      assert(!tree.pids.some(isAlive))
      expect(own).toBe(code)
      expect(stderr).toBe("")
      expect(ended(tree)).toEqual(everybody)
    })
  )

  it.live(
    `S8 F24 ${signal} exits ${code} also when finalizers die, each of which is told of once`,
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

  it.live(`S8 F24 ${signal} to an actor ends it in order; for its owner that is a crash`, () =>
    Effect.gen(function* () {
      const tree = yield* waiting(both)
      process.kill(tree.pids[1]!, signal)
      const { code: own, stderr } = yield* tree.program.ended
      assert(!tree.pids.some(isAlive))
      expect(own).toBe(1)
      expect(stderr).toContain(
        `The actor "root/above" crashed: its process exited with code ${code}`
      )
      expect(ended(tree)).toEqual(everybody)
    })
  )
}

it.live("BOOT-23 S7 SIGKILL to the root takes every level along", () =>
  Effect.gen(function* () {
    const name = `t${randomUUID()}`
    const { program } = yield* waiting(() => ({ name }))
    const pids = withTitle(`furrow:root/${name}`)
    expect(pids.length).toBe(2)
    const begun = performance.now()
    program.process.kill("SIGKILL")
    yield* Effect.forEach(pids, untilDead)
    expect(performance.now() - begun).toBeLessThan(patience(2000))
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// A second one
// ---------------------------------------------------------------------------------------------------------------------

it.live(
  "S8 F24 a second signal of another kind ends a finalizer of the root that takes a minute",
  () =>
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

it.live("S8 F24 the same signal again ends a finalizer of an actor that takes a minute", () =>
  Effect.gen(function* () {
    const tree = yield* waiting((file) => ({ above: { file, lingers: 60_000 } }))
    tree.program.process.kill("SIGTERM")
    yield* untilLine(tree, "above ends")
    const begun = performance.now()
    const again = setInterval(() => tree.program.process.kill("SIGTERM"), 50)
    yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(again)))
    expect((yield* tree.program.ended).code).toBe(143)
    expect(performance.now() - begun).toBeLessThan(patience(1000))
    yield* Effect.forEach(tree.pids, untilDead)
  })
)

it.live("S8 F24 the same signal twice at once is one: the tree has time to end in order", () =>
  Effect.gen(function* () {
    const tree = yield* waiting((file) => ({
      above: { file, lingers: 200 },
      below: { file, lingers: 100 },
      does: "signal itself twice"
    }))
    expect((yield* tree.program.ended).code).toBe(143)
    expect(ended(tree)).toEqual(everybody)
  })
)

it.live("S8 F24 the same signal twice at once leaves half a second to a finalizer that hangs", () =>
  Effect.gen(function* () {
    const { pids, program } = yield* waiting(() => ({
      root: "takes a minute",
      does: "signal itself twice"
    }))
    const begun = performance.now()
    expect((yield* program.ended).code).toBe(143)
    expect(performance.now() - begun).toBeLessThan(patience(500))
    yield* Effect.forEach(pids, untilDead)
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// At every moment
// ---------------------------------------------------------------------------------------------------------------------

it.live(
  "S8 F24 a signal at any moment of the start ends the root and whatever it has started",
  () =>
    Effect.gen(function* () {
      const begun = performance.now()
      yield* Effect.scoped(waiting(() => ({})))
      const whole = performance.now() - begun
      for (const part of [0.2, 0.5, 0.7, 0.9]) {
        const name = `t${randomUUID()}`
        const program = yield* start(signalled, [JSON.stringify({ name })])
        yield* Effect.sleep(part * whole)
        program.process.kill("SIGTERM")
        const { code, signal } = yield* program.ended
        // Before there is a handler, the system ends it.
        expect(signal ?? code).toBe(signal === null ? 143 : "SIGTERM")
        yield* untilNone(`furrow:root/${name}`)
      }
    }),
  patience(5000)
)

it.live("S8 F24 a signal while an actor is being started ends that actor, too", () =>
  Effect.gen(function* () {
    const name = `t${randomUUID()}`
    const program = yield* start(signalled, [JSON.stringify({ name, above: { build: "hang" } })])
    yield* untilSome(`furrow:root/${name}`)
    program.process.kill("SIGINT")
    const { code, stderr } = yield* program.ended
    expect(withTitle(`furrow:root/${name}`)).toEqual([])
    expect(code).toBe(130)
    expect(stderr).toBe("")
  })
)

it.live(
  "S8 F24 a signal while an actor is being stopped waits for that ladder and for no other",
  () =>
    Effect.gen(function* () {
      const tree = yield* waiting((file) => ({
        above: { file, lingers: 60_000 },
        grace: 300,
        does: "stop above"
      }))
      yield* untilLine(tree, "above ends")
      const begun = performance.now()
      tree.program.process.kill("SIGTERM")
      expect((yield* tree.program.ended).code).toBe(143)
      assert(!tree.pids.some(isAlive))
      expect(performance.now() - begun).toBeLessThan(patience(600))
    })
)

it.live(
  "S8 F24 a signal ends a root whose output is not being read, when its program has ended",
  () =>
    Effect.gen(function* () {
      const program = yield* start("root.ts", ["flood"])
      program.process.stdout.pause()
      yield* program.until("stderr", /after the flood/)
      program.process.kill("SIGTERM")
      program.process.once("exit", () => program.process.stdout.resume())
      expect((yield* program.ended).code).toBe(143)
    })
)

it.live("S8 F24 a root that ends by a signal waits 2 s at most for somebody to read the rest", () =>
  Effect.gen(function* () {
    const program = yield* start("root.ts", ["floodAndWait"])
    program.process.stdout.pause()
    yield* program.until("stderr", /ready/)
    program.process.once("exit", () => program.process.stdout.resume())
    const begun = performance.now()
    program.process.kill("SIGTERM")
    expect((yield* program.ended).code).toBe(143)
    expect(performance.now() - begun).toBeLessThan(patience(2000))
  })
)

it.live("F24 SIGPIPE is nobody's signal", () =>
  Effect.gen(function* () {
    const { pids, program } = yield* waiting(() => ({}))
    for (const pid of [program.process.pid!, ...pids]) process.kill(pid, "SIGPIPE")
    assert(pids.every(isAlive))
    program.process.kill("SIGTERM")
    expect((yield* program.ended).code).toBe(143)
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// Whoever sends it
// ---------------------------------------------------------------------------------------------------------------------

for (const command of ["timeout", "timeout --foreground"]) {
  it.live(`S8 F24 ${command} ends the tree in order, and exits 124`, () =>
    Effect.gen(function* () {
      const tree = yield* waiting(
        (file) => ({ above: { file, lingers: 200 }, below: { file, lingers: 100 } }),
        { shell: `exec ${command} 600 "$@"` }
      )
      // Its alarm is what tells it that the time has passed.
      tree.program.process.kill("SIGALRM")
      const { code, stderr } = yield* tree.program.ended
      assert(!tree.pids.some(isAlive))
      expect({ code, stderr }).toEqual({ code: 124, stderr: "" })
      expect(ended(tree)).toEqual(everybody)
    })
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Ends that are no signals
// ---------------------------------------------------------------------------------------------------------------------

it.live("S7 process.exit in the middle of the root leaves no orphan", () =>
  Effect.gen(function* () {
    const name = `t${randomUUID()}`
    const { pids, program } = yield* waiting(() => ({ name, does: "exit" }))
    expect((yield* program.ended).code).toBe(5)
    yield* Effect.forEach(pids, untilDead)
    yield* untilNone(`furrow:root/${name}`)
  })
)

for (const [does, what] of [
  ["throw", "an exception that nobody caught"],
  ["reject", "a rejection that nobody handled"]
] as const) {
  it.live(`S8 ${what} is told of once, ends the tree in order, and makes the code 1`, () =>
    Effect.gen(function* () {
      const tree = yield* waiting((file) => ({ ...both(file), does }))
      const { code, stderr } = yield* tree.program.ended
      assert(!tree.pids.some(isAlive))
      expect(code).toBe(1)
      expect(times(stderr, "that nobody caught")).toBe(1)
      expect(stderr).toContain("signalled.ts")
      expect(ended(tree)).toEqual(everybody)
    })
  )

  it.live(`S8 ${what} in an actor ends it and everything below it; its owner is told`, () =>
    Effect.gen(function* () {
      const program = yield* start("../../tree/fixtures/throwing.ts", [does])
      const { code, stderr, stdout } = yield* program.ended
      expect(code).toBe(1)
      expect(stdout).toContain("[root/Thrower] released\n")
      expect(stdout).toContain("[root/Thrower/Below] released\n")
      expect(stderr).toContain("[root/Thrower] ")
      expect(stderr).toContain('"root/Thrower" crashed: its process exited with code 1')
      expect(stderr).toContain("TypeError: that nobody caught")
    })
  )
}

it.live("S8 an exception ends a root also if a finalizer hangs", () =>
  Effect.gen(function* () {
    const { pids, program } = yield* waiting(() => ({ does: "throw", root: "takes a minute" }))
    const { code, stderr } = yield* program.ended
    expect(code).toBe(1)
    expect(stderr).toContain("that nobody caught")
    yield* Effect.forEach(pids, untilDead)
  })
)
