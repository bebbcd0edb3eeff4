/**
 * Programs that are not ours, as real processes: area SUB, and F4 and F7 for what a program has started.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeSpawner from "@furrow/node/NodeSpawner"
import * as Subprocess from "@furrow/node/Subprocess"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Nursery from "furrow/Nursery"
import { tmpdir } from "node:os"
import { realpathSync } from "node:fs"
import { vi } from "vitest"
import { events, reasonsOf } from "../contract/Watching.ts"
import { patience } from "../contract/World.ts"
import * as Table from "../tree/Table.ts"
import { Stubborn } from "./fixtures/stubborn.ts"
import { isAlive, killGroup, untilDead } from "./Pids.ts"
import { start } from "./Program.ts"
import { inTerminal, isPossible } from "./Terminal.ts"

vi.setConfig({ testTimeout: patience(2000) })

/** What a program was waiting to be told. */
class Upset extends Error {}

const sh = <E = never, R = never>(script: string, options?: Subprocess.StartOptions<E, R>) =>
  Subprocess.start("sh", ["-c", script], options)

/** A test of what this process runs by itself. */
const live = (
  name: string,
  effect: Effect.Effect<unknown, unknown, NodeActor.Services | Scope.Scope>
) => it.live(name, () => Effect.asVoid(effect).pipe(Effect.provide(NodeActor.layer)))

/** The lines of a program until it has said so many. */
const first = (lines: Stream.Stream<string>, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(lines, count)), Array.from<string>)

/** Starts a program that says the numbers of two others in its group; in a scope of its own. */
const family = Effect.fnUntraced(function* (script: string, options?: Subprocess.StartOptions) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const program = yield* Scope.provide(sh(script, options), scope)
  const pids = (yield* first(program.stdout, 1))[0]!.split(" ").map(Number)
  return { program, scope, pids: [program.pid, ...pids] }
})

const alive = (pids: ReadonlyArray<number>) => pids.filter(isAlive)

describe("the output of a program", () => {
  for (const [where, label] of [
    ["root", "root/sh"],
    ["actor", "root/Host/sh"],
    ["thread", "root/Host/sh"]
  ] as const) {
    it.live(`SUB-1 is passed on line by line, each with its label in front, in the ${where}`, () =>
      Effect.gen(function* () {
        const script = "echo one; echo two >&2; printf 'thr'; sleep 0.1; printf 'ee'"
        const root = yield* start("programs.ts", [script, where])
        const { code, stderr, stdout } = yield* root.ended
        expect(stdout.replace(/^host .*\n/, "")).toBe(
          `[${label}] one\n[${label}] three\nit has ended well\n`
        )
        expect([stderr, code]).toEqual([`[${label}] two\n`, 0])
      })
    )
  }

  it.live("SUB-4 stays in the error of one that ends badly, beside the lines", () =>
    Effect.gen(function* () {
      const root = yield* start("programs.ts", ["echo out; echo oops >&2; exit 3", "actor"])
      const { stderr, stdout } = yield* root.ended
      expect(stdout).toContain("[root/Host/sh] out\n")
      expect(stderr).toBe("[root/Host/sh] oops\n")
      const [, failed = ""] = /^it has failed: (.*)$/m.exec(stdout) ?? []
      expect(JSON.parse(failed)).toMatchObject({
        _tag: "SubprocessFailed",
        command: "sh -c 'echo out; echo oops >&2; exit 3'",
        exit: { code: 3 },
        stderr: "oops\n"
      })
    })
  )

  it.live("SUB-5 is seen by nobody if it is to be silent; the error is the same", () =>
    Effect.gen(function* () {
      const root = yield* start("programs.ts", [
        "echo out; echo oops >&2; exit 7",
        "root",
        "silent"
      ])
      const { stderr, stdout } = yield* root.ended
      const [failed, ...others] = stdout.trimEnd().split("\n")
      expect([stderr, others]).toEqual(["", []])
      expect(JSON.parse(failed!.replace("it has failed: ", ""))).toMatchObject({
        exit: { code: 7 },
        stderr: "oops\n"
      })
    })
  )

  live(
    "SUB-4 makes the note that the error ends with",
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Subprocess.run("sh", ["-c", "echo 'no such luck' >&2; exit 3"], { stderr: "silent" })
      )
      expect(error.message).toBe(
        "The program `sh -c 'echo '\\''no such luck'\\'' >&2; exit 3'` exited with code 3.\nIts last words on stderr:\nno such luck"
      )
    })
  )

  live(
    "keeps the last 16 KiB of stderr",
    Effect.gen(function* () {
      const script = "yes oops | head -n 100000 >&2; echo last >&2; exit 1"
      const error = yield* Effect.flip(Subprocess.run("sh", ["-c", script], { stderr: "silent" }))
      assert(error instanceof Subprocess.SubprocessFailed)
      expect(Buffer.byteLength(error.stderr)).toBe(16_384)
      expect(error.stderr).toMatch(/oops\nlast\n$/)
    })
  )

  live(
    "comes whole as a Stream, however many lines there are, at the pace of who reads them",
    Effect.gen(function* () {
      const program = yield* sh("seq 1 200000; printf end")
      let [count, sum, last] = [0, 0, ""]
      yield* Stream.runForEachArray(program.stdout, (lines) =>
        Effect.gen(function* () {
          count += lines.length
          sum += lines.reduce((total, line) => total + (Number(line) || 0), 0)
          last = lines.at(-1)!
          if (count < 5000) yield* Effect.sleep("1 millis")
        })
      )
      expect([count, sum, last]).toEqual([200_001, 20_000_100_000, "end"])
      yield* program.result
    })
  )

  it.live("comes whole in lines, when the program has ended long before they are written", () =>
    Effect.gen(function* () {
      const root = yield* start("programs.ts", ["seq 1 100000", "actor"])
      const { stdout } = yield* root.ended
      const lines = stdout.split("\n").filter((line) => line.startsWith("[root/Host/sh] "))
      expect(lines).toHaveLength(100_000)
      expect(lines.at(-1)).toBe("[root/Host/sh] 100000")
    })
  )

  live(
    "comes in pieces, and fills no memory, if it has no end of line",
    Effect.gen(function* () {
      const program = yield* sh("yes é | tr -d '\\n' | head -c 10000000; echo; echo next")
      const sizes: Array<number> = []
      let last = ""
      yield* Stream.runForEach(program.stdout, (line) =>
        Effect.sync(() => {
          sizes.push(Buffer.byteLength(line))
          last = line
        })
      )
      expect(last).toBe("next")
      expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536)
      expect(sizes.reduce((a, b) => a + b)).toBe(10_000_000 + "next".length)
    })
  )

  live(
    "F4 ends with it, however slowly it is read, also if a daemon of its still holds it",
    Effect.gen(function* () {
      // It goes on once the daemon has left the group: before, that would be ended with it.
      const hasLeft = "until ps -o sid= -p $! | grep -qw $!; do :; done"
      const program = yield* sh(`setsid sleep 1000 & ${hasLeft}; echo $!; seq 1 20000; echo end`)
      let [pid, count, last] = [0, 0, ""]
      yield* Stream.runForEachArray(program.stdout, (lines) =>
        Effect.gen(function* () {
          if (count === 0) {
            pid = Number(lines[0])
            yield* Effect.addFinalizer(() => Effect.sync(() => killGroup(pid)))
            yield* program.exit
            yield* Effect.sleep("500 millis")
          }
          count += lines.length
          last = lines.at(-1)!
        })
      )
      expect([count, last]).toEqual([20_002, "end"])
      expect(isAlive(pid)).toBe(true)
    })
  )

  live(
    "of both kinds can be read, each by itself",
    Effect.gen(function* () {
      const program = yield* sh("echo out; echo err >&2", { stderr: "pipe" })
      const read = yield* Effect.all(
        [Stream.runCollect(program.stdout), Stream.runCollect(program.stderr)],
        { concurrency: 2 }
      )
      expect(read).toEqual([["out"], ["err"]])
    })
  )
})

describe("a program", () => {
  it.live("SUB-2 reads nothing, writes into a pipe, and has no terminal, nor a wire", () =>
    Effect.gen(function* () {
      const script = `
        for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done
        test -S /proc/$$/fd/3 && echo "it has a wire"
        (: > /dev/tty) 2> /dev/null && echo "it has a terminal"
        ps -o tty= -p $$`
      const program = yield* sh(script)
      const lines = Array.from(yield* Stream.runCollect(program.stdout))
      expect(lines).toEqual([
        "/dev/null",
        expect.stringMatching(/^(pipe|socket):/),
        expect.stringMatching(/^(pipe|socket):/),
        expect.stringMatching(/^\s*\?\s*$/)
      ])
    }).pipe(Effect.provide(NodeActor.layer))
  )

  it.live.skipIf(!isPossible)("SUB-2 has none either if this process does", () =>
    Effect.gen(function* () {
      const script = `test -t 0 || test -t 1 || test -t 2 || echo "no terminal, and $(ps -o tty= -p $$)"`
      const root = yield* start("programs.ts", [script, "root"], inTerminal)
      yield* root.until("stdout", /^\[root\/sh\] no terminal, and \?/m)
      yield* root.until("stdout", /^it has ended well/m)
    })
  )

  live(
    "that is not there is a typed error that names it",
    Effect.gen(function* () {
      const error = yield* Effect.flip(Subprocess.run("no-such-program", ["-v"]))
      assert(error instanceof Subprocess.SubprocessNotStarted)
      expect(error.reason).toBe("NotFound")
      expect(error.message).toMatch(
        /^The program `no-such-program -v` was not started: there is no program "no-such-program" in the PATH /
      )
      const path = yield* Effect.flip(Subprocess.run("/etc/passwd"))
      expect(path).toMatchObject({ command: "/etc/passwd", reason: "NotFound" })
      const folder = yield* Effect.flip(Subprocess.run("true", [], { cwd: "/no/such/folder" }))
      expect(folder).toMatchObject({ command: "true", reason: "Refused" })
      expect(folder.message).toBe(
        'The program `true` was not started: its working directory "/no/such/folder" is no folder that can be entered.'
      )
      const long = yield* Effect.flip(Subprocess.run("no-such-program", ["x".repeat(100_000)]))
      expect(long.message.length).toBeLessThan(10_000)
    })
  )

  live(
    "has the folder and the environment that it was given, and nothing is read as a shell would",
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => (process.env["FURROW_B"] = "b")),
        () => Effect.sync(() => delete process.env["FURROW_B"])
      )
      const said = (env: Readonly<Record<string, string | undefined>>) =>
        Effect.flatMap(
          Subprocess.start("sh", ["-c", 'pwd; echo "$A-$FURROW_B"; echo "$1"', "sh", "$(boom) *"], {
            cwd: tmpdir(),
            env
          }),
          ({ stdout }) => first(stdout, 3)
        )
      const folder = realpathSync(tmpdir())
      expect(yield* said({ A: "a" })).toEqual([folder, "a-b", "$(boom) *"])
      // No shell would pass that one on.
      const env = { A: "a", FURROW_B: undefined, "no.identifier": "1" }
      expect(yield* said(env)).toEqual([folder, "a-", "$(boom) *"])
    })
  )

  live(
    "that was ended by a signal is told as that",
    Effect.gen(function* () {
      const error = yield* Effect.flip(Subprocess.run("sh", ["-c", "kill -SEGV $$"]))
      assert(error instanceof Subprocess.SubprocessFailed)
      expect(error.exit).toEqual({ signal: "SIGSEGV" })
      const program = yield* sh("echo up; kill -KILL $$")
      expect(yield* program.exit).toEqual({ signal: "SIGKILL" })
    })
  )
})

describe("what a program reads", () => {
  live(
    "is what it is fed, to its end",
    Effect.gen(function* () {
      const program = yield* Subprocess.start("sort", ["-n"], {
        stdin: Stream.make("10\n", "9\n", new TextEncoder().encode("1"), "1\n")
      })
      expect(yield* Stream.runCollect(program.stdout)).toEqual(["9", "10", "11"])
      yield* program.result
    })
  )

  live(
    "is nothing if it is fed nothing",
    Effect.map(Effect.exit(Subprocess.run("cat")), (exit) => assert(Exit.isSuccess(exit)))
  )

  live(
    "need not be read: it ends as it does, whatever it was to be fed",
    Effect.gen(function* () {
      const endless = Stream.forever(Stream.make(new Uint8Array(65_536)))
      yield* Subprocess.run("true", [], { stdin: endless })
      const error = yield* Effect.flip(
        Subprocess.run("sh", ["-c", "head -c 100000 > /dev/null; exit 4"], { stdin: endless })
      )
      assert(error instanceof Subprocess.SubprocessFailed)
      expect(error.exit).toEqual({ code: 4 })
      // Nor need there ever be more of it.
      yield* Subprocess.run("true", [], { stdin: Stream.never })
    })
  )

  live(
    "that fails has it stopped before it takes half of it for the whole",
    Effect.gen(function* () {
      const broken = Stream.concat(Stream.make("half\n"), Stream.fail(new Upset("no more")))
      const program = yield* sh("read -r line; echo $line; read -r line; echo 'it has an end'", {
        stdin: broken
      })
      const said = yield* Effect.forkChild(Stream.runCollect(program.stdout))
      expect(yield* Effect.flip(program.result)).toBeInstanceOf(Upset)
      expect(yield* Effect.flip(program.exit)).toBeInstanceOf(Upset)
      expect(yield* Fiber.join(said)).not.toContain("it has an end")
      const run = yield* Effect.flip(Subprocess.run("cat", [], { stdin: broken, stdout: "silent" }))
      expect(run).toBeInstanceOf(Upset)
    })
  )
})

describe("the end of a program", () => {
  const two = "sleep 1000 & one=$!; sleep 1000 & echo $one $!; wait"

  live(
    "F4 is the end of its group, when its scope closes",
    Effect.gen(function* () {
      const { pids, scope } = yield* family(two)
      expect(alive(pids)).toHaveLength(3)
      yield* Scope.close(scope, Exit.void)
      expect(alive(pids)).toEqual([])
    })
  )

  live(
    "F7 is the end of its group, when it ends by itself and leaves others behind that ignore SIGTERM",
    Effect.gen(function* () {
      const goOn = yield* Deferred.make<void>()
      const { pids, program, scope } = yield* family(
        `sh -c 'trap "" TERM; sleep 1000 & echo $$ $!; wait; wait' & read -r _; exit 0`,
        { stdin: Stream.drain(Stream.fromEffect(Deferred.await(goOn))) }
      )
      expect(alive(pids)).toHaveLength(3)
      yield* Deferred.succeed(goOn, undefined)
      yield* program.result
      // Long before the scope closes.
      yield* Effect.forEach(pids, untilDead)
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provideService(NodeSpawner.GroupGrace, "50 millis"))
  )

  live(
    "is SIGTERM, and SIGKILL if it ignores that, and says so",
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const logger = Logger.make(({ message }) => void warnings.push(String(message)))
      const { pids, program, scope } = yield* family(
        `trap '' TERM; ${two.replace("wait", "wait; wait; wait")}`,
        {
          label: "stubborn",
          terminateGrace: "100 millis"
        }
      )
      yield* Effect.provide(program.stop, Logger.layer([logger]))
      expect(alive(pids)).toEqual([])
      expect(yield* program.exit).toEqual({ signal: "SIGKILL" })
      expect(warnings).toEqual([
        expect.stringMatching(
          /^The program "stubborn" \(pid \d+\) has not ended 0\.\d s after SIGTERM. It gets SIGKILL.$/
        )
      ])
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provideService(NodeSpawner.GroupGrace, "50 millis"))
  )

  live(
    "is asked for once, by however many, and can be seen as what it was",
    Effect.gen(function* () {
      const program = yield* sh(
        `trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done`
      )
      expect(yield* first(program.stdout, 1)).toEqual(["up"])
      const stopping = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(program.stop))
      // Who does not wait any more does not keep it alive.
      yield* Fiber.interrupt(stopping[0]!)
      yield* Fiber.join(stopping[1]!)
      yield* program.stop
      expect(yield* program.exit).toEqual({ code: 5 })
      expect(reasonsOf(yield* Effect.exit(program.result))).toEqual([
        expect.objectContaining({ _tag: "SubprocessFailed", exit: { code: 5 } })
      ])
      expect(Array.from(yield* Stream.runCollect(program.stdout))).toEqual(["bye"])
    })
  )

  live(
    "comes when whoever runs it is interrupted, who waits for it",
    Effect.gen(function* () {
      const started = yield* Deferred.make<number>()
      const running = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            const program = yield* sh(two)
            yield* first(program.stdout, 1)
            yield* Deferred.succeed(started, program.pid)
            yield* program.result
          })
        )
      )
      const group = yield* Deferred.await(started)
      const members = Table.all().filter((entry) => entry.group === group)
      expect(members).toHaveLength(3)
      yield* Fiber.interrupt(running)
      expect(Table.left(members)).toEqual([])
    })
  )
})

describe("an actor that is stopped", () => {
  live(
    "S5 gives a program that does not end half of the time that is left, and ends in time itself",
    Effect.gen(function* () {
      const watch = yield* events
      const host = yield* Nursery.spawn(Stubborn, {
        main: new URL("./fixtures/stubborn.main.ts", import.meta.url),
        grace: "6 seconds"
      })
      const pids = yield* host.client.Start()
      expect(alive(pids)).toHaveLength(2)
      yield* host.stop
      expect(alive(pids)).toEqual([])
      expect(watch.of("Stopped").map(({ stage }) => stage)).toEqual(["asked"])
    }).pipe(Nursery.run())
  )
})

describe("a process that is killed", () => {
  /** A tree that runs a script of three processes, which it is asked to say the numbers of. */
  const running = Effect.fnUntraced(function* (where: "root" | "actor" | "thread", script: string) {
    const root = yield* start("programs.ts", [script, where])
    yield* root.until("stdout", /\] up\n/)
    const table = yield* Table.take(root.process.pid!)
    const group = table.find(({ command }) => command.startsWith("sh -c"))?.group
    const programs = table.filter((entry) => entry.group === group)
    expect(programs).toHaveLength(3)
    return { root, table, programs }
  })

  const three = "trap '' TERM HUP; sleep 1000 & sleep 1000 & echo up; wait; wait; wait"

  for (const where of ["root", "thread"] as const) {
    it.live(`F4 F3 takes the programs along that run in its ${where}`, () =>
      Effect.gen(function* () {
        const { root, table } = yield* running(where, three)
        process.kill(root.process.pid!, "SIGKILL")
        yield* Table.untilGone(table)
      })
    )
  }

  it.live("F4 takes its programs along, when it is an actor; its parent is told, and lives", () =>
    Effect.gen(function* () {
      const { programs, root, table } = yield* running("actor", three)
      const [, host = ""] = yield* root.until("stdout", /^host (\d+)$/m)
      process.kill(Number(host), "SIGKILL")
      yield* Table.untilGone(programs)
      const { code, stdout } = yield* root.ended
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^it was lost: .*SIGKILL/m)])
      yield* Table.untilGone(table)
    })
  )

  it.live(
    "F4 takes its programs along, also if the actor is stopped, or its parent is killed",
    () =>
      Effect.gen(function* () {
        const { root, table } = yield* running("actor", three)
        const [, host = ""] = yield* root.until("stdout", /^host (\d+)$/m)
        process.kill(Number(host), "SIGSTOP")
        process.kill(root.process.pid!, "SIGKILL")
        yield* Table.untilGone(table)
      })
  )

  it.live("S9 leaves no guardian when the last program is gone", () =>
    Effect.gen(function* () {
      const guardians = () =>
        Table.all().filter((entry) => entry.parent === process.pid && Table.isGuardian(entry))
      const program = yield* Effect.scoped(
        Effect.gen(function* () {
          const [one, other] = [yield* sh("sleep 1000"), yield* sh("sleep 1000")]
          expect(guardians()).toHaveLength(1)
          yield* other.stop
          return one
        })
      )
      yield* untilDead(program.pid)
      expect(guardians()).toEqual([])
    }).pipe(Effect.provide(NodeActor.layer))
  )
})
