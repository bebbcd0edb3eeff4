/** Threads started by `NodeWorkerSpawner`: what they inherit, how they end, their output, and the programs they start. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeWorkerSpawner from "@furrow/node/NodeWorkerSpawner"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Nursery from "furrow/Nursery"
import { Spawner } from "furrow/Spawner"
import type { LifeOptions, ProcessOptions } from "furrow/Spawner"
import { SpawnError } from "furrow/TreeError"
import * as Stream from "effect/Stream"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Worker } from "node:worker_threads"
import { vi } from "vitest"
import { patience } from "../contract/World.ts"
import { Evaluator } from "./fixtures/evaluator.ts"
import { isAlive, killGroup, untilDead } from "./Pids.ts"
import * as Program from "./Program.ts"

const main = new URL("./fixtures/evaluator.ts", import.meta.url)
const helloTimeout = patience(2000)

const world = Effect.provide(Layer.merge(NodeActor.layer, NodeWorkerSpawner.layer))

type Options = LifeOptions & ProcessOptions

/** A thread that evaluates, in a block of its own. */
const inBlock = <A, E, R>(
  use: (thread: Effect.Success<ReturnType<typeof spawn>>) => Effect.Effect<A, E, R>,
  options?: Options
) => Nursery.run(Effect.flatMap(spawn(options), use)).pipe(world)

const spawn = (options?: Options) =>
  Effect.map(Nursery.spawn(Evaluator, { main, helloTimeout, ...options }), (portal) => ({
    ...portal,
    ask: (code: string) =>
      Effect.map(portal.client.Evaluate(code), (answer): unknown => JSON.parse(answer)),
    askBelow: (code: string) =>
      Effect.map(portal.client.EvaluateBelow(code), (answer): unknown => JSON.parse(answer))
  }))

/** Waits until there is such a file. */
const untilThere = (file: string) =>
  Effect.promise(() => vi.waitFor(() => assert(existsSync(file)), patience(1000)))

/** Why a start fails. */
const refusal = (options: Options) =>
  Effect.map(Effect.flip(inBlock(() => Effect.void, options)), (error) => {
    assert(error instanceof SpawnError, String(error))
    return error.message
  })

describe("a thread", () => {
  const where = "[process.pid, require('worker_threads').isMainThread, process.argv.slice(2)]"

  it.live("W1 runs the module that a process runs, and one Layer makes the difference", () =>
    Effect.gen(function* () {
      expect(yield* inBlock(({ ask }) => ask(where))).toEqual([
        process.pid,
        false,
        ["furrow:Evaluator"]
      ])
      const [pid, isMainThread] = (yield* Nursery.run(
        Effect.flatMap(spawn(), ({ ask }) => ask(where))
      ).pipe(Effect.provide(NodeActor.layer))) as [number, boolean]
      expect(pid).not.toBe(process.pid)
      expect(isMainThread).toBe(true)
    })
  )

  it.live("W1 has threads for its own actors", () =>
    Effect.gen(function* () {
      expect(yield* inBlock(({ askBelow }) => askBelow(where))).toEqual([
        process.pid,
        false,
        ["furrow:Evaluator"]
      ])
    })
  )

  it.live("is chosen for one spawn among processes", () =>
    Nursery.run(
      Effect.gen(function* () {
        const process = yield* spawn()
        const thread = yield* Effect.provide(spawn(), NodeWorkerSpawner.layer)
        expect(process.pid).toBeTypeOf("number")
        expect(thread.pid).toBeUndefined()
        expect(yield* thread.ask("require('worker_threads').isMainThread")).toBe(false)
      })
    ).pipe(Effect.provide(NodeActor.layer))
  )

  it.live(
    "cannot have what belongs to a process, which is refused by name before anything is started",
    () =>
      Effect.gen(function* () {
        const started = vi.fn<() => void>()
        process.on("worker", started)
        yield* Effect.addFinalizer(() => Effect.sync(() => void process.off("worker", started)))
        const all = { cwd: tmpdir(), execPath: process.execPath, uid: 1, gid: 1 }
        for (const [name, value] of Object.entries(all)) {
          expect(yield* refusal({ [name]: value })).toMatch(
            new RegExp(`"${name}".*NodeSpawner.layer`)
          )
        }
        expect(yield* refusal(all)).toContain('"cwd", "execPath", "gid", "uid"')
        expect(yield* refusal({ main: new URL("./nowhere.ts", main) })).toContain("nowhere.ts")
        expect(started).not.toHaveBeenCalled()
      }).pipe(Effect.scoped)
  )

  it.live("inherits the environment, with additions and without what is removed", () =>
    Effect.gen(function* () {
      const env = { FURROW_TEST: "yes", HOME: undefined }
      expect(
        yield* inBlock(
          ({ ask }) => ask("[process.env.FURROW_TEST, 'HOME' in process.env, process.env.PATH]"),
          { env }
        )
      ).toEqual(["yes", false, process.env["PATH"]])
      expect(process.env["FURROW_TEST"]).toBeUndefined()
    })
  )

  it.live("has the flags it is given; one that Node gives no thread fails the start, by name", () =>
    Effect.gen(function* () {
      const execArgv = ["--conditions=source"]
      expect(yield* inBlock(({ ask }) => ask("process.execArgv"), { execArgv })).toEqual(execArgv)
      const inherited = "process.execArgv.filter((flag) => !flag.includes('prebuilt'))"
      expect(yield* inBlock(({ ask }) => ask(inherited))).toEqual(process.execArgv)
      expect(yield* refusal({ execArgv: ["--title=x"] })).toContain("--title=x")
    })
  )

  it.live("has a title for a name", () =>
    Effect.gen(function* () {
      const names: Array<string | null> = []
      const note = (worker: Worker) => void names.push(worker.threadName)
      process.on("worker", note)
      yield* Effect.addFinalizer(() => Effect.sync(() => void process.off("worker", note)))
      yield* inBlock(() => Effect.void)
      yield* inBlock(() => Effect.void, { title: "a title" })
      expect(names).toEqual(["furrow:root/Evaluator", "a title"])
    }).pipe(Effect.scoped)
  )

  it.live("has a Stream for its stdin, or none", () =>
    Effect.gen(function* () {
      const read =
        "process.stdin.setEncoding('utf8').on('data', (text) => (globalThis.text = (globalThis.text ?? '') + text)).on('end', () => (globalThis.text ??= '')) && 0"
      const text = (options?: Options) =>
        inBlock(
          ({ ask }) =>
            Effect.andThen(
              ask(read),
              Effect.repeat(ask("process.stdin.readableEnded ? globalThis.text : null"), {
                until: (text) => text !== null
              })
            ),
          options
        )
      expect(yield* text({ stdin: Stream.make(Buffer.from("one "), Buffer.from("two")) })).toBe(
        "one two"
      )
      expect(yield* text()).toBe("")
    })
  )
})

describe("output of a thread", () => {
  const text = (stream: Stream.Stream<Uint8Array>) => Stream.mkString(Stream.decodeText(stream))

  it.live("is a Stream with pipe, and ends with the thread", () =>
    inBlock(
      Effect.fnUntraced(function* ({ ask, stderr, stdout, stop }) {
        yield* ask("void console.log('out')")
        yield* ask("void process.stderr.write('e'.repeat(100_000))")
        yield* Effect.forkChild(stop)
        const [out, err] = yield* Effect.all([text(stdout), text(stderr)], {
          concurrency: "unbounded"
        })
        expect(out).toBe("out\n")
        expect(err).toBe("e".repeat(100_000))
      }),
      { stdout: "pipe", stderr: "pipe" }
    )
  )

  for (const mode of ["lines", "pipe"] as const) {
    it.live(`tells what the thread died of, as its last words, with ${mode}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          inBlock(
            ({ ask }) =>
              Effect.andThen(
                ask("process.removeAllListeners('uncaughtException') && 0"),
                Effect.andThen(
                  ask("setImmediate(() => { throw new RangeError('out of luck') }) && 0"),
                  Effect.never
                )
              ),
            { stderr: mode }
          )
        )
        expect(error).toMatchObject({ _tag: "ActorCrashed", cause: { exit: { code: 1 } } })
        expect(String(error)).toContain("RangeError: out of luck")
      })
    )
  }

  it.live("is dropped with ignore, and holds nobody up", () =>
    inBlock(
      ({ ask }) =>
        Effect.gen(function* () {
          yield* ask("void process.stdout.write('x'.repeat(1_000_000))")
          expect(
            yield* Effect.repeat(ask("process.stdout.writableLength"), {
              until: (length) => length === 0
            })
          ).toBe(0)
        }),
      { stdout: "ignore" }
    )
  )
})

describe("the end of a thread", () => {
  it.live("names its code, also one that it gave itself, and ends nobody else", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(inBlock(({ ask }) => ask("process.exit(7)")))
      expect(error).toMatchObject({ _tag: "ActorCrashed", cause: { exit: { code: 7 } } })
    })
  )

  it.live("by terminate is in order, with the code that SIGTERM gives a process", () =>
    Effect.gen(function* () {
      const spawner = yield* Spawner
      const thread = yield* spawner.spawn({ actor: Evaluator, path: "root/e", options: { main } })
      // Its hello: it listens by now.
      yield* Effect.flatMap(thread.socket.reader, ({ pull }) => pull)
      yield* thread.terminate
      expect(yield* thread.exit).toEqual({ code: 143 })
      yield* thread.terminate
      yield* thread.kill
      expect(yield* thread.exit).toEqual({ code: 143 })
    }).pipe(Effect.scoped, world)
  )

  /** Lets the thread begin with something that does not end by itself, stops it, and gives how it ended. */
  const stopped = (code: (folder: string) => string) =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-thread-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true }))
      )
      const begun = join(folder, "begun")
      return yield* Nursery.run(
        Effect.gen(function* () {
          const thread = yield* spawn({ grace: "50 millis", terminateGrace: "50 millis" })
          yield* Effect.forkChild(
            Effect.exit(thread.ask(`require("fs").writeFileSync("${begun}", ""); ${code(folder)}`))
          )
          yield* untilThere(begun)
          yield* thread.stop
          return { exit: yield* thread.exit, files: readdirSync(folder) }
        })
      )
    }).pipe(Effect.scoped, world)

  for (const [what, code] of [
    ["a busy loop", "for (;;);"],
    ["Atomics.wait", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)"]
  ] as const) {
    it.live(`comes by kill also in ${what}, and is told as SIGKILL`, () =>
      Effect.gen(function* () {
        const { exit } = yield* stopped(() => code)
        expect(exit).toMatchObject({ stage: "killed", exit: { signal: "SIGKILL" } })
      })
    )
  }

  it.live("waits for a native call to return", () =>
    Effect.gen(function* () {
      const { exit, files } = yield* stopped(
        (folder) => `require("child_process").execSync("sleep 1; touch ${folder}/done") && 0`
      )
      expect(exit).toMatchObject({ stage: "killed", exit: { signal: "SIGKILL" } })
      expect(files).toEqual(["begun", "done"])
    })
  )

  it.live("F22 by memory that ran out is told as that, and the process lives", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        inBlock(({ ask }) => ask("{ const all = []; for (;;) all.push({ n: all.length }) }"), {
          memory: 48
        })
      )
      expect(error).toMatchObject({
        _tag: "ActorCrashed",
        cause: { exit: { code: 1, death: { _tag: "OutOfMemory", of: "heap", limit: 48 } } }
      })
      expect(String(error)).toContain("ran out of memory")
    })
  )
})

describe("programs of a thread", () => {
  /** Whether anybody lives in the group that a program leads. */
  const lives = (program: number) =>
    spawnSync("ps", ["-eo", "pgid=,stat="], { encoding: "utf8" })
      .stdout.split("\n")
      .map((line) => line.trim().split(/\s+/))
      .some(([group, state]) => group === String(program) && state?.startsWith("Z") === false)

  const raw = (detached: boolean) =>
    `require("child_process").spawn("sh", ["-c", "sleep 1000; true"], { detached: ${detached}, stdio: "ignore" }).pid`

  for (const [how, end] of [
    ["it is killed", "kill"],
    ["it leaves them behind", "exit"]
  ] as const) {
    it.live(`F4 are gone with it, with their groups, when ${how}`, () =>
      Effect.gen(function* () {
        let programs: ReadonlyArray<number> = []
        yield* Effect.addFinalizer(() => Effect.sync(() => programs.forEach(killGroup)))
        yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              const thread = yield* spawn({ grace: "50 millis", terminateGrace: "50 millis" })
              programs = [
                yield* thread.client.Start(),
                Number(yield* thread.ask(raw(true))),
                Number(yield* thread.askBelow(raw(true)))
              ]
              expect(programs.map(lives)).toEqual([true, true, true])
              if (end === "exit") return yield* thread.ask("process.exit(3)")
              yield* Effect.forkChild(Effect.exit(thread.ask("for (;;);")))
              return yield* thread.stop
            })
          )
        )
        expect(programs.map(lives)).toEqual([false, false, false])
      }).pipe(Effect.scoped, world)
    )
  }

  it.live("F4 one that shares the group of the process is ended alone", () =>
    Effect.gen(function* () {
      let program = 0
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (program > 0 && isAlive(program)) process.kill(program, "SIGKILL")
        })
      )
      yield* Effect.exit(
        inBlock(({ ask }) =>
          Effect.gen(function* () {
            program = Number(yield* ask(raw(false).replace("sleep 1000; true", "exec sleep 1000")))
            expect(isAlive(program)).toBe(true)
            yield* ask("process.exit(3)")
          })
        )
      )
      expect(program).toBeGreaterThan(0)
      expect(isAlive(program)).toBe(false)
    }).pipe(Effect.scoped)
  )

  it.live("F3 are gone when the process is killed, also those of a busy thread", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "furrow-threads-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const busy = join(folder, "busy")
      const root = yield* Program.start("evaluator.ts", [busy])
      const [line] = yield* root.until("stdout", /programs.*/)
      const programs = [...line.matchAll(/\d+/g)].map(Number)
      yield* Effect.addFinalizer(() => Effect.sync(() => programs.forEach(killGroup)))
      yield* untilThere(busy)
      expect(programs.map(lives)).toEqual([true, true])
      root.process.kill("SIGKILL")
      yield* root.ended
      const killed = performance.now()
      yield* Effect.forEach(programs, untilDead, { discard: true })
      expect(programs.map(lives)).toEqual([false, false])
      expect(performance.now() - killed).toBeLessThan(patience(2000))
    }).pipe(Effect.scoped)
  )
})
