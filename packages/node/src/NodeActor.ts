/**
 * Programs of Node: the root of a tree, and the actors in it.
 *
 * Answers for what a process is (root, actor, or a mistake), for the services it is given, for signals and exit codes.
 * One life of an actor is `ActorProgram`'s; starting a process is `NodeSpawner`'s.
 */
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import {
  ChildProcessSpawner,
  make as makeChildProcessSpawner
} from "effect/process/ChildProcessSpawner"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { isProgram } from "furrow/Actor"
import type { Program } from "furrow/Actor"
import * as ActorProgram from "furrow/ActorProgram"
import type { Spawner } from "furrow/Spawner"
import * as Incarnation from "./internal/Incarnation.ts"
import { isUnread, report } from "./internal/Report.ts"
import * as Role from "./internal/Role.ts"
import {
  DefaultHurry,
  GoneCode,
  runMain as runMainFiber,
  toProcess,
  toThread
} from "./internal/Signals.ts"
import type { Listen } from "./internal/Signals.ts"
import * as ProcessGroups from "./internal/ProcessGroups.ts"
import * as ProgramGuardian from "./internal/ProgramGuardian.ts"
import * as Settle from "./internal/Settle.ts"
import * as Thread from "./internal/Thread.ts"
import * as ThreadPrograms from "./internal/ThreadPrograms.ts"
import * as Watchdog from "./internal/Watchdog.ts"
import * as WireFd from "./internal/WireFd.ts"
import * as WirePort from "./internal/WirePort.ts"
import * as NodeSpawner from "./NodeSpawner.ts"
import * as NodeWorkerSpawner from "./NodeWorkerSpawner.ts"

/** What a program of Node is given. */
export type Services = Spawner | FileSystem.FileSystem | Path.Path | ChildProcessSpawner

// ---------------------------------------------------------------------------------------------------------------------
// Services
// ---------------------------------------------------------------------------------------------------------------------

const files = Layer.merge(NodeFileSystem.layer, NodePath.layer)
const processes = Layer.provide(NodeChildProcessSpawner.layer, files)
const spawner = Layer.provide(NodeSpawner.layer, processes)

/** The services of a program of Node, for other runners than {@link runMain}. Installs no handler of any signal. */
export const layer: Layer.Layer<Services> = Layer.mergeAll(files, processes, spawner)

/** The same command in its parent's process group, unless it says otherwise. */
const inGroup = (command: ChildProcess.Command): ChildProcess.Command =>
  command._tag === "PipedCommand"
    ? ChildProcess.pipeTo(inGroup(command.left), inGroup(command.right), command.options)
    : ChildProcess.make(command.command, command.args, {
        ...command.options,
        detached: command.options.detached ?? false
      })

/**
 * The services inside an actor: the programs it starts share its process group, so that they are gone when it is. (They
 * would have groups of their own otherwise.) Its own actors do not: each leads a group.
 */
const actorLayer: Layer.Layer<Services> = Layer.mergeAll(
  files,
  spawner,
  Layer.effect(
    ChildProcessSpawner,
    Effect.map(ChildProcessSpawner, (stock) =>
      makeChildProcessSpawner((command) => stock.spawn(inGroup(command)))
    )
  ).pipe(Layer.provide(processes))
)

/** The services inside an actor that is a thread: its own actors are threads, too. */
const threadLayer = (ports: Thread.Ports): Layer.Layer<Services> =>
  Layer.mergeAll(
    files,
    Layer.provide(ThreadPrograms.layer(ports.orders), processes),
    NodeWorkerSpawner.layer,
    // Its spawner looks after whatever is started with it.
    Layer.succeed(ProgramGuardian.Current, () => Effect.undefined)
  )

// ---------------------------------------------------------------------------------------------------------------------
// Running it
// ---------------------------------------------------------------------------------------------------------------------

/** The spawner and the actor cannot talk to each other (EX_DATAERR). */
const RefusedCode = 65

/** How a program is run. */
export interface Options {
  /** Whether a failure is printed to stderr. Defaults to `true`; the exit code is the same. */
  readonly reportErrors?: boolean | undefined
  /**
   * How long it may take to end in order after an exception that nobody caught, or after the same signal twice within 100
   * milliseconds, before it is ended at once. Defaults to 6 seconds, in which an actor's ladder ends.
   */
  readonly hurry?: Duration.Input | undefined
}

/** Node's timers know no longer time, in milliseconds. */
const LongestTimer = 2 ** 31 - 1

const oneLine = (cause: Cause.Cause<unknown>): string => {
  const [first = ""] = printed(cause).split("\n", 1)
  return first
}

/** The printer overflows if causes of causes are too many. */
const printed = (cause: Cause.Cause<unknown>): string => {
  try {
    return Cause.pretty(cause)
  } catch {
    return String(Cause.squash(cause))
  }
}

/** An exception that nobody caught is always told of: no program can know of it. */
const tell = (exception: unknown): void => report(Cause.die(exception))

const runRoot = <A, E>(
  effect: Effect.Effect<A, E, Services>,
  options: Options | undefined,
  defaultMain: URL | undefined
): void =>
  runMainFiber(
    effect.pipe(Effect.provide(layer), Effect.provideService(NodeSpawner.DefaultMain, defaultMain)),
    {
      always: false,
      listen: toProcess,
      hurry:
        options?.hurry === undefined
          ? DefaultHurry
          : Math.min(Duration.toMillis(Duration.fromInputUnsafe(options.hurry)), LongestTimer),
      tell,
      exitCode: (exit) => {
        if (Exit.isFailure(exit) && isUnread(exit.cause)) return GoneCode
        if (Exit.isFailure(exit) && options?.reportErrors !== false) report(exit.cause)
        let code = 0
        Runtime.defaultTeardown(exit, (own) => {
          code = own
        })
        return code
      }
    }
  )

/** The exit code of a life, and the one line that an actor says of its end. */
const endLife = (actor: string, end: ActorProgram.LifeEnd): number => {
  switch (end._tag) {
    case "Stopped":
    case "Orphaned":
      return 0
    case "Refused":
      process.stderr.write(`The actor "${actor}" was refused: ${end.detail}\n`)
      return RefusedCode
    case "Failed":
      // Its spawner was told all of it.
      process.stderr.write(`The actor "${actor}" failed: ${oneLine(end.cause)}\n`)
      return 1
  }
}

/** What differs between an actor that is a process and one that is a thread. */
interface Body {
  readonly socket: Effect.Effect<Socket.Socket, never, Scope.Scope>
  readonly services: Layer.Layer<Services>
  readonly listen: Listen
  /** Ends this actor, its programs and everything below it, now. */
  readonly endByForce: Effect.Effect<void>
  /** Whether nobody else would end the programs that it leaves behind. `lost`: the connection has ended without a word. */
  readonly isOrphan: (lost: boolean) => boolean
}

/**
 * How long the parent of an actor may take to be gone after its connections, in milliseconds: the system ends those
 * first, and a busy one may do something else before the rest.
 */
const ParentPatience = 1000

const processBody = (): Body => {
  const parent = process.ppid
  const isWatched = Watchdog.start(process.argv.slice(3))
  return {
    socket: WireFd.open(),
    services: actorLayer,
    listen: toProcess,
    // Actors lead the group they are in.
    endByForce: Effect.sync(() => {
      ProcessGroups.killAll()
      process.kill(0, "SIGKILL")
    }),
    isOrphan: (lost) => {
      const isLeft = () => process.ppid !== parent
      // The watchdog would end with this process; a guardian is still there, and sees what is left.
      if (lost && isWatched) Settle.blockUntil(isLeft, ParentPatience)
      return isLeft()
    }
  }
}

/** A thread is ended with its parent, which knows the programs of both. */
const threadBody = (ports: Thread.Ports): Body => ({
  socket: WirePort.open(ports.wire),
  services: threadLayer(ports),
  listen: toThread(ports.orders),
  endByForce: Effect.sync(() => process.exit(1)),
  isOrphan: () => false
})

const runActor = (program: Program<Services>, defaultMain: URL | undefined): void => {
  Role.take()
  const ports = Thread.ports()
  const body = ports === undefined ? processBody() : threadBody(ports)
  runMainFiber(
    Effect.gen(function* () {
      return yield* ActorProgram.live(program, yield* body.socket, {
        incarnation: Incarnation.draw(),
        lastResort: body.endByForce
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(body.services),
      Effect.provideService(NodeSpawner.DefaultMain, defaultMain)
    ),
    {
      always: true,
      listen: body.listen,
      hurry: DefaultHurry,
      tell,
      exitCode: (exit) => {
        // Whoever has something to do at its exit has done it then.
        const lost = Exit.isSuccess(exit) && exit.value._tag === "Orphaned"
        if (body.isOrphan(lost)) process.once("exit", () => Effect.runSync(body.endByForce))
        if (Exit.isSuccess(exit)) return endLife(program.actor.actorName, exit.value)
        report(exit.cause)
        return 1
      }
    }
  )
}

/**
 * Runs a program as this process: the root of a tree, or an actor.
 *
 * It is given {@link Services}. It exits with 0, or with 1 and its Cause on stderr (or with the error's own
 * `Runtime.errorExitCode`). SIGINT, SIGTERM and SIGHUP cancel it and everything below it in order, then it exits with
 * 130, 143 or 129; the second signal of any kind ends all of it at once. An exception that nobody caught cancels it, too,
 * is printed, and makes the code 1; and so does a reader of stdout that has gone (`| head`), quietly, with 141.
 *
 * An actor's file is started by `Nursery.spawn`. Run by hand, it says so and exits with 64.
 *
 * **Example** (The main module of an actor)
 *
 * ```ts
 * NodeActor.runMain(Counter.program(CounterLive))
 * ```
 */
export const runMain: {
  (program: Program<Services>): void
  <A, E>(effect: Effect.Effect<A, E, Services>, options?: Options): void
} = <A, E>(program: Program<Services> | Effect.Effect<A, E, Services>, options?: Options): void => {
  const name = Role.name()
  if (!isProgram(program)) {
    if (name === undefined) return runRoot(program, options, undefined)
    return Role.misused(Role.hasWire() ? Role.asRoot(name) : Role.withoutWire(name))
  }
  const { actorName } = program.actor
  if (name === undefined) return Role.misused(Role.byHand(actorName))
  if (!Role.hasWire()) return Role.misused(Role.withoutWire(name))
  if (name !== actorName) return Role.misused(Role.otherName(name, [actorName]))
  runActor(program, undefined)
}

/**
 * Runs a program of one file, which is the root of a tree as well as each actor in it: started by hand it runs the
 * effect, started for an actor that actor's program. Actors spawned without a `main` are run by this file, also when it
 * was bundled. Otherwise as {@link runMain}.
 *
 * **Example** (Parent and child in one file)
 *
 * ```ts
 * NodeActor.main(import.meta, [Counter.program(CounterLive)], program)
 * ```
 */
export const main = <A, E>(
  meta: { readonly url: string },
  programs: ReadonlyArray<Program<Services>>,
  effect: Effect.Effect<A, E, Services>,
  options?: Options
): void => {
  const here = new URL(meta.url)
  const names = programs.map((program) => program.actor.actorName)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) {
    return Role.misused(
      `${Role.file()} gives NodeActor.main two programs called "${twice}"; give one of the actors another name.`
    )
  }
  const name = Role.name()
  if (name === undefined) return runRoot(effect, options, here)
  if (!Role.hasWire()) return Role.misused(Role.withoutWire(name))
  const program = programs.find((program) => program.actor.actorName === name)
  if (program === undefined) return Role.misused(Role.otherName(name, names))
  runActor(program, here)
}
