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
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"
import type { Guard as Guards } from "furrow/Guard"
import type { ProcessExit } from "furrow/ProcessExit"
import { Spawner } from "furrow/Spawner"
import type { Output, ProcessOptions, Spawned, SpawnRequest } from "furrow/Spawner"
import { LimitReached, SpawnError } from "furrow/TreeError"
import * as ChildOutput from "./internal/ChildOutput.ts"
import * as CompileCache from "./internal/CompileCache.ts"
import * as Death from "./internal/Death.ts"
import * as Guardian from "./internal/Guardian.ts"
import * as MainModule from "./internal/MainModule.ts"
import { memoryKills } from "./internal/MemoryKills.ts"
import { untilNobodyRuns } from "./internal/GroupMembers.ts"
import * as NodeFlags from "./internal/NodeFlags.ts"
import * as Prebuilt from "./internal/Prebuilt.ts"
import * as ProcessGroups from "./internal/ProcessGroups.ts"
import * as Room from "./internal/Room.ts"
import { settle, settleTurns } from "./internal/Settle.ts"
import * as StartGate from "./internal/StartGate.ts"
import * as Watchdog from "./internal/Watchdog.ts"
import * as WireFd from "./internal/WireFd.ts"
import * as WirePipe from "./internal/WirePipe.ts"

export { DefaultMain, RolePrefix } from "./internal/MainModule.ts"

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

/** How long a group may take to be gone after SIGKILL, in milliseconds. */
const KilledTime = 1000

/** How long the rest of a dead process's output may take to arrive, in milliseconds. */
const OutputTime = 200

/**
 * How many turns of the event loop its last words may take where callers wait to be told why it died. They are in the
 * pipe by then; the end of the file may never come, because others may hold it open.
 */
const LastWordsTurns = 20

// ---------------------------------------------------------------------------------------------------------------------
// What is asked for
// ---------------------------------------------------------------------------------------------------------------------

/** How long an actor may take to end by itself when this process is gone, in milliseconds. A path names each level. */
const orphanGrace = (request: SpawnRequest, whole: Duration.Input): number =>
  Duration.toMillis(Duration.fromInputUnsafe(whole)) / 2 ** (request.path.split("/").length - 1)

const makeArguments = (
  request: SpawnRequest,
  env: Readonly<Record<string, string | undefined>>,
  main: string
): Array<string> => {
  const { execArgv, gid, memory, title, uid } = request.options
  return [
    // Before everything that is inherited, so that nothing runs as the wrong user.
    ...NodeFlags.identityFlag(uid, gid),
    ...(execArgv ?? [...NodeFlags.inheritedExecArgv(process.execArgv), ...Prebuilt.flagsOf(env)]),
    ...NodeFlags.memoryFlag(memory),
    NodeFlags.titleFlag(title ?? `furrow:${request.path}`),
    main,
    `${MainModule.RolePrefix}${request.actor.actorName}`
  ]
}

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

const toStdio = (output: Output): "pipe" | "inherit" | "ignore" =>
  output === "lines" ? "pipe" : output

/** What is run, which may wait behind a gate until somebody watches over it. */
const makeProgram = (
  request: SpawnRequest,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>,
  gated: boolean
): Effect.Effect<readonly [string, ReadonlyArray<string>], SpawnError> => {
  const { cwd = ".", execPath = process.execPath } = request.options
  return StartGate.isThere(execPath, cwd, env["PATH"])
    ? Effect.succeed(gated ? StartGate.shut(execPath, args) : [execPath, args])
    : MainModule.refuse(request, `Its "execPath" is no program that can be run: ${execPath}`)
}

const makeOptions = (
  { options }: SpawnRequest,
  env: Readonly<Record<string, string | undefined>>
): ChildProcess.CommandOptions => ({
  ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  env,
  detached: true,
  stdin: options.stdin ?? "ignore",
  stdout: toStdio(options.stdout ?? "lines"),
  stderr: toStdio(options.stderr ?? "lines"),
  additionalFds: { [`fd${WireFd.Fd}`]: { type: "duplex" } }
})

// ---------------------------------------------------------------------------------------------------------------------
// What is told
// ---------------------------------------------------------------------------------------------------------------------

const limitReached = (request: SpawnRequest, detail: string): SpawnError =>
  new SpawnError({ actor: request.path, reason: new LimitReached({ detail }) })

const toSpawnError = (request: SpawnRequest, cause: Cause.Cause<PlatformError>): SpawnError => {
  const lack = Room.lack(Cause.squash(cause))
  return lack === undefined ? MainModule.startFailed(request, cause) : limitReached(request, lack)
}

/** Waits until the process is reaped. The handle fails for one that was signalled, and names the signal in words only. */
const awaitExit = (handle: ChildProcessHandle): Effect.Effect<ProcessExit> =>
  Effect.match(handle.exitCode, {
    onSuccess: (code) => ({ code }),
    onFailure: (error) => {
      const signal = /'(SIG\w+)'/.exec(String(error.reason.cause))?.[1]
      return signal === undefined ? {} : { signal }
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// One process
// ---------------------------------------------------------------------------------------------------------------------

const spawn = Effect.fnUntraced(function* (
  spawner: ChildProcessSpawner["Service"],
  guardians: RcMap.RcMap<number, Guardian.Guardian, PlatformError>,
  request: SpawnRequest
): Effect.fn.Return<Spawned, SpawnError, Scope.Scope> {
  if (process.platform === "win32") {
    return yield* MainModule.refuse(
      request,
      "Actors as processes run on Linux and macOS; on Windows, use threads (NodeWorkerSpawner.layer) or the test world"
    )
  }
  const main = yield* MainModule.find(request)
  const scope = yield* Effect.scope
  const lack = Room.lackOfDescriptors()
  if (lack !== undefined) return yield* Effect.fail(limitReached(request, lack))
  const guard = yield* Guard
  const grace = orphanGrace(request, yield* OrphanGrace)
  const groupGrace = Duration.toMillis(Duration.fromInputUnsafe(yield* GroupGrace))
  const cannotStart = (cause: Cause.Cause<PlatformError>) =>
    Effect.fail(toSpawnError(request, cause))
  const guardian =
    guard === "guardian"
      ? yield* RcMap.get(guardians, Math.floor(grace / Guardian.TurnTime)).pipe(
          Effect.catchCause(cannotStart)
        )
      : undefined
  const env = makeEnvironment(request.options)
  const gated = guardian !== undefined && StartGate.passes(env)
  const args = makeArguments(request, env, main)
  if (guard === "watchdog") args.push(Watchdog.argument(grace))
  const [file, given] = yield* makeProgram(request, args, env, gated)
  const command = ChildProcess.make(file, given, makeOptions(request, env))

  // The process in a scope of its own: it is closed when the leader is reaped, so that the stock spawner, which signals
  // the number of the group then, does so while nobody else can have that number. Afterwards it only looks.
  const processScope = yield* Scope.make()
  const pipes = yield* Scope.make()
  const diedOfMemory = memoryKills.begin()
  const handle = yield* spawner
    .spawn(command)
    .pipe(Scope.provide(processScope), Effect.catchCause(cannotStart))
  const reaped = awaitExit(handle)
  const group: ProcessGroups.ProcessGroup = {
    pid: handle.pid,
    isRunning: () => Effect.runSync(Effect.orElseSucceed(handle.isRunning, () => false))
  }
  ProcessGroups.add(group)
  const endGroup = yield* Effect.cached(
    Effect.gen(function* () {
      yield* Effect.forkDetach(Scope.close(processScope, Exit.void), { startImmediately: true })
      if (yield* untilNobodyRuns(group.pid, groupGrace)) return
      ProcessGroups.kill(group)
      yield* untilNobodyRuns(group.pid, KilledTime)
    })
  )
  const watching = yield* reaped.pipe(
    Effect.andThen(endGroup),
    Effect.andThen(guardian?.forget(group.pid) ?? Effect.void),
    Effect.ensuring(Effect.sync(() => ProcessGroups.remove(group))),
    Effect.forkDetach({ startImmediately: true, uninterruptible: true })
  )
  // What is not watched over does not run: if it waits behind the gate, it is ended there.
  yield* (guardian?.watch(group.pid) ?? Effect.void).pipe(
    Effect.catchCause((cause) =>
      endGroup.pipe(Effect.andThen(Fiber.await(watching)), Effect.andThen(cannotStart(cause)))
    )
  )

  const output = (name: "stdout" | "stderr") =>
    ChildOutput.make({
      mode: request.options[name] ?? "lines",
      source: handle[name],
      target: process[name],
      label: request.path
    })
  const [socket, stdout, stderr] = yield* Effect.all([
    WirePipe.make(handle, WireFd.Fd, gated ? StartGate.Open : undefined),
    output("stdout"),
    output("stderr")
  ]).pipe(Scope.provide(pipes))

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

  yield* Scope.addFinalizer(
    scope,
    Effect.gen(function* () {
      yield* endGroup
      yield* Fiber.await(watching)
      for (const output of [stdout, stderr]) output.hurry()
      yield* settle([...stdout.reading, ...stderr.reading], OutputTime)
      yield* Scope.close(pipes, Exit.void)
    })
  )

  return {
    socket,
    exit: Deferred.await(exit),
    pid: handle.pid,
    guard,
    terminate: Effect.sync(() => ProcessGroups.signal(group, "SIGTERM")),
    kill: Effect.sync(() => {
      killed = true
      ProcessGroups.signal(group, "SIGKILL")
    }),
    stdout: stdout.stream,
    stderr: stderr.stream,
    stderrTail: Effect.suspend(() =>
      group.isRunning() ? Effect.void : settle(stderr.reading, OutputTime)
    ).pipe(Effect.map(() => stderr.tail()))
  }
}, Effect.uninterruptible)

/** Actors as processes. Needs a `ChildProcessSpawner`, such as `NodeChildProcessSpawner.layer`. */
export const layer: Layer.Layer<Spawner, never, ChildProcessSpawner> = Layer.effect(
  Spawner,
  Effect.gen(function* () {
    const spawner = yield* ChildProcessSpawner
    // One, that is there as long as there are actors. (In fact one for each grace that they are given.)
    const guardians = yield* RcMap.make({
      lookup: (turns: number) => Guardian.make(spawner, turns)
    })
    return Spawner.of({ spawn: (request) => spawn(spawner, guardians, request) })
  })
)
