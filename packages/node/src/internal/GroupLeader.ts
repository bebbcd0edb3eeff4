/**
 * One process that leads a group of its own: started behind its gate, and watched over.
 *
 * Answers for not one instruction of it being run before somebody watches over it, and for a group of which nothing is
 * left. What is started, an actor or a program that is not ours, is not known here.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ProcessExit } from "furrow/ProcessExit"
import { untilNobodyRuns } from "./GroupMembers.ts"
import type { Guardian } from "./Guardian.ts"
import { memoryKills } from "./MemoryKills.ts"
import * as ProcessGroups from "./ProcessGroups.ts"
import * as StartGate from "./StartGate.ts"
import * as WireFd from "./WireFd.ts"

/** What a process is started with. */
export interface Command {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Defaults to this process's. */
  readonly cwd: string | undefined
  readonly stdin: Exclude<ChildProcess.CommandOptions["stdin"], undefined>
  readonly stdout: "pipe" | "inherit" | "ignore"
  readonly stderr: "pipe" | "inherit" | "ignore"
}

/** Who ends the group if this process does not, and how patiently this one does. */
export interface Care {
  readonly guardian: Guardian | undefined
  /** Whether the guardian gives it no time to end by itself. Defaults to `false`. */
  readonly atOnce?: boolean
  /** How long programs that are left in the group may take to end after SIGTERM, in milliseconds. */
  readonly groupGrace: number
}

/** A process, until nothing is left of its group. */
export interface GroupLeader {
  readonly group: ProcessGroups.ProcessGroup
  readonly handle: ChildProcessHandle
  /** Whether it waits for the word that opens its gate: the one who has the wire says it. */
  readonly isGated: boolean
  /** Closed with {@link GroupLeader.gone}; what reads the outputs belongs to it as well. */
  readonly pipes: Scope.Closeable
  /** Waits until it is reaped. */
  readonly reaped: Effect.Effect<ProcessExit>
  /** To be asked when it was killed: whether that was for want of memory. */
  readonly diedOfMemory: () => boolean
  /** Gives it into the care of somebody else. */
  readonly entrust: (care: Care) => Effect.Effect<void, PlatformError>
  /** Ends it, if it still runs, and makes sure that nothing of its group is left. */
  readonly nobodyLeft: Effect.Effect<void>
  /** The same, and lets go of it. `last` is run before its pipes are closed. */
  readonly gone: (last?: Effect.Effect<void>) => Effect.Effect<void>
}

/** How long a group may take to be gone after SIGKILL, in milliseconds. */
const KilledTime = 1000

/** Waits until the process is reaped. The handle fails for one that was signalled, and names the signal in words only. */
const awaitExit = (handle: ChildProcessHandle): Effect.Effect<ProcessExit> =>
  Effect.match(handle.exitCode, {
    onSuccess: (code) => ({ code }),
    onFailure: (error) => {
      const signal = /'(SIG\w+)'/.exec(String(error.reason.cause))?.[1]
      return signal === undefined ? {} : { signal }
    }
  })

/**
 * Starts it. Must not be interrupted; if it fails, nothing is left. `wire`: descriptor 3 is both ends' own, and whoever
 * takes this one opens the gate. Without, it is opened here, and the program has no such descriptor.
 */
export const start = Effect.fnUntraced(function* (
  spawner: ChildProcessSpawner["Service"],
  { args, cwd, env, file, stderr, stdin, stdout }: Command,
  first: Care,
  wire?: "wire"
): Effect.fn.Return<GroupLeader, PlatformError> {
  let care = first
  const isGated = care.guardian !== undefined && StartGate.passes(env)
  const command = ChildProcess.make(
    ...(isGated ? StartGate.shut(file, args, wire) : ([file, args] as const)),
    {
      ...(cwd === undefined ? {} : { cwd }),
      env,
      detached: true,
      stdin,
      stdout,
      stderr,
      additionalFds: isGated || wire !== undefined ? { [`fd${WireFd.Fd}`]: { type: "duplex" } } : {}
    }
  )

  // The process in a scope of its own: it is closed when the leader is reaped, so that the stock spawner, which signals
  // the number of the group then, does so while nobody else can have that number. Afterwards it only looks.
  const processScope = yield* Scope.make()
  const pipes = yield* Scope.make()
  const diedOfMemory = memoryKills.begin()
  const handle = yield* Scope.provide(spawner.spawn(command), processScope)
  const reaped = awaitExit(handle)
  const group: ProcessGroups.ProcessGroup = {
    pid: handle.pid,
    isRunning: () => Effect.runSync(Effect.orElseSucceed(handle.isRunning, () => false))
  }
  ProcessGroups.add(group)
  const endGroup = yield* Effect.cached(
    Effect.gen(function* () {
      yield* Effect.forkDetach(Scope.close(processScope, Exit.void), { startImmediately: true })
      if (yield* untilNobodyRuns(group.pid, care.groupGrace)) return
      ProcessGroups.kill(group)
      yield* untilNobodyRuns(group.pid, KilledTime)
    })
  )
  const watching = yield* reaped.pipe(
    Effect.andThen(endGroup),
    Effect.andThen(Effect.suspend(() => care.guardian?.forget(group.pid) ?? Effect.void)),
    Effect.ensuring(Effect.sync(() => ProcessGroups.remove(group))),
    Effect.forkDetach({ startImmediately: true, uninterruptible: true })
  )
  const nobodyLeft = Effect.andThen(endGroup, Fiber.await(watching))
  // What is not watched over does not run: if it waits behind the gate, it is ended there.
  yield* (care.guardian?.watch(group.pid, care.atOnce) ?? Effect.void).pipe(
    Effect.catchCause((cause) => Effect.andThen(nobodyLeft, Effect.failCause(cause)))
  )
  if (isGated && wire === undefined) {
    yield* Effect.ignore(Stream.run(Stream.make(StartGate.Open), handle.getInputFd(WireFd.Fd)))
  }

  return {
    group,
    handle,
    isGated,
    pipes,
    reaped,
    diedOfMemory,
    entrust: (next) =>
      Effect.gen(function* () {
        const { guardian } = care
        if (next.guardian !== guardian) {
          yield* next.guardian?.watch(group.pid, next.atOnce) ?? Effect.void
          yield* guardian?.forget(group.pid) ?? Effect.void
        }
        care = next
      }),
    nobodyLeft,
    gone: (last = Effect.void) =>
      nobodyLeft.pipe(Effect.andThen(last), Effect.andThen(Scope.close(pipes, Exit.void)))
  }
})
