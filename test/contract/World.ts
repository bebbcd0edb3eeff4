/**
 * The three worlds that the contract suite runs in, behind one face.
 *
 * Answers for what differs between them: where actors live, how time passes, how one dies, how an observer sees that it
 * is gone, and what each cannot do. What must hold is in the suites, and is the same.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeWorkerSpawner from "@furrow/node/NodeWorkerSpawner"
import { it as effectIt } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Socket from "effect/socket/Socket"
import type { Identity } from "furrow/protocol"
import { ExitPatience, Spawner } from "furrow/Spawner"
import type { Spawned } from "furrow/Spawner"
import { TestWorld } from "furrow/testing"
import { spawnSync } from "node:child_process"
import type { Worker } from "node:worker_threads"
import { programs } from "./fixtures/programs.ts"

/** What a test of the suite may need. */
type Given = Spawner | FileSystem.FileSystem | TestWorld.TestWorld | Scope.Scope

/** A door to an actor, as far as the observer needs one. */
interface Door {
  readonly actor: Identity.ActorRef
  readonly pid: number | undefined
}

/** How an actor's process can be made to end. */
type Crash = { readonly signal: "SIGKILL" } | { readonly code: 3 }

/**
 * What not every world can do, as the guide's table says it. A test that needs one of these says so by `needing`, and is
 * skipped by name in a world that cannot do it.
 */
export const abilities = {
  time: "the test owns the time (`TestClock`)",
  faults: "a test can sever a connection",
  modules: "actors are started from a module, and what keeps it from loading is told",
  output: "an actor has an output of its own",
  exits: "an actor can leave with `process.exit`, and its code is told",
  blocking: "an actor in a busy loop blocks nobody else, and can be ended",
  orphans: "actors below one that was ended by force still run their finalizers",
  signals: "an actor hears signals",
  table: "an actor has a `pid`, a process group, and a line in the list of processes",
  options: "an actor can have a `cwd`, an `execPath` and a user of its own"
} as const

/** One of {@link abilities}. */
export type Ability = keyof typeof abilities

/** A test, in one world. */
type It = (
  name: string,
  effect: () => Effect.Effect<unknown, unknown, Given>,
  options?: { readonly timeout?: number }
) => void

/** One world. */
export interface World {
  readonly name: string
  /** A test in this world. */
  readonly it: It
  /** Tests that need what not every world can do. */
  readonly needing: (...needs: ReadonlyArray<Ability>) => { readonly it: It }
  /** Where a fixture's actor is started from, and how long that may take on a machine that is busy. */
  readonly main: {
    readonly main?: URL
    readonly helloTimeout?: number
    readonly startTimeout?: number
  }
  /** The text of a module that says something over its wire, which is no hello; where there are modules. */
  readonly babbler?: string | undefined
  /** Lets time pass: the test clock moves; in the real worlds time passes by itself. */
  readonly elapse: (duration: Duration.Input) => Effect.Effect<void>
  /** Ends an actor as nobody asked for: by force, which every world tells as SIGKILL, or with exit code 3. */
  readonly crash: (door: Door, how?: Crash) => Effect.Effect<void, never, TestWorld.TestWorld>
  /** Whether an observer from outside finds nothing of the actor any more, its process group included. */
  readonly isGone: (door: Door) => Effect.Effect<boolean, never, TestWorld.TestWorld>
  /** What this world can do. */
  readonly can: Readonly<Record<Ability, boolean>>
}

/** A world, whose tests say what it cannot do: they stand in the report, skipped, with what they need. */
export const make = (world: Omit<World, "needing">): World => ({
  ...world,
  needing: (...needs) => {
    const lacking = needs.filter((need) => !world.can[need])
    if (lacking.length === 0) return { it: world.it }
    const why = lacking.map((need) => abilities[need]).join("; ")
    return { it: (test) => effectIt(`${test} [not here: ${why}]`, { skip: true }, () => {}) }
  }
})

/** The one place that says how patient tests are: milliseconds for a quiet machine, made fit for a busy one. */
export const patience = (millis: number): number => millis * 10 + 5000

const started = {
  main: new URL("./children.main.ts", import.meta.url),
  helloTimeout: patience(5500),
  startTimeout: patience(5500)
}

/** What fibers of one process can do, when the test owns the time. */
export const testWorldCan: World["can"] = {
  time: true,
  faults: true,
  modules: false,
  output: false,
  exits: false,
  blocking: false,
  orphans: true,
  signals: false,
  table: false,
  options: false
}

/** Fibers under the test clock. */
export const testWorld: World = make({
  name: "test world",
  it: (name, effect, options) =>
    effectIt.effect(
      name,
      () =>
        Effect.asVoid(effect()).pipe(
          // The spawner of the test world covers that of processes.
          Effect.provide(Layer.mergeAll(NodeActor.layer, TestWorld.layer(programs)))
        ),
      options?.timeout ?? 20_000
    ),
  main: {},
  elapse: (duration) => TestClock.adjust(duration),
  crash: (door, how = { signal: "SIGKILL" }) => TestWorld.crash(door, how),
  isGone: ({ actor }) =>
    // The fiber that stands for a killed process takes a moment to end.
    Effect.map(
      Effect.andThen(TestClock.adjust(0), TestWorld.lives),
      (lives) => !lives.some(({ incarnation }) => incarnation === actor.incarnation)
    ),
  can: testWorldCan
})

interface Entry {
  readonly pid: number
  readonly group: number
}

/** The process table, zombies aside: those have ended, and wait to be counted. */
const processTable = (): ReadonlyArray<Entry> => {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,pgid=,stat="], { encoding: "utf8" })
  return stdout.split("\n").flatMap((line) => {
    const [pid, group, state] = line.trim().split(/\s+/)
    return state === undefined || state.startsWith("Z")
      ? []
      : [{ pid: Number(pid), group: Number(group) }]
  })
}

/** Whether the process, or anybody in the group that it leads, runs. */
const isRunning = (leader: number): boolean =>
  processTable().some(({ group, pid }) => pid === leader || group === leader)

/** A test in a real world, where this Layer's actors live. */
const itLive =
  (layer: Layer.Layer<NodeActor.Services>): It =>
  (name, effect, options) =>
    effectIt.live(
      name,
      () =>
        Effect.asVoid(effect()).pipe(
          Effect.provide(Layer.merge(layer, Layer.succeed(TestWorld.TestWorld, noFaults))),
          // A busy machine may need longer to tell how an actor has ended.
          Effect.provideService(ExitPatience, "1 second")
        ),
      options?.timeout ?? 60_000
    )

const processesCan: World["can"] = {
  time: false,
  faults: false,
  modules: true,
  output: true,
  exits: true,
  blocking: true,
  orphans: true,
  signals: true,
  table: true,
  options: true
}

/** Operating-system processes. */
export const processes: World = make({
  name: "processes",
  it: itLive(NodeActor.layer),
  main: started,
  babbler:
    'import { Socket } from "node:net"; new Socket({ fd: 3 }).write("GET / HTTP/1.1\\r\\n\\r\\n")',
  elapse: () => Effect.void,
  crash: ({ pid }, how = { signal: "SIGKILL" }) =>
    Effect.sync(() => {
      // The main module of the fixtures takes this signal for an order to leave with code 3.
      if (pid !== undefined) process.kill(pid, "signal" in how ? how.signal : "SIGUSR2")
    }),
  isGone: ({ pid }) => Effect.sync(() => pid === undefined || !isRunning(pid)),
  can: processesCan
})

/** A thread that a test has started, as Node knows it. */
interface Inhabitant {
  readonly spawned: Spawned
  readonly worker: () => Worker | undefined
  /** What it said it was, in its first words; they are JSON in every codec. */
  incarnation: string | undefined
}

const inhabitants: Array<Inhabitant> = []
let born = 0

/** Every thread of this process, whoever has started it, by its name. */
const workers = new Map<string, Worker>()
process.on("worker", (worker) => workers.set(worker.threadName ?? "", worker))

/** The spawner of threads, watched: which thread is which actor, an observer must know from the wire alone. */
const watchedThreads = Layer.effect(
  Spawner,
  Effect.map(Spawner, ({ spawn }) =>
    Spawner.of({
      spawn: Effect.fnUntraced(function* (request) {
        const title = `inhabitant ${++born}`
        const spawned = yield* spawn({ ...request, options: { ...request.options, title } })
        const inhabitant: Inhabitant = {
          spawned,
          worker: () => workers.get(title),
          incarnation: undefined
        }
        inhabitants.push(inhabitant)
        const listening = Effect.map(spawned.socket.reader, (reader) => ({
          ...reader,
          pull: Effect.tap(reader.pull, (chunks) =>
            Effect.sync(() => {
              inhabitant.incarnation ??= /"incarnation":"([^"]+)"/.exec(
                Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))).toString()
              )?.[1]
            })
          )
        }))
        return {
          ...spawned,
          socket: Socket.make({ reader: listening, writer: spawned.socket.writer })
        }
      })
    })
  )
).pipe(Layer.provide(NodeWorkerSpawner.layer))

const inThreads = Layer.merge(NodeActor.layer, watchedThreads)

const threadsCan: World["can"] = {
  ...processesCan,
  orphans: false,
  signals: false,
  table: false,
  options: false
}

/** The threads that an actor is; those that have not said who they are, if it never did. */
const threadsOf = ({ actor }: Door): ReadonlyArray<Inhabitant> =>
  inhabitants.filter(({ incarnation }) => (incarnation ?? "") === actor.incarnation)

/** Threads of this process. */
export const threads: World = make({
  name: "threads",
  it: itLive(inThreads),
  main: started,
  babbler:
    'import { workerData } from "node:worker_threads"; workerData["furrow:thread"].wire.postMessage(Buffer.from("GET / HTTP/1.1\\r\\n\\r\\n")); setInterval(() => {}, 1000)',
  elapse: () => Effect.void,
  crash: (door, how = { signal: "SIGKILL" }) =>
    Effect.forEach(
      threadsOf(door),
      ({ spawned, worker }) =>
        "signal" in how
          ? spawned.kill
          : // The main module of the fixtures takes any word for an order to leave with code 3.
            Effect.sync(() => worker()?.postMessage("leave")),
      { discard: true }
    ),
  // Node gives the number -1 to a thread that is gone.
  isGone: (door) =>
    Effect.sync(() => threadsOf(door).every(({ worker }) => worker()?.threadId === -1)),
  can: threadsCan
})

/** The faults of the test world are not those of processes. */
const noFaults: TestWorld.TestWorld["Service"] = {
  crash: () => Effect.die(new Error("only in the test world")),
  sever: () => Effect.die(new Error("only in the test world")),
  lives: Effect.die(new Error("only in the test world"))
}
