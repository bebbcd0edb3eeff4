/** Spares: processes that wait to be an actor's. They are like any other once they are, and nothing of them is left. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeSpawner from "@furrow/node/NodeSpawner"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import {
  ChildProcessSpawner,
  make as makeChildProcessSpawner
} from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"
import type { ProcessOptions } from "furrow/Spawner"
import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { vi } from "vitest"
import { rehearse } from "../../packages/node/src/internal/SpareRehearsal.ts"
import * as Child from "./Child.ts"
import { childrenOf, isAlive, untilDead, withTitle } from "./Pids.ts"
import * as Program from "./Program.ts"

/** The spares of this process. */
const spares = (): ReadonlyArray<number> => {
  const own = childrenOf(process.pid)
  return withTitle("furrow:spare").filter((pid) => own.includes(pid))
}

const ready = Effect.map(NodeSpawner.awaitSpares, spares)

const world = <A, E>(
  body: Effect.Effect<A, E, NodeActor.Services | Scope.Scope>,
  options: NodeSpawner.SpareOptions = { count: 1 }
) =>
  body.pipe(
    Effect.scoped,
    Effect.provide(Child.layer),
    Effect.provideService(NodeSpawner.Spares, options)
  )

const afresh = Effect.provideService(NodeSpawner.Spares, { count: 0 })

/** A child whose output allows it to come from a spare. */
const obedient = (options?: ProcessOptions) => Child.obedient({ stdout: "lines", ...options })

/** Waits until a fact of the list of processes holds; the test's own timeout is the bound. */
const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    holds() ? Effect.void : Effect.andThen(Effect.sleep("10 millis"), until(holds))
  )

const loud = new URL("./fixtures/loud.ts", import.meta.url)

describe("an actor from a spare", () => {
  it.live("is a process that was there before, and another one takes its place", () =>
    Effect.gen(function* () {
      const before = yield* ready
      expect(before.length).toBe(2)
      const one = yield* obedient()
      const two = yield* obedient()
      expect(new Set([one.pid, two.pid])).toEqual(new Set(before))
      expect(yield* one.ask("1 + 1")).toBe(2)
      const after = yield* ready
      expect(after.filter((pid) => !before.includes(pid)).length).toBe(2)
    }).pipe((body) => world(body, { count: 2 }))
  )

  it.live("finds itself as if it had been started afresh", () =>
    Effect.gen(function* () {
      const all =
        "[process.argv, process.execArgv, process.title, process.cwd(), process.env, isMain]"
      const own: ProcessOptions = {
        cwd: tmpdir(),
        env: { FURROW_TEST: 'two\nlines, "quoted"', HOME: undefined, NODE_ENV: "test-of-spares" },
        title: "a title\u001b[0m of its own"
      }
      for (const options of [{}, own, { env: { "furrow.test": "no name for a shell" } }]) {
        const [pid] = yield* ready
        const spared = yield* obedient(options)
        expect(spared.pid).toBe(pid)
        const fresh = yield* afresh(obedient(options))
        const found = (yield* spared.ask(all)) as ReadonlyArray<unknown>
        expect(found.at(-1)).toBe(process.versions.node.startsWith("22.") ? null : true)
        const shells = (name: string) => !/^(?:_|OLDPWD|PWD|SHLVL)$/.test(name)
        const rest = (values: unknown) =>
          JSON.parse(JSON.stringify(values), (name, value: unknown) =>
            "furrow.test" in (options.env ?? {}) && !shells(name) ? undefined : value
          ) as unknown
        expect(rest(found)).toEqual(rest(yield* fresh.ask(all)))
        const listed =
          "String(require('child_process').execSync(`ps -ww -o args= -p ${process.pid}`))"
        expect(yield* spared.ask(listed)).toContain((yield* spared.ask("process.title")) as string)
      }
    }).pipe(world)
  )

  it.live("has an output, an exit and last words of its own", () =>
    Effect.gen(function* () {
      const [pid] = yield* ready
      const child = yield* obedient({ stdout: "pipe", stderr: "pipe" })
      expect(child.pid).toBe(pid)
      yield* child.ask("void console.log('out')")
      yield* child.ask("void console.error('err')")
      yield* child.tell("process.exit(3)")
      expect(yield* child.exit).toEqual({ code: 3 })
      expect(yield* Stream.mkString(Stream.decodeText(child.stdout))).toBe("out\n")
      expect(yield* child.stderrTail).toBe("err\n")
      const [other] = yield* ready
      const killed = yield* obedient()
      expect(killed.pid).toBe(other)
      const program = Number(
        yield* killed.ask("require('child_process').spawn('sleep', ['1000']).pid")
      )
      yield* killed.kill
      expect(yield* killed.exit).toEqual({ signal: "SIGKILL" })
      yield* untilDead(program)
    }).pipe(world)
  )

  it.live("whose module cannot be loaded fails in the same words as a fresh one", () =>
    Effect.gen(function* () {
      const [pid] = yield* ready
      const spawn = Child.spawn({ main: loud, stdout: "lines", stderr: "pipe" })
      const spared = yield* spawn
      expect(spared.pid).toBe(pid)
      const fresh = yield* afresh(spawn)
      expect(yield* spared.exit).toEqual(yield* fresh.exit)
      const words = yield* spared.stderrTail
      expect(words).toContain("the module's own words")
      expect(words).toBe(yield* fresh.stderrTail)
    }).pipe(world)
  )

  it.live("that does not come up is a failed start, which leaves nothing", () =>
    Effect.gen(function* () {
      const [pid] = yield* ready
      const error = yield* Nursery.run(
        Effect.flip(Nursery.spawn(Actor.make("Loud", []), { main: loud }))
      )
      expect(error.reason).toMatchObject({ _tag: "StartFailed", exit: { code: 1 } })
      expect(error.message).toContain("the module's own words")
      expect(isAlive(pid!)).toBe(false)
    }).pipe(world)
  )

  it.live("has its lines under its own name, and runs its finalizers", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* (yield* Program.start("spares.ts", ["lines"])).ended
      expect(stdout.split("\n").sort()).toEqual([
        "",
        "[root/Leaf] released",
        "[root/Leaf] the leaf's own words",
        "from a spare true"
      ])
      expect(code).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.live("may be one of an actor's own, who keeps spares for itself", () =>
    Effect.gen(function* () {
      const { stdout } = yield* (yield* Program.start("spares.ts", ["below"])).ended
      expect(stdout).toContain("from a spare 2 true\n")
    }).pipe(Effect.scoped)
  )

  it.live("is looked after as it asks itself, and not as its spare was", () =>
    Effect.gen(function* () {
      const guardians = () => {
        const own = childrenOf(process.pid)
        return withTitle("furrow:guardian").filter((pid) => own.includes(pid))
      }
      const [pid] = yield* ready
      const [guardian] = guardians()
      const patient = yield* obedient().pipe(
        Effect.provideService(NodeSpawner.OrphanGrace, "1 minute")
      )
      expect(patient.pid).toBe(pid)
      // The guardian of the spare ends what it was not told to forget, when nobody needs it any more.
      yield* untilDead(guardian!)
      expect(yield* patient.ask("1 + 1")).toBe(2)
      const [other] = yield* ready
      const watched = yield* obedient().pipe(
        Effect.provideService(NodeSpawner.Guard, "watchdog"),
        Effect.provideService(NodeSpawner.OrphanGrace, "1 minute")
      )
      expect(watched.pid).toBe(other)
      expect(watched.guard).toBe("watchdog")
      expect(yield* watched.ask("process.argv.slice(2)")).toEqual([
        "furrow:Obedient",
        `furrow:watchdog:${process.pid}:30000`
      ])
    }).pipe(world)
  )

  it.live("leaves nothing when it is interrupted at any moment of its start", () =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 12; turns++) {
        const [pid] = yield* ready
        const scope = yield* Scope.make()
        const starting = yield* Effect.forkChild(Scope.provide(obedient(), scope))
        for (let turn = 0; turn < turns; turn++) {
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        yield* Fiber.interrupt(starting)
        yield* Scope.close(scope, Exit.void)
        const waits = spares().includes(pid!)
        expect(isAlive(pid!)).toBe(waits)
      }
    }).pipe(world)
  )
})

describe("a spare", () => {
  it.live("is left alone by a spawn that needs a start of its own", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "furrow-node-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const execPath = join(folder, "node")
      symlinkSync(process.execPath, execPath)
      const before = yield* ready
      const needs: ReadonlyArray<ProcessOptions> = [
        { execArgv: [] },
        { execPath },
        { memory: 64 },
        { stdin: Stream.empty },
        { stdout: "ignore" },
        { stderr: "inherit" },
        { env: { NODE_OPTIONS: "--no-warnings" } },
        { env: { TZ: "Pacific/Auckland" } },
        { env: { LONG: "x".repeat(100_000) } },
        { title: "t".repeat(4000) },
        ...(process.getuid?.() === 0 ? [{ gid: 0 }] : [])
      ]
      for (const options of needs) {
        const child = yield* obedient(options)
        expect(before).not.toContain(child.pid)
        expect(yield* child.ask("1 + 1")).toBe(2)
      }
      expect(spares()).toEqual(before)
    }).pipe(world)
  )

  it.live("is left alone by a spawn that is refused, and by one that asks for none", () =>
    Effect.gen(function* () {
      const before = yield* ready
      yield* Effect.flip(obedient({ main: new URL("./nowhere.ts", Child.main) }))
      yield* afresh(obedient())
      expect(spares()).toEqual(before)
    }).pipe(world)
  )

  it.live(
    "that cannot be what is asked for is replaced, and the spawn says what a fresh one says",
    () =>
      Effect.gen(function* () {
        const [pid] = yield* ready
        const error = yield* Effect.flip(obedient({ cwd: "/nowhere" }))
        expect(error).toMatchObject({ reason: { _tag: "StartFailed" } })
        expect(String(error)).toContain("/nowhere")
        expect(isAlive(pid!)).toBe(false)
        expect(yield* ready).not.toContain(pid)
      }).pipe(world)
  )

  for (const signal of ["SIGKILL", "SIGSTOP", "SIGTERM"] as const) {
    it.live(`that got ${signal} in the instant before is no actor's`, () =>
      Effect.gen(function* () {
        const [pid] = yield* ready
        process.kill(pid!, signal)
        const child = yield* obedient()
        expect(child.pid).not.toBe(pid)
        expect(yield* child.ask("1 + 1")).toBe(2)
        yield* untilDead(pid!)
        expect((yield* ready).length).toBe(1)
      }).pipe(world)
    )
  }

  it.live("that has died is replaced", () =>
    Effect.gen(function* () {
      const [pid] = yield* ready
      process.kill(pid!, "SIGTERM")
      yield* until(() => spares().some((other) => other !== pid))
    }).pipe(world)
  )

  it.live("that is too old is replaced", () =>
    Effect.gen(function* () {
      const [pid] = yield* ready
      yield* until(() => spares().some((other) => other !== pid))
      yield* untilDead(pid!)
    }).pipe((body) => world(body, { count: 1, maxAge: "100 millis" }))
  )

  it.live("is gone when its spawner is", () =>
    Effect.gen(function* () {
      const before = yield* world(
        Effect.gen(function* () {
          const waiting = yield* ready
          yield* obedient()
          return waiting
        }),
        { count: 3 }
      )
      expect(before.length).toBe(3)
      expect(before.filter(isAlive)).toEqual([])
      expect(spares()).toEqual([])
    })
  )

  for (const how of ["waits", "is stopped"]) {
    it.live(`that ${how} is gone when its parent is killed`, () =>
      Effect.gen(function* () {
        const root = yield* Program.start("spares.ts", ["wait"])
        const [, pids = ""] = yield* root.until("stdout", /^pids (.*)$/m)
        const all = pids.split(" ").map(Number)
        expect(all.every(isAlive)).toBe(true)
        if (how === "is stopped") for (const pid of all) process.kill(pid, "SIGSTOP")
        process.kill(root.process.pid!, "SIGKILL")
        for (const pid of all) yield* untilDead(pid)
      }).pipe(Effect.scoped)
    )
  }

  it.live("is no spare of a program that is told of none", () =>
    Effect.gen(function* () {
      yield* NodeSpawner.awaitSpares
      yield* obedient()
      expect(spares()).toEqual([])
    }).pipe((body) => world(body, { count: 0 }))
  )
})

describe("spares that cannot be started", () => {
  it.effect("are tried again, more and more seldom, and actors are started afresh meanwhile", () =>
    Effect.gen(function* () {
      let tried = 0
      const without = Layer.effect(
        ChildProcessSpawner,
        Effect.map(ChildProcessSpawner, (stock) =>
          makeChildProcessSpawner((command) => {
            const { args } = command as ChildProcess.StandardCommand
            if (!args.includes("--title=furrow:spare")) {
              return stock.spawn(command)
            }
            tried++
            return Effect.fail(
              PlatformError.systemError({
                _tag: "Unknown",
                module: "Test",
                method: "spawn",
                description: "no spares here"
              })
            )
          })
        )
      ).pipe(Layer.provide(NodeActor.layer))
      const layer = Layer.fresh(NodeSpawner.layer).pipe(Layer.provide(without))
      yield* Effect.gen(function* () {
        const child = yield* obedient()
        expect(yield* child.ask("1 + 1")).toBe(2)
        for (let seconds = 0; seconds < 600; seconds++) yield* TestClock.adjust("1 second")
        expect(tried).toBeGreaterThan(10)
        expect(tried).toBeLessThan(40)
        const other = yield* obedient()
        expect(yield* other.ask("1 + 1")).toBe(2)
      }).pipe(
        Effect.scoped,
        Effect.provide(layer),
        Effect.provideService(NodeSpawner.Spares, { count: 1 })
      )
    })
  )
})

describe("a spare that dies as it starts", () => {
  it.live("has its own words told", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const listening = Logger.layer([
        Logger.make(({ message }) => void told.push(inspect(message)))
      ])
      vi.stubEnv("NODE_OPTIONS", `--import=data:text/javascript,throw(new(Error)("its-own-words"))`)
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
      yield* Effect.gen(function* () {
        yield* Effect.forkScoped(NodeSpawner.awaitSpares)
        yield* until(() => told.length > 0)
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.provideMerge(Layer.fresh(Child.layer), listening)),
        Effect.provideService(NodeSpawner.Spares, { count: 1 })
      )
      expect(told[0]).toContain("has ended: exit code 1")
      expect(told[0]).toContain("its-own-words")
    }).pipe(Effect.scoped)
  )
})

describe("the setting", () => {
  const wrong: ReadonlyArray<readonly [NodeSpawner.SpareOptions, string]> = [
    [{ count: -1 }, '"count" must be a whole number of at least 0, and it is -1.'],
    [{ count: 1.5 }, '"count" must be a whole number of at least 0, and it is 1.5.'],
    [{ count: 1, maxAge: 0 }, '"maxAge" must be a duration of more than 0, and it is 0.'],
    [
      { count: 1, maxAge: "soon" as "1 second" },
      `"maxAge" must be a duration of more than 0, and it is 'soon'.`
    ]
  ]
  for (const [options, words] of wrong) {
    it.live(`is a defect: ${words}`, () =>
      Effect.gen(function* () {
        for (const effect of [obedient(), NodeSpawner.awaitSpares]) {
          const exit = yield* Effect.exit(effect)
          const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
          expect(cause.reasons.map(({ _tag }) => _tag)).toEqual(["Die"])
          expect(Cause.pretty(cause)).toContain(`NodeSpawner.Spares: ${words}`)
        }
      }).pipe((body) => world(body, options))
    )
  }
})

describe("the rehearsal of a spare", () => {
  it.live("succeeds, and leaves no listener behind", () =>
    Effect.gen(function* () {
      const listeners = () =>
        process.eventNames().map((name) => [String(name), process.listenerCount(name)])
      const before = listeners()
      yield* rehearse
      expect(listeners()).toEqual(before)
    })
  )
})
