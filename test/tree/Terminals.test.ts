/**
 * A tree at a terminal, without one, and as the first process of a container: fault F24. Real terminals, typed at as a
 * user types.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { patience } from "../contract/World.ts"
import { childrenOf, isAlive, stateOf, untilDead } from "../node/Pids.ts"
import { start } from "../node/Program.ts"
import {
  CtrlBackslash,
  CtrlC,
  CtrlS,
  CtrlZ,
  inTerminal,
  isPossible,
  terminal
} from "../node/Terminal.ts"
import { both, ended, everybody, waiting } from "./Tree.ts"

describe.skipIf(!isPossible)(
  "in a terminal (skipped where there is no python3 to make one)",
  () => {
    it.live("F24 Ctrl-C ends every level in order, and exits 130", () =>
      Effect.gen(function* () {
        const tree = yield* waiting(both, inTerminal)
        tree.program.process.stdin.write(CtrlC)
        const { code, stdout } = yield* tree.program.ended
        assert(![tree.root, ...tree.pids].some(isAlive))
        expect(code).toBe(130)
        // It reaches the root alone: an actor that it had reached would have crashed.
        expect(stdout).not.toContain("crashed")
        expect(ended(tree)).toEqual(everybody)
      })
    )

    it.live("F24 Ctrl-C again ends a finalizer that takes a minute", () =>
      Effect.gen(function* () {
        const { pids, program } = yield* waiting(() => ({ root: "takes a minute" }), inTerminal)
        program.process.stdin.write(CtrlC)
        yield* program.until("stdout", /finalizing/)
        const begun = performance.now()
        const again = setInterval(() => program.process.stdin.write(CtrlC), 50)
        yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(again)))
        program.process.once("exit", () => clearInterval(again))
        expect((yield* program.ended).code).toBe(130)
        expect(performance.now() - begun).toBeLessThan(patience(1000))
        yield* Effect.forEach(pids, untilDead)
      })
    )

    it.live("F24 Ctrl-C after Ctrl-S ends a root that waits for its terminal", () =>
      Effect.gen(function* () {
        const tree = yield* waiting((file) => ({ ...both(file), does: "print" }), inTerminal)
        yield* tree.program.until("stdout", /a line/)
        tree.program.process.stdin.write(CtrlS)
        tree.program.process.stdin.write(CtrlC)
        expect((yield* tree.program.ended).code).toBe(130)
        expect(ended(tree)).toEqual(everybody)
      })
    )

    it.live("F24 Ctrl-\\ ends the root at once, by SIGQUIT, and everything below it is gone", () =>
      Effect.gen(function* () {
        const { pids, program, root } = yield* waiting(() => ({}), {
          shell: `ulimit -c 0; ${inTerminal.shell}`
        })
        program.process.stdin.write(CtrlBackslash)
        expect((yield* program.ended).code).toBe(128 + 3)
        yield* Effect.forEach([root, ...pids], untilDead)
      })
    )

    it.live(
      "F24 closing it ends every level in order, whatever the finalizers print, and exits 129",
      () =>
        Effect.gen(function* () {
          const tree = yield* waiting((file) => ({ ...both(file), root: "prints" }), inTerminal)
          tree.program.process.stdin.end()
          const { code } = yield* tree.program.ended
          assert(![tree.root, ...tree.pids].some(isAlive))
          expect(code).toBe(129)
          expect(ended(tree)).toEqual(everybody)
        })
    )

    it.live(
      "F23 F24 Ctrl-Z stops the root and nobody else; in the foreground again it goes on",
      () =>
        Effect.gen(function* () {
          const tree = yield* waiting(both, {
            shell: `${terminal} sh -ic '"$0" "$@"; echo "stopped: $?"; fg >/dev/null; echo "code: $?"' "$@"`
          })
          const type = (text: string) => tree.program.process.stdin.write(text)
          type(CtrlZ)
          yield* tree.program.until("stdout", /stopped: /)
          // It goes on with the shell's next command, which is `fg`.
          expect(tree.pids.map(stateOf)).not.toContain("T")
          yield* Effect.suspend(() =>
            stateOf(tree.root) === "T" ? Effect.fail("stopped") : Effect.void
          ).pipe(Effect.retry({ while: () => true }))
          type(CtrlC)
          yield* tree.program.until("stdout", /code: 130/)
          expect(ended(tree)).toEqual(everybody)
        })
    )

    it.live(
      "F24 a root in the background ends in order when it writes to a terminal that is gone",
      () =>
        Effect.gen(function* () {
          const tree = yield* waiting((file) => ({ ...both(file), does: "print" }), {
            shell: `${terminal} sh -ic '"$0" "$@" & wait' "$@"`
          })
          tree.program.process.stdin.end()
          yield* untilDead(tree.root)
          assert(!tree.pids.some(isAlive))
          expect(ended(tree)).toEqual(everybody)
        })
    )
  }
)

describe("without a terminal", () => {
  for (const [what, shell] of [
    ["in a session of its own", 'exec setsid -w "$@"'],
    ["with its stdin closed", 'exec "$@" <&-'],
    ["with its stderr closed", 'exec "$@" 2>&-'],
    ["with nothing but a pipe to write to", 'exec "$@" <&- 2>&-']
  ] as const) {
    it.live(`F24 a root ${what} ends in order by SIGTERM, and exits 143`, () =>
      Effect.gen(function* () {
        const tree = yield* waiting(both, { shell })
        process.kill(tree.root, "SIGTERM")
        const { code, stderr } = yield* tree.program.ended
        assert(!tree.pids.some(isAlive))
        expect({ code, stderr }).toEqual({ code: 143, stderr: "" })
        expect(ended(tree)).toEqual(everybody)
      })
    )
  }

  it.live(
    "F24 SIGHUP ends a root in order also under nohup: Node hears what it was started deaf to",
    () =>
      Effect.gen(function* () {
        const tree = yield* waiting(both, { shell: 'exec nohup "$@"' })
        process.kill(tree.root, "SIGHUP")
        expect((yield* tree.program.ended).code).toBe(129)
        assert(!tree.pids.some(isAlive))
        expect(ended(tree)).toEqual(everybody)
      })
  )
})

const mayUnshare = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0

describe.skipIf(!mayUnshare)(
  "as the first process of a container (skipped where this user may not make one)",
  () => {
    it.live(
      "F9 F24 a root ends in order by SIGTERM; zombies, which it cannot reap, hold up nobody",
      () =>
        Effect.gen(function* () {
          const program = yield* start("../../tree/fixtures/container.ts", [], {
            shell: 'exec unshare --pid --fork --mount-proc --kill-child "$@"'
          })
          yield* program.until("stdout", /ready as 1\n/)
          const [root = 0] = childrenOf(program.process.pid!)
          const actors = childrenOf(root).filter((pid) => stateOf(pid) !== "Z")
          expect(actors.length).toBeGreaterThan(0)
          expect(childrenOf(root).map(stateOf)).toContain("Z")
          process.kill(root, "SIGTERM")
          const { code, stderr } = yield* program.ended
          assert(!actors.some(isAlive))
          expect({ code, stderr }).toEqual({ code: 143, stderr: "" })
        })
    )
  }
)
