/**
 * The two worlds that the contract suite runs in, behind one face.
 *
 * Answers for what differs between them: where actors live, how time passes, how one dies, and how an observer sees
 * that it is gone. What must hold is in the suites, and is the same.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import { it as effectIt } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Identity } from "furrow/protocol"
import { ExitPatience } from "furrow/Spawner"
import type { Spawner } from "furrow/Spawner"
import { TestWorld } from "furrow/testing"
import { spawnSync } from "node:child_process"
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

/** One world. */
export interface World {
  readonly name: string
  /** A test in this world. */
  readonly it: (
    name: string,
    effect: () => Effect.Effect<unknown, unknown, Given>,
    options?: { readonly timeout?: number }
  ) => void
  /** Where a fixture's actor is started from. */
  readonly main: { readonly main?: URL }
  /** Lets time pass: the test clock moves; in the real world time passes by itself. */
  readonly elapse: (duration: Duration.Input) => Effect.Effect<void>
  /** Ends an actor's process as nobody asked for: by SIGKILL, or with exit code 3. */
  readonly crash: (door: Door, how?: Crash) => Effect.Effect<void, never, TestWorld.TestWorld>
  /** Whether an observer from outside finds nothing of the actor any more, its process group included. */
  readonly isGone: (door: Door) => Effect.Effect<boolean, never, TestWorld.TestWorld>
  /** What this world can do. */
  readonly can: {
    /** Signals, exit codes, standard output, a process table. */
    readonly processes: boolean
    /** Moving the clock. */
    readonly time: boolean
  }
}

/** The one place that says how patient tests are: milliseconds for a quiet machine, made fit for a busy one. */
export const patience = (millis: number): number => millis * 10 + 5000

const children = new URL("./children.main.ts", import.meta.url)

/** Fibers under the test clock. */
export const testWorld: World = {
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
  can: { processes: false, time: true }
}

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

/** Operating-system processes. */
export const processes: World = {
  name: "processes",
  it: (name, effect, options) =>
    effectIt.live(
      name,
      () =>
        Effect.asVoid(effect()).pipe(
          Effect.provide(
            Layer.mergeAll(NodeActor.layer, Layer.succeed(TestWorld.TestWorld, noFaults))
          ),
          // A busy machine may need longer to tell how a process has ended.
          Effect.provideService(ExitPatience, "1 second")
        ),
      options?.timeout ?? 60_000
    ),
  main: { main: children },
  elapse: () => Effect.void,
  crash: ({ pid }, how = { signal: "SIGKILL" }) =>
    Effect.sync(() => {
      // The main module of the fixtures takes this signal for an order to leave with code 3.
      if (pid !== undefined) process.kill(pid, "signal" in how ? how.signal : "SIGUSR2")
    }),
  isGone: ({ pid }) => Effect.sync(() => pid === undefined || !isRunning(pid)),
  can: { processes: true, time: false }
}

/** The faults of the test world are not those of processes. */
const noFaults: TestWorld.TestWorld["Service"] = {
  crash: () => Effect.die(new Error("only in the test world")),
  sever: () => Effect.die(new Error("only in the test world")),
  lives: Effect.die(new Error("only in the test world"))
}
