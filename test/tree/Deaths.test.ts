/**
 * Every way in which an actor's process can end that nobody asked for, made to happen to real processes: who waits is
 * told at once and why, its owner acts, and nothing is left.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Actor from "furrow/Actor"
import { flow } from "effect/Function"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Nursery from "furrow/Nursery"
import { Disconnected, PortalError } from "furrow/PortalError"
import { describeExit } from "furrow/ProcessExit"
import type { ProcessExit } from "furrow/ProcessExit"
import { ExitPatience } from "furrow/Spawner"
import type { ProcessOptions } from "furrow/Spawner"
import { ActorCrashed } from "furrow/TreeError"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { events, only } from "../contract/Watching.ts"
import { patience } from "../contract/World.ts"
import { isAlive } from "../node/Pids.ts"
import { start } from "../node/Program.ts"
import { Mortal } from "./fixtures/mortal.ts"
import { Unready } from "./fixtures/unready.ts"

const main = new URL("./fixtures/mortal.ts", import.meta.url)

type Client = Actor.Client<Actor.OperationsOf<typeof Mortal>>

/** However busy the machine is, callers are told how a process ended. */
const live = flow(
  Effect.provideService(ExitPatience, patience(100)),
  Effect.provide(NodeActor.layer)
)

/** Its stderr is not passed on: it would only be in the way of the tests' own output. */
const quiet = { main, stderr: "pipe" } as const

/** Where a control group with a limit of memory can be made here, and what the limit is called. */
const hierarchies = [
  { folder: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" },
  { folder: "/sys/fs/cgroup", limit: "memory.max" }
].filter(({ folder, limit }) => {
  const probe = join(folder, `furrow-probe-${process.pid}`)
  try {
    mkdirSync(probe)
    const made = existsSync(join(probe, limit))
    rmdirSync(probe)
    return made
  } catch {
    return false
  }
})

/** A control group with so many bytes of memory, for the length of the scope. */
const memoryGroup = (bytes: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { folder, limit } = hierarchies[0]!
      const group = mkdtempSync(join(folder, "furrow-test-"))
      writeFileSync(join(group, limit), String(bytes))
      // Nor may it be made room by writing it to a disk.
      if (limit === "memory.max") writeFileSync(join(group, "memory.swap.max"), "0")
      return group
    }),
    // Those that were killed in it take a moment to leave.
    (group) =>
      Effect.try(() => rmdirSync(group)).pipe(
        Effect.retry({ times: 500, schedule: Schedule.spaced("10 millis") }),
        Effect.orDie
      )
  )

/** The loss that a call failed with. */
const lossOf = (exit: Exit.Exit<unknown, unknown>): Disconnected => {
  const error = only(exit)
  assert(error instanceof PortalError, String(error))
  assert(error.reason instanceof Disconnected, error.message)
  return error.reason
}

/** How an actor's block ends that meets its death while a call is under way, and what the call fails with. */
const dying = (
  options: ProcessOptions,
  die: (client: Client) => Effect.Effect<unknown, PortalError>
) =>
  Effect.gen(function* () {
    let loss: Disconnected | undefined
    const block = yield* Effect.exit(
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Mortal, { ...quiet, ...options })
          const dead = yield* Effect.forkDetach(die(client), { startImmediately: true })
          loss = lossOf(yield* Effect.uninterruptible(Fiber.await(dead)))
          return yield* Effect.never
        })
      )
    )
    const error = only(block)
    assert(error instanceof ActorCrashed, String(error))
    assert(loss !== undefined)
    expect(loss.crash).toEqual(error.cause.exit)
    return { cause: error.cause, message: error.message }
  })

/** An actor can be started, used and ended. */
const works = Effect.gen(function* () {
  expect(yield* Nursery.call(Mortal, ({ Echo }) => Echo("well"), { main })).toBe("well")
}).pipe((call) => Nursery.run(call))

describe("a child that dies hard", () => {
  const ways: ReadonlyArray<readonly [signal: NodeJS.Signals, ProcessExit]> = [
    ["SIGKILL", { signal: "SIGKILL" }],
    ["SIGSEGV", { signal: "SIGSEGV", death: { _tag: "RuntimeCrash" } }],
    ["SIGABRT", { signal: "SIGABRT", death: { _tag: "RuntimeCrash" } }]
  ]
  it.live.each(ways)(
    "F1 of %s: who waits for it is told at once, its owner acts, and it is never used again",
    ([signal, how]) =>
      Effect.gen(function* () {
        const seen = yield* events
        let told: ReadonlyArray<Exit.Exit<unknown, unknown>> = []
        const block = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              yield* Nursery.spawn(Mortal, { ...quiet, name: "sibling" })
              const { client, pid } = yield* Nursery.spawn(Mortal, { ...quiet, name: "victim" })
              const pending = yield* Effect.forEach([1, 2, 3], () =>
                Effect.forkDetach(client.Hang(), { startImmediately: true })
              )
              yield* client.Echo("they are waited for")
              process.kill(pid!, signal)
              const died = performance.now()
              // The block is about to interrupt its body.
              yield* Effect.gen(function* () {
                const waited = yield* Effect.forEach(pending, Fiber.await)
                expect(performance.now() - died).toBeLessThan(patience(200))
                const later = yield* Effect.exit(client.Echo("is anybody there?"))
                expect(performance.now() - died).toBeLessThan(patience(200))
                told = [...waited, later]
              }).pipe(Effect.uninterruptible)
              return yield* Effect.never
            })
          )
        )
        expect(told).toHaveLength(4)
        for (const exit of told) {
          expect(lossOf(exit).crash).toEqual(how)
          expect(String(only(exit))).toContain(`was ended by ${signal}`)
        }
        const error = only(block)
        assert(error instanceof ActorCrashed)
        expect(error.actor.path).toBe("root/victim")
        expect(error.cause.exit).toEqual(how)
        expect(error.message).toContain(`was ended by ${signal}`)
        expect(seen.of("Crashed").map(({ cause }) => cause)).toEqual([error.cause])
        for (const { pid } of seen.of("Started")) assert(!isAlive(pid!))
      }).pipe(live)
  )

  it.live("F1 an abort is a crash of the runtime, with its last words", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => void logged.push(...[message].flat()))
      const { cause, message } = yield* dying({}, ({ Abort }) => Abort()).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      expect(cause.exit).toEqual({ signal: "SIGABRT", death: { _tag: "RuntimeCrash" } })
      expect(cause.stderr).toContain("Native stack trace")
      expect(message).toContain("Native stack trace")
      // Also where nobody meets the error there is a trace of it.
      expect(logged).toEqual([message])
    }).pipe(live)
  )
})

describe("a child whose memory runs out", () => {
  it.live(
    "F22 its heap is full: the cause says so, whoever holds its stderr, and the parent lives",
    () =>
      Effect.gen(function* () {
        const { cause, message } = yield* dying({ memory: 64 }, ({ FillHeap, StartHolder }) =>
          Effect.andThen(StartHolder(), FillHeap())
        )
        expect(cause.exit).toEqual({
          signal: "SIGABRT",
          death: { _tag: "OutOfMemory", of: "heap", limit: 64 }
        })
        expect(message).toBe(
          'The actor "root/Mortal" crashed: its process ran out of memory and was ended by SIGABRT: its heap was full at its limit of 64 MiB, which the spawn option "memory" raises.'
        )
        yield* works
      }).pipe(live)
  )

  it.live("F22 without a stderr to read it is a crash of the runtime: nobody heard more", () =>
    Effect.gen(function* () {
      const { cause } = yield* dying({ memory: 64, stderr: "ignore" }, ({ FillHeap }) => FillHeap())
      expect(cause.exit).toEqual({ signal: "SIGABRT", death: { _tag: "RuntimeCrash" } })
      expect(cause.stderr).toBeUndefined()
    }).pipe(live)
  )

  it.live("F22 nobody handles it: the program fails with it, and prints it once", () =>
    Effect.gen(function* () {
      const root = yield* start("../../tree/fixtures/bereft.ts", [])
      const { code, stderr } = yield* root.ended
      expect(code).toBe(1)
      expect(stderr).toContain("[root/Mortal] FATAL ERROR: Reached heap limit")
      expect(stderr.match(/ran out of memory/g)).toHaveLength(1)
      expect(stderr).toContain(
        'ActorCrashed: The actor "root/Mortal" crashed: its process ran out of memory'
      )
    })
  )

  it.live.skipIf(hierarchies.length === 0)(
    "F22 its control group is full: the cause says so, and the parent lives",
    () =>
      Effect.gen(function* () {
        const group = yield* memoryGroup(300_000_000)
        const root = yield* start("../../tree/fixtures/crowded.ts", [], {
          shell: `echo $$ > "${group}/cgroup.procs" && exec "$@"`
        })
        const { code, stderr, stdout } = yield* root.ended
        expect([code, stderr]).toEqual([0, ""])
        expect(stdout.split("\n")).toEqual([
          'The actor "root/Mortal" crashed: its process was ended by SIGKILL: the system, or its control group, had run out of memory.',
          "well",
          ""
        ])
      })
  )
})

describe("a child that dies before it is ready", () => {
  const module = new URL("./fixtures/unready.ts", import.meta.url)
  const text = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`)
  const fill = `for (const kept = []; ; ) kept.push(new Array(1000).fill({}))`

  const left = () => {
    const { stdout } = spawnSync("ps", ["--ppid", String(process.pid), "-o", "args="], {
      encoding: "utf8"
    })
    return stdout.split("\n").filter((line) => line.includes("furrow:root/Unready"))
  }

  const heap = { _tag: "OutOfMemory", of: "heap", limit: 16 } as const
  const ways: ReadonlyArray<
    readonly [how: string, ProcessOptions, ProcessExit, words: string | undefined]
  > = [
    [
      "leaves while its module is loaded",
      { execArgv: ["--import", text("process.exit()").href] },
      { code: 0 },
      undefined
    ],
    [
      "is killed while its module is loaded",
      { execArgv: ["--import", text('process.kill(process.pid, "SIGKILL")').href] },
      { signal: "SIGKILL" },
      undefined
    ],
    [
      "runs out of memory while its module is loaded",
      { memory: 16, execArgv: ["--import", text(fill).href] },
      { signal: "SIGABRT", death: heap },
      undefined
    ],
    [
      "has no memory to begin with",
      { memory: 1 },
      // By which signal depends on the processor.
      { death: { ...heap, limit: 1 } },
      undefined
    ],
    [
      "leaves while its Layer is built",
      { env: { FURROW_TEST: "leave" } },
      { code: 5 },
      "no, thank you"
    ],
    [
      "aborts while its Layer is built",
      { env: { FURROW_TEST: "abort" } },
      { signal: "SIGABRT", death: { _tag: "RuntimeCrash" } },
      "Native stack trace"
    ],
    [
      "runs out of memory while its Layer is built",
      { memory: 64, env: { FURROW_TEST: "fill" } },
      { signal: "SIGABRT", death: { ...heap, limit: 64 } },
      undefined
    ]
  ]
  it.live.each(ways)(
    "F2 one that %s fails the spawn with how it ended, and leaves nothing",
    ([, options, exit, words]) =>
      Nursery.run(
        Effect.gen(function* () {
          const error = yield* Effect.flip(
            Nursery.spawn(Unready, { main: module, stderr: "pipe", ...options })
          )
          assert(error.reason._tag === "StartFailed", error.message)
          expect(error.reason.exit).toMatchObject(exit)
          expect(error.message).toContain(describeExit(error.reason.exit!))
          if (words !== undefined) {
            expect(error.reason.stderr).toContain(words)
            expect(error.message).toContain(words)
          }
          expect(left()).toEqual([])
        })
      ).pipe(live)
  )

  it.live(
    "F2 its place is free again: the next one comes up, and is seen where the others were not",
    () =>
      Effect.gen(function* () {
        yield* Effect.flip(Nursery.spawn(Unready, { main: module, execArgv: ["--no-such-flag"] }))
        expect(left()).toEqual([])
        const next = yield* Nursery.spawn(Unready, { main: module, env: { FURROW_TEST: "" } })
        expect(left()).toHaveLength(1)
        yield* next.stop
        expect(left()).toEqual([])
      }).pipe(Nursery.run({ limits: { actors: 1 } }), live)
  )
})

describe("a zombie", () => {
  const members = (group: number) => {
    const { stdout } = spawnSync("ps", ["-eo", "pgid=,stat="], { encoding: "utf8" })
    const states = stdout.split("\n").flatMap((line) => {
      const [id, state] = line.trim().split(/\s+/)
      return Number(id) === group && state !== undefined ? [state] : []
    })
    const zombies = states.filter((state) => state.startsWith("Z")).length
    return { zombies, alive: states.length - zombies }
  }

  it.live(
    "F9 in an actor's group, never reaped by its parent, is not waited for as if it lived",
    () =>
      Effect.gen(function* () {
        const pid = yield* Nursery.run(
          Effect.gen(function* () {
            const { client, exit, pid, stop } = yield* Nursery.spawn(Mortal, quiet)
            yield* client.StartNegligent()
            const arisen: Effect.Effect<void> = Effect.suspend(() =>
              members(pid!).zombies > 0
                ? Effect.void
                : Effect.andThen(Effect.sleep("10 millis"), arisen)
            )
            yield* arisen
            const asked = performance.now()
            yield* stop
            expect(yield* exit).toMatchObject({
              _tag: "Stopped",
              stage: "asked",
              exit: { code: 0 }
            })
            expect(performance.now() - asked).toBeLessThan(patience(1000))
            return pid!
          })
        )
        expect(members(pid).alive).toBe(0)
      }).pipe(live)
  )
})
