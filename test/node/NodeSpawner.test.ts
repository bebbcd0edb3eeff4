/** Processes started by `NodeSpawner`: their wire, their exit, their group, their output, what they inherit. */
import * as NodeSpawner from "@furrow/node/NodeSpawner"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { channel } from "node:diagnostics_channel"
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { vi } from "vitest"
import * as Child from "./Child.ts"
import { isAlive, untilDead } from "./Pids.ts"

const world = Effect.provide(Child.layer)

/** What is read until the end of the file, and how it ended. */
const readAll = Effect.fnUntraced(function* (reader: {
  readonly pull: Effect.Effect<ReadonlyArray<Uint8Array | string>, unknown>
}) {
  const parts: Array<Uint8Array> = []
  const error = yield* reader.pull.pipe(
    Effect.tap((chunks) =>
      Effect.sync(() => {
        for (const chunk of chunks) parts.push(Buffer.from(chunk as Uint8Array))
      })
    ),
    Effect.forever,
    Effect.flip
  )
  return {
    bytes: Buffer.concat(parts),
    error: error as { readonly reason: { readonly _tag: string; readonly code?: number } }
  }
})

const echo = new URL("./fixtures/echo.ts", import.meta.url)

describe("the wire", () => {
  it.live("carries bytes both ways, whole and in order, at both ends", () =>
    Effect.gen(function* () {
      const child = yield* Child.spawn({ main: echo })
      const reader = yield* child.socket.reader
      const writing = yield* Scope.make()
      const writer = yield* Scope.provide(child.socket.writer, writing)
      const sent = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, at) => (at * 31) % 251))
      const reading = yield* Effect.forkChild(readAll(reader))
      yield* writer.write(sent.subarray(0, 7))
      yield* writer.write(sent.subarray(7, 2_000_000))
      yield* writer.writeAll([sent.subarray(2_000_000, 2_000_001), sent.subarray(2_000_001)])
      yield* Scope.close(writing, Exit.void)
      const { bytes, error } = yield* Fiber.join(reading)
      expect(bytes.subarray(0, sent.length).equals(sent)).toBe(true)
      expect(bytes.subarray(sent.length).toString()).toBe("goodbye 1000")
      expect(error.reason).toMatchObject({ _tag: "SocketCloseError", code: 1000 })
      expect(yield* child.exit).toEqual({ code: 0 })
      expect(yield* child.stderrTail).toBe("late: SocketWriteError\n")
    }).pipe(Effect.scoped, world)
  )

  it.live(
    "loses nothing that was said before the first pull, also of a child that is dead by then",
    () =>
      Effect.gen(function* () {
        const child = yield* Child.spawn()
        const writer = yield* child.socket.writer
        yield* writer.write(
          "new Promise(() => wire.write('x'.repeat(100_000), () => process.exit(3)))\n"
        )
        expect(yield* child.exit).toEqual({ code: 3 })
        const { bytes, error } = yield* readAll(yield* child.socket.reader)
        expect(bytes.length).toBe(100_000)
        expect(error.reason).toMatchObject({ _tag: "SocketCloseError", code: 1000 })
      }).pipe(Effect.scoped, world)
  )

  it.live("is each child's own, also of children that are started at once and alike", () =>
    Effect.gen(function* () {
      const children = yield* Effect.all(
        Array.from({ length: 4 }, () => Child.obedient()),
        { concurrency: "unbounded" }
      )
      const pids = yield* Effect.forEach(children, ({ ask }) => ask("process.pid"))
      expect(pids).toEqual(children.map(({ pid }) => pid))
      // Nobody listens to what else this process starts.
      expect(channel("child_process").hasSubscribers).toBe(false)
    }).pipe(Effect.scoped, world)
  )

  it.live("a write waits for a child that does not read, and fails when it dies", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient()
      yield* child.ask("void wire.pause()")
      let taken = 0
      const writing = yield* child.writer.write(Buffer.alloc(65_536)).pipe(
        Effect.tap(() => Effect.sync(() => taken++)),
        Effect.repeat({ times: 255 }),
        Effect.flip,
        Effect.forkChild({ startImmediately: true })
      )
      yield* child.kill
      const error = yield* Fiber.join(writing)
      expect(error.reason._tag).toBe("SocketWriteError")
      expect(taken).toBeLessThan(32)
      expect((yield* Effect.flip(child.writer.write("x"))).reason._tag).toBe("SocketWriteError")
    }).pipe(Effect.scoped, world)
  )

  it.live("at the child's end, a write waits for a parent that does not read", () =>
    Effect.gen(function* () {
      const child = yield* Child.spawn({ main: echo, env: { FURROW_TEST: "flood" } })
      expect(yield* child.exit).toEqual({ code: 0 })
      const taken = Number(/stalled after (\d+)/.exec(yield* child.stderrTail)?.[1])
      expect(taken).toBeLessThan(32)
    }).pipe(Effect.scoped, world)
  )

  it.live("a write after the child has closed its end takes back nothing that it had said", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-wire-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true }))
      )
      const file = join(folder, "closed")
      const child = yield* Child.spawn({ main: echo, env: { FURROW_TEST: file } })
      const reader = yield* child.socket.reader
      const writing = yield* Scope.make()
      const writer = yield* Scope.provide(child.socket.writer, writing)
      yield* writer.write("leave")
      // This process reads nothing before it has written once more.
      while (!existsSync(file));
      yield* Effect.exit(writer.write("late"))
      yield* Scope.close(writing, Exit.void)
      const { bytes } = yield* readAll(reader)
      expect(bytes.toString()).toBe("goodbye")
    }).pipe(Effect.scoped, world)
  )

  it.live("closing the reader ends a pull that waits in another fiber", () =>
    Effect.gen(function* () {
      const child = yield* Child.spawn()
      const reading = yield* Scope.make()
      const reader = yield* Scope.provide(child.socket.reader, reading)
      const pulling = yield* Effect.forkChild(Effect.flip(reader.pull), { startImmediately: true })
      yield* Scope.close(reading, Exit.void)
      expect((yield* Fiber.join(pulling)).reason).toMatchObject({
        _tag: "SocketCloseError",
        code: 1006
      })
    }).pipe(Effect.scoped, world)
  )

  it.live("an interrupted pull loses nothing", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient()
      const pulling = yield* Effect.forkChild(child.reader.pull, { startImmediately: true })
      yield* Fiber.interrupt(pulling)
      expect(yield* child.ask("1 + 1")).toBe(2)
    }).pipe(Effect.scoped, world)
  )
})

describe("the exit", () => {
  it.live("names the code, when the process is reaped", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient()
      yield* child.tell("process.exit(3)")
      expect(yield* child.exit).toEqual({ code: 3 })
      expect(() => process.kill(child.pid!, 0)).toThrow("ESRCH")
    }).pipe(Effect.scoped, world)
  )

  it.live("names the signal", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient()
      yield* child.tell("process.kill(process.pid, 'SIGKILL')")
      expect(yield* child.exit).toEqual({ signal: "SIGKILL" })
      const terminated = yield* Child.obedient()
      yield* terminated.terminate
      expect(yield* terminated.exit).toEqual({ signal: "SIGTERM" })
    }).pipe(Effect.scoped, world)
  )
})

describe("the group", () => {
  const startProgram = "require('child_process').spawn('sleep', ['1000']).pid"

  it.live("is signalled whole by terminate and kill", () =>
    Effect.gen(function* () {
      for (const name of ["terminate", "kill"] as const) {
        const child = yield* Child.obedient()
        const program = Number(yield* child.ask(startProgram))
        expect(isAlive(program)).toBe(true)
        yield* child[name]
        yield* child.exit
        yield* untilDead(program)
      }
    }).pipe(Effect.scoped, world)
  )

  it.live("F8 is never signalled by its number once the leader is reaped", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const child = yield* Scope.provide(Child.obedient(), scope)
      yield* child.tell("process.exit()")
      yield* child.exit
      const kill = vi.spyOn(process, "kill")
      yield* child.terminate
      yield* child.kill
      yield* Scope.close(scope, Exit.void)
      // Who looks does not signal.
      const signals = kill.mock.calls.filter(([, signal]) => signal !== 0)
      kill.mockRestore()
      expect(signals).toEqual([])
    }).pipe(world)
  )

  for (const how of ["process.exit()", "process.exit(3)", "process.kill(process.pid, 'SIGKILL')"]) {
    it.live(`has no member left when the scope is closed, after ${how}`, () =>
      Effect.gen(function* () {
        const program = yield* Effect.scoped(
          Effect.gen(function* () {
            const child = yield* Child.obedient()
            const pid = yield* child.ask(
              "Number(require('child_process').execSync('sleep 1000 >/dev/null 2>&1 & echo $!'))"
            )
            yield* child.tell(how)
            yield* child.exit
            return Number(pid)
          })
        )
        expect(isAlive(program)).toBe(false)
      }).pipe(world)
    )
  }

  it.live("has no member left when the scope is closed on a child that ignores SIGTERM", () =>
    Effect.gen(function* () {
      const pids = yield* Effect.scoped(
        Effect.gen(function* () {
          const child = yield* Child.obedient()
          yield* child.ask("void process.on('SIGTERM', () => {})")
          const pid = yield* child.ask(
            "require('child_process').spawn('sh', ['-c', 'trap \"\" TERM; while :; do sleep 1; done']).pid"
          )
          return [child.pid!, Number(pid)]
        })
      )
      expect(pids.map(isAlive)).toEqual([false, false])
    }).pipe(Effect.provideService(NodeSpawner.GroupGrace, "50 millis"), world)
  )
})

describe("the module", () => {
  const failure = (options: Parameters<typeof Child.spawn>[0]) =>
    Child.spawn(options).pipe(
      Effect.flip,
      Effect.map((error) => error.message),
      Effect.scoped,
      world
    )

  it.live("must be named", () =>
    Effect.gen(function* () {
      expect(yield* failure({ main: undefined })).toMatch(
        /"root\/obedient" did not start.*give "main".*NodeActor\.main/s
      )
    })
  )

  it.live("may have a default", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({ main: undefined })
      expect(yield* child.ask("1 + 1")).toBe(2)
    }).pipe(Effect.scoped, Effect.provideService(NodeSpawner.DefaultMain, Child.main), world)
  )

  it.live("may be a URL, the text of one, or a path", () =>
    Effect.gen(function* () {
      for (const main of [Child.main, Child.main.href, Child.main.pathname]) {
        const child = yield* Child.obedient({ main })
        expect(yield* child.ask("1 + 1")).toBe(2)
      }
    }).pipe(Effect.scoped, world)
  )

  it.live("must be a file that exists, and not one that a bundler has inlined", () =>
    Effect.gen(function* () {
      expect(yield* failure({ main: new URL("./nowhere.ts", Child.main) })).toMatch(
        /does not exist: \S+nowhere\.ts/
      )
      expect(yield* failure({ main: new URL(".", Child.main) })).toContain("does not exist")
      expect(yield* failure({ main: "data:video/mp2t;base64,AAAA" })).toContain("entry of its own")
      expect(yield* failure({ main: "https://example.com/main.js" })).toContain("is no file")
    })
  )

  it.live("a working directory or a Node that does not exist is a failed start", () =>
    Effect.gen(function* () {
      expect(yield* failure({ cwd: "/nowhere" })).toMatch(/did not start.*\/nowhere/s)
      expect(yield* failure({ execPath: "/nowhere/node" })).toMatch(
        /did not start.*\/nowhere\/node/s
      )
    })
  )

  it.live("a Node is found by its name as a shell finds it", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "furrow-path-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      symlinkSync(process.execPath, join(folder, "some-node"))
      const PATH = `/nowhere:${folder}:${process.env["PATH"]}`
      const child = yield* Child.obedient({ execPath: "some-node", env: { PATH } })
      expect(yield* child.ask("1 + 1")).toBe(2)
      expect(yield* failure({ execPath: "some-node" })).toMatch(
        /did not start.*"execPath".*: some-node/s
      )
      expect(yield* failure({ execPath: folder })).toMatch(/did not start.*"execPath"/s)
    }).pipe(Effect.scoped, world)
  )

  it.live("a text that no process can be given is a failed start", () =>
    Effect.gen(function* () {
      expect(yield* failure({ env: { BAD: "a\0b" } })).toContain("NUL")
    })
  )
})

describe("what a child inherits", () => {
  it.live("its role stands in its arguments and nowhere else", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient()
      expect(yield* child.ask("process.argv.slice(2)")).toEqual(["furrow:Obedient"])
      expect(
        yield* child.ask("Object.values(process.env).filter((x) => x.includes('urrow:'))")
      ).toEqual([])
    }).pipe(Effect.scoped, world)
  )

  it.live("the environment, with additions and without what is removed", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({ env: { FURROW_TEST: "yes", HOME: undefined } })
      expect(
        yield* child.ask("[process.env.FURROW_TEST, 'HOME' in process.env, process.env.PATH]")
      ).toEqual(["yes", false, process.env["PATH"]])
    }).pipe(Effect.scoped, world)
  )

  it.live("the environment as it is, though a shell holds it back until it is watched over", () =>
    Effect.gen(function* () {
      const env = { FURROW_TEST: 'two\nlines, a "quote" and a $HOME', EMPTY: "" }
      // What a shell says as it sees it, and what every child is given.
      const own = /^(?:_|OLDPWD|PWD|SHLVL|NODE_COMPILE_CACHE|NODE_OPTIONS|EMPTY|FURROW_TEST)$/
      const child = yield* Child.obedient({ env })
      const inherited = (yield* child.ask("process.env")) as Record<string, string>
      expect(inherited).toMatchObject(env)
      const others = (env: object) =>
        Object.fromEntries(Object.entries(env).filter(([name]) => !own.test(name)))
      expect(others(inherited)).toEqual(others(process.env))
    }).pipe(Effect.scoped, world)
  )

  it.live("also variables whose names no shell could use", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({ env: { "furrow.test": "yes" } })
      expect(yield* child.ask("process.env['furrow.test']")).toBe("yes")
    }).pipe(Effect.scoped, world)
  )

  it.live("a compile cache of this user alone", () =>
    Effect.gen(function* () {
      vi.stubEnv("NODE_V8_COVERAGE", undefined)
      vi.stubEnv("NODE_COMPILE_CACHE", undefined)
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
      const child = yield* Child.obedient()
      const cache = yield* child.ask("process.env.NODE_COMPILE_CACHE")
      expect(cache).toBe(join(tmpdir(), `furrow-${process.getuid!()}`, "compile-cache"))
      const without = yield* Child.obedient({ env: { NODE_COMPILE_CACHE: undefined } })
      expect(yield* without.ask("process.env.NODE_COMPILE_CACHE")).toBe(null)
    }).pipe(Effect.scoped, world)
  )

  it.live("directory, flags, memory and title as they are given", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({
        cwd: tmpdir(),
        execArgv: ["--conditions=source"],
        memory: 64,
        title: "a title\u001b[0m\n"
      })
      expect(yield* child.ask("process.cwd()")).toBe(tmpdir())
      expect(yield* child.ask("process.execArgv")).toEqual([
        "--conditions=source",
        "--max-old-space-size=64",
        "--title=a title[0m"
      ])
      expect(yield* child.ask("process.title")).toBe("a title[0m")
    }).pipe(Effect.scoped, world)
  )

  it.live("OPS-1: the list of processes shows who it is", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient()
      expect(yield* child.ask("process.title")).toBe("furrow:root/obedient")
      expect(
        yield* child.ask(
          "String(require('child_process').execSync(`ps -o args= -p ${process.pid}`))"
        )
      ).toContain("furrow:root/obedient")
    }).pipe(Effect.scoped, world)
  )

  it.live.skipIf(process.getuid?.() !== 0)("another user and group, before its module runs", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "furrow-test-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
      chmodSync(directory, 0o755)
      const main = join(directory, "obedient.mts")
      copyFileSync(Child.main, main)
      chmodSync(main, 0o644)
      const child = yield* Child.obedient({ main, uid: 65_534, gid: 65_533 })
      expect(yield* child.ask("[process.getuid(), process.getgid(), process.getgroups()]")).toEqual(
        [65_534, 65_533, [65_533]]
      )
    }).pipe(Effect.scoped, world)
  )
})

describe("stdin", () => {
  it.live("OPS-2: is at its end, and never this process's terminal", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient()
      expect(yield* child.ask("String(require('fs').readFileSync(0))")).toBe("")
      expect(yield* child.ask("process.stdin.isTTY ?? false")).toBe(false)
    }).pipe(Effect.scoped, world)
  )

  it.live("is a Stream, if one is given", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({
        stdin: Stream.make(Buffer.from("one "), Buffer.from("two"))
      })
      expect(yield* child.ask("String(require('fs').readFileSync(0))")).toBe("one two")
    }).pipe(Effect.scoped, world)
  )
})

describe("output", () => {
  it.live("is a Stream with pipe, and ends with the process", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({ stdout: "pipe", stderr: "pipe" })
      yield* child.ask("void console.log('out')")
      yield* child.ask("void console.error('err')")
      yield* child.tell("process.exit()")
      const text = (stream: Stream.Stream<Uint8Array>) => Stream.mkString(Stream.decodeText(stream))
      expect(yield* text(child.stdout)).toBe("out\n")
      expect(yield* text(child.stderr)).toBe("err\n")
      expect(yield* child.stderrTail).toBe("err\n")
    }).pipe(Effect.scoped, world)
  )

  it.live("the last 16 KiB of stderr are kept, also when nobody reads them", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({ stderr: "pipe" })
      yield* child.ask("void process.stderr.write('é'.repeat(50_000) + 'x')")
      yield* child.tell("process.exit(1)")
      yield* child.exit
      const tail = yield* child.stderrTail
      expect(tail).toBe(`${"é".repeat(8191)}x`)
    }).pipe(Effect.scoped, world)
  )

  it.live("with ignore there is neither Stream nor tail", () =>
    Effect.gen(function* () {
      const child = yield* Child.obedient({ stderr: "ignore" })
      yield* child.ask("void console.error('dropped')")
      yield* child.tell("process.exit()")
      yield* child.exit
      expect(yield* Stream.runCount(child.stderr)).toBe(0)
      expect(yield* child.stderrTail).toBe("")
    }).pipe(Effect.scoped, world)
  )
})
