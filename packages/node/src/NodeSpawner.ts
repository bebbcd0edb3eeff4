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
import { LimitReached, SpawnError, StartFailed } from "furrow/TreeError"
import { statSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as ChildOutput from "./internal/ChildOutput.ts"
import * as CompileCache from "./internal/CompileCache.ts"
import * as NodeFlags from "./internal/NodeFlags.ts"
import * as ProcessGroups from "./internal/ProcessGroups.ts"
import { settle } from "./internal/Settle.ts"
import * as WireFd from "./internal/WireFd.ts"
import * as WirePipe from "./internal/WirePipe.ts"

/** Stands in front of an actor's name in the arguments of its process; never in the environment, which leaks. */
export const RolePrefix = "furrow:"

/** The module that runs every actor spawned without a `main`; set by `NodeActor.main`. Defaults to none. */
export const DefaultMain = Context.Reference<URL | undefined>("furrow/NodeSpawner/DefaultMain", {
  defaultValue: () => undefined
})

/**
 * How long the programs that an actor has left behind in its process group may take to end after SIGTERM, before
 * SIGKILL. Defaults to 500 milliseconds. (Where nobody reaps orphans, their zombies use up this time and a second more.)
 */
export const GroupGrace = Context.Reference<Duration.Input>("furrow/NodeSpawner/GroupGrace", {
  defaultValue: () => "500 millis"
})

/** How long the rest of a dead process's output may take to arrive, in milliseconds. */
const OutputTime = 200

// ---------------------------------------------------------------------------------------------------------------------
// What is asked for
// ---------------------------------------------------------------------------------------------------------------------

const startFailed = (request: SpawnRequest, cause: Cause.Cause<unknown>): SpawnError =>
  new SpawnError({ actor: request.path, reason: new StartFailed({ cause, stderr: "" }) })

const refuse = (request: SpawnRequest, message: string): Effect.Effect<never, SpawnError> =>
  Effect.fail(startFailed(request, Cause.fail(new Error(message))))

/** The file of the module that is to run the actor, or what is wrong with it. */
const findMain = Effect.fnUntraced(function* (
  request: SpawnRequest
): Effect.fn.Return<string, SpawnError> {
  const name = request.actor.actorName
  const main = request.options.main ?? (yield* DefaultMain)
  if (main === undefined) {
    return yield* refuse(
      request,
      `No module is known that runs it: give "main" when spawning (main: new URL("./${name.toLowerCase()}.main.ts", import.meta.url)), or run the program with NodeActor.main`
    )
  }
  const url = typeof main === "string" && URL.canParse(main) ? new URL(main) : main
  if (typeof url !== "string" && url.protocol === "data:") {
    return yield* refuse(
      request,
      `Its "main" is a data: URL, which no process can be started with. A bundler has put the module into the bundle; give it each main as an entry of its own, or run the program with NodeActor.main`
    )
  }
  if (typeof url !== "string" && url.protocol !== "file:") {
    return yield* refuse(request, `Its "main" is no file: ${url.href}`)
  }
  const file = typeof url === "string" ? resolve(url) : fileURLToPath(url)
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    return yield* refuse(request, `Its "main" does not exist: ${file}`)
  }
  return file
})

const makeArguments = (request: SpawnRequest, main: string): Array<string> => {
  const { execArgv, gid, memory, title, uid } = request.options
  return [
    // Before everything that is inherited, so that nothing runs as the wrong user.
    ...NodeFlags.identityFlag(uid, gid),
    ...(execArgv ?? NodeFlags.inheritedExecArgv(process.execArgv)),
    ...NodeFlags.memoryFlag(memory),
    NodeFlags.titleFlag(title ?? `furrow:${request.path}`),
    main,
    `${RolePrefix}${request.actor.actorName}`
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
  if (code === undefined || !NoRoom.has(code)) return startFailed(request, cause)
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
    return yield* refuse(
      request,
      "Actors as processes run on Linux and macOS; on Windows, use the test world"
    )
  }
  const main = yield* findMain(request)
  const command = makeCommand(request, main, yield* GroupGrace)
  const scope = yield* Effect.scope

  // The process in a scope of its own: it is closed when the leader is reaped, so that the stock spawner, which signals
  // the number of the group, does so while nobody else can have that number.
  const processScope = yield* Scope.make()
  const pipes = yield* Scope.make()
  const handle = yield* spawner.spawn(command).pipe(
    Scope.provide(processScope),
    Effect.catchCause((cause) => Effect.fail(toSpawnError(request, cause)))
  )
  const exit = awaitExit(handle)
  const group: ProcessGroups.ProcessGroup = {
    pid: handle.pid,
    isRunning: () => Effect.runSync(Effect.orElseSucceed(handle.isRunning, () => false))
  }
  ProcessGroups.add(group)
  const endGroup = yield* Effect.cached(Scope.close(processScope, Exit.void))
  const watching = yield* exit.pipe(
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

  yield* Scope.addFinalizer(
    scope,
    Effect.gen(function* () {
      yield* endGroup
      yield* Fiber.await(watching)
      yield* settle([...stdout.reading, ...stderr.reading], OutputTime)
      yield* Scope.close(pipes, Exit.void)
    })
  )

  return {
    socket,
    exit,
    pid: handle.pid,
    terminate: Effect.sync(() => ProcessGroups.signal(group, "SIGTERM")),
    kill: Effect.sync(() => ProcessGroups.signal(group, "SIGKILL")),
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
