/**
 * Actors as threads of this process: a `Spawner` that is chosen by providing its Layer, and runs the same main modules.
 *
 * Answers for starting a thread with its wire, for its output, for an exit that is told when the thread is gone, and for
 * refusing by name what a thread cannot have. What a thread is otherwise, `NodeActor` knows.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Death, ProcessExit } from "furrow/ProcessExit"
import { Spawner } from "furrow/Spawner"
import type { ProcessOptions, Spawned, SpawnRequest } from "furrow/Spawner"
import { LimitReached, SpawnError } from "furrow/TreeError"
import { inspect } from "node:util"
import { receiveMessageOnPort, Worker } from "node:worker_threads"
import * as ChildOutput from "./internal/ChildOutput.ts"
import * as CompileCache from "./internal/CompileCache.ts"
import * as MainModule from "./internal/MainModule.ts"
import { settle, settleWhen } from "./internal/Settle.ts"
import * as Prebuilt from "./internal/Prebuilt.ts"
import { RolePrefix } from "./internal/RolePrefix.ts"
import * as Thread from "./internal/Thread.ts"
import { Programs } from "./internal/ThreadPrograms.ts"
import * as WirePort from "./internal/WirePort.ts"

/** How long the rest of a dead thread's output may take to arrive, in milliseconds. */
const OutputTime = 200

/** How long the programs that a thread has left behind may take to die of SIGKILL, in milliseconds. */
const KillTime = 5000

/**
 * The heap of young values of a thread whose memory is bounded, in MiB. Node lets such a thread have 16 MiB beyond its
 * bound, to be ended in. V8 moves young values to the old heap by a third of this at a time, and aborts the whole
 * process if that does not fit: with its own 48 MiB that was seen in one of ten threads on a busy machine.
 */
const YoungHeap = 12

/** What belongs to a whole process, and so cannot be had for a thread. */
const ofProcesses = ["cwd", "execPath", "gid", "uid"] as const satisfies ReadonlyArray<
  keyof ProcessOptions
>

// ---------------------------------------------------------------------------------------------------------------------
// Starting a thread
// ---------------------------------------------------------------------------------------------------------------------

/** Without what is to be removed: Node would make the text "undefined" of it. */
const environment = (env: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined

/**
 * A thread with the flags that it was given, or what Node lets it have of its process's. With one flag more Node wants all
 * of them named, and then refuses those that only a process can have.
 */
const start = (
  request: SpawnRequest,
  main: string,
  ports: ReturnType<typeof Thread.makePorts>
): Worker => {
  const { execArgv } = request.options
  if (execArgv !== undefined) return startWith(request, main, ports, [...execArgv])
  const more = Prebuilt.flagsOf(process.env).filter((flag) => !process.execArgv.includes(flag))
  if (more.length === 0) return startWith(request, main, ports)
  try {
    return startWith(request, main, ports, [...process.execArgv, ...more])
  } catch (error) {
    if (codeOf(error) !== "ERR_WORKER_INVALID_EXEC_ARGV") throw error
    return startWith(request, main, ports)
  }
}

const startWith = (
  request: SpawnRequest,
  main: string,
  ports: ReturnType<typeof Thread.makePorts>,
  execArgv?: Array<string>
): Worker => {
  const { env, memory, stderr, stdin, stdout, title } = request.options
  return new Worker(main, {
    argv: [`${RolePrefix}${request.actor.actorName}`],
    name: title ?? `${RolePrefix}${request.path}`,
    workerData: ports.workerData,
    transferList: ports.transferList,
    stdin: stdin !== undefined && stdin !== "ignore",
    stdout: stdout !== "inherit",
    stderr: stderr !== "inherit",
    env: environment({ ...process.env, ...CompileCache.environment(), ...env }),
    ...(execArgv === undefined ? {} : { execArgv }),
    ...(memory === undefined
      ? {}
      : {
          resourceLimits: {
            maxOldGenerationSizeMb: memory,
            maxYoungGenerationSizeMb: Math.min(memory, YoungHeap)
          }
        })
  })
}

const toSpawnError = (request: SpawnRequest, error: unknown): SpawnError =>
  codeOf(error) === "ERR_WORKER_INIT_FAILED"
    ? new SpawnError({
        actor: request.path,
        reason: new LimitReached({
          detail: `the system has no room for one more thread (${String(error)})`
        })
      })
    : MainModule.startFailed(request, Cause.fail(error))

// ---------------------------------------------------------------------------------------------------------------------
// One thread
// ---------------------------------------------------------------------------------------------------------------------

/** What a thread died of, as a process would have written it to stderr; Node writes nothing for a thread. */
const lastWords = (error: unknown): Uint8Array => Buffer.from(`Uncaught ${inspect(error)}\n`)

const spawn = Effect.fnUntraced(function* (
  request: SpawnRequest
): Effect.fn.Return<Spawned, SpawnError, Scope.Scope> {
  const { options } = request
  const refused = ofProcesses.filter((name) => options[name] !== undefined)
  if (refused.length > 0) {
    const names = refused.map((name) => `"${name}"`).join(", ")
    return yield* MainModule.refuse(
      request,
      `A thread shares its process, and cannot have ${names} of its own. Leave it out, or spawn this actor as a process, with NodeSpawner.layer`
    )
  }
  const main = yield* MainModule.find(request)
  const ports = Thread.makePorts()
  const worker = yield* Effect.try({
    try: () => start(request, main, ports),
    catch: (error) => toSpawnError(request, error)
  }).pipe(
    Effect.onError(() =>
      Effect.sync(() => {
        for (const port of Object.values(ports.own)) port.close()
      })
    )
  )

  const ended = Deferred.makeUnsafe<ProcessExit>()
  let killed = false
  let words: Uint8Array | undefined
  let death: Death | undefined
  worker.on("error", (error) => {
    words = lastWords(error)
    if (codeOf(error) === "ERR_WORKER_OUT_OF_MEMORY") {
      const { memory } = options
      death = {
        _tag: "OutOfMemory",
        of: "heap",
        ...(memory === undefined ? {} : { limit: memory })
      }
    }
    if (options.stderr === "inherit") process.stderr.write(words)
  })
  const programs = new Programs()
  ports.own.orders.on("message", programs.note)
  ports.own.orders.unref()
  worker.once("exit", (code) => {
    // What it said last may not have been read yet.
    for (;;) {
      const last = receiveMessageOnPort(ports.own.orders)
      if (last === undefined) break
      programs.note(last.message)
    }
    programs.end()
    // Node tells of a thread that was ended by force as it does of one that failed.
    const exit: ProcessExit =
      killed && code === 1 && words === undefined
        ? { signal: "SIGKILL" }
        : { code, ...(death === undefined ? {} : { death }) }
    Deferred.doneUnsafe(ended, Exit.succeed(exit))
  })
  const kill = Effect.sync(() => {
    if (Deferred.isDoneUnsafe(ended)) return
    killed = true
    void worker.terminate()
  })

  const scope = yield* Effect.scope
  const pipes = yield* Scope.make()
  const output = (name: "stdout" | "stderr") => {
    const mode = options[name] ?? "lines"
    // A thread waits for the other end to read.
    if (mode === "ignore") worker[name].resume()
    const source = NodeStream.fromReadable({ evaluate: () => worker[name] })
    return ChildOutput.make({
      mode,
      // The last words come first: the output ends after them.
      source:
        name === "stderr"
          ? Stream.concat(
              source,
              Stream.suspend(() => (words === undefined ? Stream.empty : Stream.succeed(words)))
            )
          : source,
      target: process[name],
      label: request.path
    })
  }
  const [socket, stdout, stderr] = yield* Effect.all([
    WirePort.open(ports.own.wire),
    output("stdout"),
    output("stderr")
  ]).pipe(Scope.provide(pipes))
  const { stdin } = worker
  if (stdin !== null && options.stdin !== undefined && options.stdin !== "ignore") {
    yield* options.stdin.pipe(
      Stream.runForEach((chunk) =>
        Effect.callback<void>((resume) => {
          stdin.write(chunk, () => resume(Effect.void))
        })
      ),
      Effect.ensuring(Effect.sync(() => stdin.end())),
      Effect.forkIn(pipes, { startImmediately: true })
    )
  }

  yield* Scope.addFinalizer(
    scope,
    Effect.gen(function* () {
      yield* kill
      yield* Deferred.await(ended)
      yield* settleWhen(() => programs.isGone(), KillTime)
      yield* settle([...stdout.reading, ...stderr.reading], OutputTime)
      yield* Scope.close(pipes, Exit.void)
      ports.own.orders.close()
    })
  )

  return {
    socket,
    exit: Deferred.await(ended),
    // A thread has no number that anybody could signal.
    pid: undefined,
    terminate: Effect.sync(() => ports.own.orders.postMessage(Thread.Terminate)),
    kill,
    stdout: stdout.stream,
    stderr: stderr.stream,
    stderrTail: Effect.suspend(() =>
      Deferred.isDoneUnsafe(ended) ? settle(stderr.reading, OutputTime) : Effect.void
    ).pipe(Effect.map(() => stderr.tail()))
  }
}, Effect.uninterruptible)

/**
 * Actors as threads. Provided around a program, or around a single spawn, it takes the place of processes.
 *
 * Threads share a process: they have no process group, hear no signals, and cannot have `cwd`, `execPath`, `uid` or `gid`
 * of their own; one that is blocked in a native call cannot be ended, and one that runs out of memory may take the
 * process along. One that was ended by force is told as ended by `SIGKILL`.
 *
 * **Example** (Choosing threads)
 *
 * ```ts
 * NodeActor.runMain(program.pipe(Effect.provide(NodeWorkerSpawner.layer)))
 * ```
 */
export const layer: Layer.Layer<Spawner> = Layer.succeed(Spawner, Spawner.of({ spawn }))
