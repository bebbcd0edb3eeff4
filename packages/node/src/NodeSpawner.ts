/**
 * Actors as processes of the operating system: the `Spawner` of real programs.
 *
 * Answers for starting a process with its wire on descriptor 3, for somebody who ends it should this process be killed,
 * for what it inherits, for its output, and for a group of which nothing is left. The program is found by `main`; what is
 * said over the wire, and how patiently an actor is ended, is not known here.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"
import type { Guard as Guards } from "furrow/Guard"
import { BlockScope } from "furrow/NurseryKey"
import type { ProcessExit } from "furrow/ProcessExit"
import { Spawner } from "furrow/Spawner"
import type { Output, ProcessOptions, Spawned, SpawnRequest } from "furrow/Spawner"
import { LimitReached, SpawnError } from "furrow/TreeError"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as ChildOutput from "./internal/ChildOutput.ts"
import * as CompileCache from "./internal/CompileCache.ts"
import * as Death from "./internal/Death.ts"
import * as Guardian from "./internal/Guardian.ts"
import * as Here from "./internal/Here.ts"
import * as MainModule from "./internal/MainModule.ts"
import * as NodeFlags from "./internal/NodeFlags.ts"
import * as Prebuilt from "./internal/Prebuilt.ts"
import * as ProcessGroups from "./internal/ProcessGroups.ts"
import * as ProgramGuardian from "./internal/ProgramGuardian.ts"
import { RolePrefix } from "./internal/RolePrefix.ts"
import * as Room from "./internal/Room.ts"
import { settle, settleTurns } from "./internal/Settle.ts"
import * as SparePool from "./internal/SparePool.ts"
import * as SpareSetting from "./internal/SpareSetting.ts"
import * as StartGate from "./internal/StartGate.ts"
import * as Watchdog from "./internal/Watchdog.ts"
import * as WiredProcess from "./internal/WiredProcess.ts"

export { DefaultMain } from "./internal/MainModule.ts"
export { RolePrefix } from "./internal/RolePrefix.ts"
export { awaitSpares, Spares } from "./internal/SpareSetting.ts"
export type { SpareOptions } from "./internal/SpareSetting.ts"

/**
 * How long the programs that an actor has left behind in its process group may take to end after SIGTERM, before
 * SIGKILL. Defaults to 500 milliseconds.
 */
export const GroupGrace = Context.Reference<Duration.Input>("furrow/NodeSpawner/GroupGrace", {
  defaultValue: () => "500 millis"
})

/**
 * Who ends this process's actors when it is gone without a word, also those that are busy or blocked, with the programs
 * that they have started.
 *
 * - `guardian`: a shell beside this process, 2 MiB for all its actors. Also ends actors that are stopped.
 * - `watchdog`: a thread inside each actor, 20 MiB. Cannot end an actor that is stopped (SIGSTOP), nor one whose modules
 *   block while they are loaded.
 *
 * Defaults to the guardian where there is `/bin/sh`, else to the watchdog. The event `Started` says which it is.
 */
export const Guard = Context.Reference<Guards>("furrow/NodeSpawner/Guard", {
  defaultValue: () => (Guardian.isPossible() ? "guardian" : "watchdog")
})

/**
 * How long all actors below a process that is gone without a word may take to end by themselves, finalizers included,
 * before SIGKILL. Defaults to 1 second. Each level of the tree has half of what the level above it has, and the actors
 * of a root have half of it, so that no depth makes it longer. With `0`, they are killed at once.
 */
export const OrphanGrace = Context.Reference<Duration.Input>("furrow/NodeSpawner/OrphanGrace", {
  defaultValue: () => "1 second"
})

/**
 * How many turns of the event loop its last words may take where callers wait to be told why it died. They are in the
 * pipe by then; the end of the file may never come, because others may hold it open.
 */
const LastWordsTurns = 20

// ---------------------------------------------------------------------------------------------------------------------
// What is asked for
// ---------------------------------------------------------------------------------------------------------------------

/** How long an actor may take to end by itself when this process is gone, in milliseconds. A path names each level. */
const orphanGrace = (path: string, whole: Duration.Input): number =>
  Duration.toMillis(Duration.fromInputUnsafe(whole)) / 2 ** (path.split("/").length - 1)

const makeEnvironment = (options: ProcessOptions): Record<string, string | undefined> => {
  const nodeOptions = process.env["NODE_OPTIONS"]
  return {
    ...process.env,
    // Another user could not use this user's directory.
    ...(options.uid === undefined ? CompileCache.environment() : {}),
    ...(nodeOptions === undefined
      ? {}
      : { NODE_OPTIONS: NodeFlags.inheritedNodeOptions(nodeOptions) }),
    ...options.env
  }
}

/** The title of a spare that waits. */
const SpareTitle = "furrow:spare"

/** Its main module. */
const SpareMain = fileURLToPath(Here.neighbour("Spare"))

const toStdio = (output: Output): "pipe" | "inherit" | "ignore" =>
  output === "lines" ? "pipe" : output

/** What is started for these options: the main module with what it is told, under this title. */
const programOf = (
  options: ProcessOptions,
  title: string,
  args: ReadonlyArray<string>
): WiredProcess.Program => {
  const { cwd, execArgv, execPath, gid, memory, stderr, stdin, stdout, uid } = options
  const env = makeEnvironment(options)
  return {
    file: execPath ?? process.execPath,
    flags: [
      // Before everything that is inherited, so that nothing runs as the wrong user.
      ...NodeFlags.identityFlag(uid, gid),
      ...(execArgv ?? [...NodeFlags.inheritedExecArgv(process.execArgv), ...Prebuilt.flagsOf(env)]),
      ...NodeFlags.memoryFlag(memory)
    ],
    title,
    args,
    env,
    cwd,
    stdin: stdin ?? "ignore",
    stdout: toStdio(stdout ?? "lines"),
    stderr: toStdio(stderr ?? "lines")
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is told
// ---------------------------------------------------------------------------------------------------------------------

const limitReached = (request: SpawnRequest, detail: string): SpawnError =>
  new SpawnError({ actor: request.path, reason: new LimitReached({ detail }) })

const toSpawnError = (request: SpawnRequest, cause: Cause.Cause<PlatformError>): SpawnError => {
  const lack = Room.lack(Cause.squash(cause))
  return lack === undefined ? MainModule.startFailed(request, cause) : limitReached(request, lack)
}

// ---------------------------------------------------------------------------------------------------------------------
// One process
// ---------------------------------------------------------------------------------------------------------------------

/** What one spawner has. */
interface Own {
  readonly spawner: ChildProcessSpawner["Service"]
  readonly guardians: RcMap.RcMap<number, Guardian.Guardian, PlatformError>
  /** For which graces a block has its guardian. */
  readonly kept: WeakMap<Scope.Scope, Set<number>>
  readonly spares: SparePool.SparePool
  /** Says, once, that there can be no spares. */
  readonly noSpares: Effect.Effect<void>
}

/** How an actor is looked after. */
interface Terms {
  readonly guard: Guards
  /** How long it may take to end when this process is gone, in milliseconds. */
  readonly grace: number
  /** How long what it leaves behind may take to end, in milliseconds. */
  readonly groupGrace: number
}

/** What is said here for an actor of this path. */
const termsFor = Effect.fnUntraced(function* (path: string): Effect.fn.Return<Terms> {
  return {
    guard: yield* Guard,
    grace: orphanGrace(path, yield* OrphanGrace),
    groupGrace: Duration.toMillis(Duration.fromInputUnsafe(yield* GroupGrace))
  }
})

const guardianFor = ({ guardians }: Own, { grace }: Terms) =>
  RcMap.get(guardians, Math.floor(grace / Guardian.TurnTime))

/** Has the guardian stay as long as the block: a start that waits for one takes 4 ms more, and an end 1 ms. */
const keepForBlock = Effect.fnUntraced(function* (own: Own, terms: Terms) {
  const block = yield* BlockScope
  if (block === undefined) return
  let kept = own.kept.get(block)
  if (kept === undefined) own.kept.set(block, (kept = new Set()))
  if (kept.has(terms.grace)) return
  kept.add(terms.grace)
  yield* Scope.provide(guardianFor(own, terms), block)
})

const careFor = Effect.fnUntraced(function* (own: Own, terms: Terms) {
  const guardian = terms.guard === "guardian" ? yield* guardianFor(own, terms) : undefined
  if (guardian !== undefined) yield* keepForBlock(own, terms)
  return { guardian, groupGrace: terms.groupGrace }
})

/** Has the spares kept that are asked for here, for actors on these terms; whether there are any. */
const keepSpares = Effect.fnUntraced(function* (own: Own, terms: Terms) {
  const setting = yield* SpareSetting.current
  if (setting.count === 0) return false
  if (!existsSync(SpareMain)) {
    yield* own.noSpares
    return false
  }
  own.spares.keep(
    setting,
    Effect.gen(function* () {
      const lack = Room.lackOfDescriptors()
      if (lack !== undefined) return yield* new SparePool.SpareMissing({ message: lack })
      const care = yield* careFor(own, terms)
      return yield* WiredProcess.start(own.spawner, programOf({}, SpareTitle, [SpareMain]), care)
    })
  )
  return true
})

/** A process for the request: a spare that can become it, or a fresh one. Must not be interrupted. */
const lead = Effect.fnUntraced(function* (
  own: Own,
  request: SpawnRequest,
  main: string
): Effect.fn.Return<WiredProcess.WiredProcess, SpawnError, Scope.Scope> {
  const { actor, options, path } = request
  const cannotStart = (cause: Cause.Cause<PlatformError>) =>
    Effect.fail(toSpawnError(request, cause))
  const lack = Room.lackOfDescriptors()
  if (lack !== undefined) return yield* Effect.fail(limitReached(request, lack))
  const terms = yield* termsFor(path)
  const care = yield* Effect.catchCause(careFor(own, terms), cannotStart)
  const program = programOf(options, options.title ?? `furrow:${path}`, [
    main,
    `${RolePrefix}${actor.actorName}`,
    ...(terms.guard === "watchdog" ? [Watchdog.argument(terms.grace)] : [])
  ])
  const spare = (yield* keepSpares(own, terms)) ? yield* own.spares.take(program, care) : undefined
  if (spare !== undefined) return spare
  if (!StartGate.isThere(program.file, program.cwd ?? ".", program.env["PATH"])) {
    return yield* MainModule.refuse(
      request,
      `Its "execPath" is no program that can be run: ${program.file}`
    )
  }
  return yield* Effect.catchCause(WiredProcess.start(own.spawner, program, care), cannotStart)
})

const spawn = Effect.fnUntraced(function* (
  own: Own,
  request: SpawnRequest
): Effect.fn.Return<Spawned, SpawnError, Scope.Scope> {
  if (process.platform === "win32") {
    return yield* MainModule.refuse(
      request,
      "Actors as processes run on Linux and macOS; on Windows, use threads (NodeWorkerSpawner.layer) or the test world"
    )
  }
  const scope = yield* Effect.scope
  const guard = yield* Guard
  const leader = yield* lead(own, request, yield* MainModule.find(request))
  const { diedOfMemory, group, handle, pipes, reaped, socket } = leader

  const output = (name: "stdout" | "stderr") =>
    ChildOutput.make({
      mode: request.options[name] ?? "lines",
      source: handle[name],
      target: process[name],
      label: request.path
    }).pipe(Scope.provide(pipes))
  const stdout = yield* output("stdout")
  const stderr = yield* output("stderr")

  let killed = false
  const exit = Deferred.makeUnsafe<ProcessExit>()
  const allRead = () => stderr.reading.every((fiber) => fiber.pollUnsafe() !== undefined)
  yield* reaped.pipe(
    Effect.tap((how) =>
      Death.mayExplain(how)
        ? settleTurns(() => Death.inWords(stderr.tail()) !== undefined || allRead(), LastWordsTurns)
        : Effect.void
    ),
    Effect.flatMap((how) => {
      const death = Death.deathOf(how, {
        stderr: stderr.tail(),
        heapLimit: request.options.memory,
        memoryKill: how.signal === "SIGKILL" && !killed && diedOfMemory()
      })
      return Deferred.succeed(exit, death === undefined ? how : Object.assign(how, { death }))
    }),
    Effect.forkDetach({ startImmediately: true, uninterruptible: true })
  )

  yield* Scope.addFinalizer(scope, leader.gone(ChildOutput.rest([stdout, stderr])))

  return {
    socket,
    exit: Deferred.await(exit),
    pid: group.pid,
    guard,
    terminate: Effect.sync(() => ProcessGroups.signal(group, "SIGTERM")),
    kill: Effect.sync(() => {
      killed = true
      ProcessGroups.signal(group, "SIGKILL")
    }),
    stdout: stdout.stream,
    stderr: stderr.stream,
    stderrTail: Effect.suspend(() =>
      group.isRunning() ? Effect.void : settle(stderr.reading, ChildOutput.RestTime)
    ).pipe(Effect.map(() => stderr.tail()))
  }
}, Effect.uninterruptible)

/** Actors as processes. Needs a `ChildProcessSpawner`, such as `NodeChildProcessSpawner.layer`. */
export const layer: Layer.Layer<Spawner, never, ChildProcessSpawner> = Layer.effectContext(
  Effect.gen(function* () {
    const spawner = yield* ChildProcessSpawner
    // One, that is there as long as there are actors, or blocks that had some. (In fact one for each grace that they
    // are given.)
    const guardians = yield* RcMap.make({
      lookup: (turns: number) => Guardian.make(spawner, turns)
    })
    const own: Own = {
      spawner,
      guardians,
      kept: new WeakMap(),
      spares: yield* SparePool.make,
      noSpares: yield* Effect.cached(
        Effect.logWarning(
          `NodeSpawner.Spares is not heeded: a program that was bundled has no spares (${SpareMain} is not there).`
        )
      )
    }
    const warm = Effect.gen(function* () {
      if (yield* keepSpares(own, yield* termsFor("root/actor"))) {
        yield* own.spares.full
      }
    })
    return Context.make(Spawner, Spawner.of({ spawn: (request) => spawn(own, request) })).pipe(
      Context.add(SpareSetting.Warm, warm),
      Context.add(ProgramGuardian.Current, (path) =>
        // Programs have no watchdog.
        Guardian.isPossible()
          ? Effect.flatMap(termsFor(path), (terms) => guardianFor(own, terms))
          : Effect.undefined
      )
    )
  })
)
