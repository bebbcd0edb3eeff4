/**
 * Actors as processes of the operating system: the `Spawner` of real programs.
 *
 * Answers for starting a process with its wire on descriptor 3, for what it inherits, for its output, and for a group
 * of which nothing is left. The program is found by `main`; what is said over the wire, and how patiently an actor is
 * ended, is not known here.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import type { ProcessExit } from "furrow/ProcessExit"
import { Spawner } from "furrow/Spawner"
import type { Output, ProcessOptions, Spawned, SpawnRequest } from "furrow/Spawner"
import { LimitReached, SpawnError } from "furrow/TreeError"
import * as ChildOutput from "./internal/ChildOutput.ts"
import * as CompileCache from "./internal/CompileCache.ts"
import * as Death from "./internal/Death.ts"
import * as MainModule from "./internal/MainModule.ts"
import { memoryKills } from "./internal/MemoryKills.ts"
import * as NodeFlags from "./internal/NodeFlags.ts"
import * as ProcessGroups from "./internal/ProcessGroups.ts"
import { settle, settleTurns } from "./internal/Settle.ts"
import * as WireFd from "./internal/WireFd.ts"
import * as WirePipe from "./internal/WirePipe.ts"

export { DefaultMain, RolePrefix } from "./internal/MainModule.ts"

/**
 * How long the programs that an actor has left behind in its process group may take to end after SIGTERM, before
 * SIGKILL. Defaults to 500 milliseconds. (Where nobody reaps orphans, their zombies use up this time and a second more.)
 */
export const GroupGrace = Context.Reference<Duration.Input>("furrow/NodeSpawner/GroupGrace", {
  defaultValue: () => "500 millis"
})

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

const makeArguments = (request: SpawnRequest, main: string): Array<string> => {
  const { execArgv, gid, memory, title, uid } = request.options
  return [
    // Before everything that is inherited, so that nothing runs as the wrong user.
    ...NodeFlags.identityFlag(uid, gid),
    ...(execArgv ?? NodeFlags.inheritedExecArgv(process.execArgv)),
    ...NodeFlags.memoryFlag(memory),
    NodeFlags.titleFlag(title ?? `furrow:${request.path}`),
    main,
    `${MainModule.RolePrefix}${request.actor.actorName}`
  ]
}

const makeEnvironment = (options: ProcessOptions): Record<string, string | undefined> => {
  const nodeOptions = process.env["NODE_OPTIONS"]
  return {
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

const makeCommand = (
  request: SpawnRequest,
  main: string,
  groupGrace: Duration.Input
): ChildProcess.StandardCommand => {
  const { options } = request
  return ChildProcess.make(options.execPath ?? process.execPath, makeArguments(request, main), {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: makeEnvironment(options),
    extendEnv: true,
    detached: true,
    stdin: options.stdin ?? "ignore",
    stdout: toStdio(options.stdout ?? "lines"),
    stderr: toStdio(options.stderr ?? "lines"),
    additionalFds: { [`fd${WireFd.Fd}`]: { type: "duplex" } },
    forceKillAfter: groupGrace
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// What is told
// ---------------------------------------------------------------------------------------------------------------------

const NoRoom = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"])

const systemCode = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  if ("code" in error && typeof error.code === "string") return error.code
  return systemCode(error.cause)
}

const toSpawnError = (request: SpawnRequest, cause: Cause.Cause<PlatformError>): SpawnError => {
  const code = systemCode(Cause.squash(cause))
  if (code === undefined || !NoRoom.has(code)) return MainModule.startFailed(request, cause)
  return new SpawnError({
    actor: request.path,
    reason: new LimitReached({ detail: `the system has no room for one more process (${code})` })
  })
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
  request: SpawnRequest
): Effect.fn.Return<Spawned, SpawnError, Scope.Scope> {
  if (process.platform === "win32") {
    return yield* MainModule.refuse(
      request,
      "Actors as processes run on Linux and macOS; on Windows, use the test world"
    )
  }
  const main = yield* MainModule.find(request)
  const command = makeCommand(request, main, yield* GroupGrace)
  const scope = yield* Effect.scope

  // The process in a scope of its own: it is closed when the leader is reaped, so that the stock spawner, which signals
  // the number of the group, does so while nobody else can have that number.
  const processScope = yield* Scope.make()
  const pipes = yield* Scope.make()
  const diedOfMemory = memoryKills.begin()
  const handle = yield* spawner.spawn(command).pipe(
    Scope.provide(processScope),
    Effect.catchCause((cause) => Effect.fail(toSpawnError(request, cause)))
  )
  const reaped = awaitExit(handle)
  const group: ProcessGroups.ProcessGroup = {
    pid: handle.pid,
    isRunning: () => Effect.runSync(Effect.orElseSucceed(handle.isRunning, () => false))
  }
  ProcessGroups.add(group)
  const endGroup = yield* Effect.cached(Scope.close(processScope, Exit.void))
  const watching = yield* reaped.pipe(
    Effect.andThen(endGroup),
    Effect.ensuring(Effect.sync(() => ProcessGroups.remove(group))),
    Effect.forkDetach({ startImmediately: true, uninterruptible: true })
  )

  const output = (name: "stdout" | "stderr") =>
    ChildOutput.make({
      mode: request.options[name] ?? "lines",
      source: handle[name],
      target: process[name],
      label: request.path
    })
  const [socket, stdout, stderr] = yield* Effect.all([
    WirePipe.make(handle, WireFd.Fd),
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
  Effect.map(ChildProcessSpawner, (spawner) =>
    Spawner.of({ spawn: (request) => spawn(spawner, request) })
  )
)
