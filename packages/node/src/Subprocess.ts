/**
 * Programs that are not ours, under the supervision of a scope: a compiler, a converter, a shell script.
 *
 * Answers for a program, and all it has started in its group, never outliving its scope, nor this process, however that
 * ends; for what it writes, line by line; and for a bad end being a typed error with its last words. Actors are
 * `NodeSpawner`'s.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as CommandLine from "effect/process/CommandLine"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Life from "furrow/Life"
import { describeExit, lastWords, ProcessExit } from "furrow/ProcessExit"
import { accessSync, constants, statSync } from "node:fs"
import { basename } from "node:path"
import * as ChildOutput from "./internal/ChildOutput.ts"
import * as GroupLeader from "./internal/GroupLeader.ts"
import * as Lines from "./internal/Lines.ts"
import * as ProgramGuardian from "./internal/ProgramGuardian.ts"
import * as ProgramLadder from "./internal/ProgramLadder.ts"
import * as Room from "./internal/Room.ts"
import { settle } from "./internal/Settle.ts"
import * as StartGate from "./internal/StartGate.ts"
import { GroupGrace } from "./NodeSpawner.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** How many characters of a command an error's message has. */
const LongestCommand = 1000

const quoted = (command: string): string =>
  `\`${command.length > LongestCommand ? `${command.slice(0, LongestCommand)}…` : command}\``

/** A program ended with another exit code than 0, or by a signal. */
export class SubprocessFailed extends Schema.TaggedError<SubprocessFailed>()("SubprocessFailed", {
  /** The program and its arguments, as one would type them. */
  command: Schema.String,
  exit: ProcessExit,
  /** The last of what it wrote to stderr, at most 16 KiB. */
  stderr: Schema.String
}) {
  override get message() {
    return `The program ${quoted(this.command)} ${describeExit(this.exit)}.${lastWords(this.stderr)}`
  }
}

/** A program could not be started; nothing of it is left. */
export class SubprocessNotStarted extends Schema.TaggedError<SubprocessNotStarted>()(
  "SubprocessNotStarted",
  {
    command: Schema.String,
    /** There is no such program; the system has no room for one more process, for now; or it does not let us. */
    reason: Schema.Literals(["NotFound", "LimitReached", "Refused"]),
    detail: Schema.String
  }
) {
  override get message() {
    return `The program ${quoted(this.command)} was not started: ${this.detail}.`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is asked for
// ---------------------------------------------------------------------------------------------------------------------

/** How a program is run. */
export interface RunOptions<E = never, R = never> {
  /**
   * What it reads: nothing (the default), or a Stream, at the pace at which it reads. A Stream that fails has it stopped,
   * before it could take half of its input for the whole. It never gets this process's terminal.
   */
  readonly stdin?: "ignore" | Stream.Stream<Uint8Array | string, E, R> | undefined
  /**
   * What becomes of what it writes. `lines` (the default): passed on to this process's own stream line by line, each with
   * the label in front. `silent`: nobody sees it. The last of stderr is kept for the error in any case.
   */
  readonly stdout?: "lines" | "silent" | undefined
  /** As `stdout`. */
  readonly stderr?: "lines" | "silent" | undefined
  /** The working directory; defaults to this process's. */
  readonly cwd?: string | undefined
  /** Added to this process's environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** Its name in front of its lines, below the actor's that runs it: `[root/video/ffmpeg]`. Defaults to the program's. */
  readonly label?: string | undefined
  /** How long it may take to end after SIGTERM, before SIGKILL. Defaults to 2 seconds. */
  readonly terminateGrace?: Duration.Input | undefined
}

/** How a program is started that one wants to talk to. */
export interface StartOptions<E = never, R = never> extends Omit<
  RunOptions<E, R>,
  "stdout" | "stderr"
> {
  /** As for {@link run}, or `pipe` (the default): the lines are a Stream. It waits for whoever reads them. */
  readonly stdout?: "pipe" | "lines" | "silent" | undefined
  /** As for {@link run}, or `pipe`. Defaults to `lines`. */
  readonly stderr?: "pipe" | "lines" | "silent" | undefined
}

/** A program that runs, or has run. */
export interface Subprocess<out E = never> {
  /** Its number, and that of its process group. */
  readonly pid: number
  /**
   * What it writes to stdout, line by line, if that is asked for with `pipe`; else empty. Each line is for one reader. One
   * that is longer than 64 KiB comes in pieces. It ends with the program, also if a daemon that has left its group still
   * holds the output.
   */
  readonly stdout: Stream.Stream<string>
  /** The same of stderr. */
  readonly stderr: Stream.Stream<string>
  /** Waits until it has ended: how. Fails if the Stream that it was fed with has. */
  readonly exit: Effect.Effect<ProcessExit, E>
  /** Waits until it has ended, and fails if it did not end well. */
  readonly result: Effect.Effect<void, SubprocessFailed | E>
  /** Ends it and its group, and waits until they are gone. Does nothing to one that has ended. */
  readonly stop: Effect.Effect<void>
}

const DefaultTerminateGrace = 2000

// ---------------------------------------------------------------------------------------------------------------------
// One program
// ---------------------------------------------------------------------------------------------------------------------

const isFolder = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** Its process, for a scope; who watches over it is there as long. */
const lead = Effect.fnUntraced(function* (
  command: GroupLeader.Command,
  path: string
): Effect.fn.Return<
  GroupLeader.GroupLeader,
  SubprocessNotStarted,
  ChildProcessSpawner | Scope.Scope
> {
  const { args, cwd, env, file } = command
  const refuse = (reason: SubprocessNotStarted["reason"], detail: string) =>
    new SubprocessNotStarted({ command: CommandLine.display([file, ...args]), reason, detail })
  if (process.platform === "win32") {
    return yield* refuse("Refused", "programs are supervised on Linux and macOS only")
  }
  if (cwd !== undefined && !isFolder(cwd)) {
    return yield* refuse(
      "Refused",
      `its working directory "${cwd}" is no folder that can be entered`
    )
  }
  const lack = Room.lackOfDescriptors()
  if (lack !== undefined) return yield* refuse("LimitReached", lack)
  if (!StartGate.isThere(file, cwd ?? ".", env["PATH"])) {
    const where = file.includes("/") ? "" : ` in the PATH ${env["PATH"] ?? ""}`
    return yield* refuse("NotFound", `there is no program "${file}"${where} that can be run`)
  }
  const spawner = yield* ChildProcessSpawner
  const find = yield* ProgramGuardian.Current
  const groupGrace = Duration.toMillis(Duration.fromInputUnsafe(yield* GroupGrace))
  return yield* Effect.flatMap(find(path, spawner), (guardian) =>
    // It would not even know that this process is gone, and take the end of its input for the whole.
    GroupLeader.start(spawner, command, { guardian, groupGrace, atOnce: true })
  ).pipe(
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      const lack = Room.lack(error)
      return lack === undefined
        ? refuse("Refused", error instanceof Error ? error.message : String(error))
        : refuse("LimitReached", lack)
    })
  )
})

/**
 * Starts a program, for a scope: when that closes, the program and whoever it has started in its group are ended
 * (SIGTERM, a wait, SIGKILL) and gone. What it leaves behind in its group when it ends by itself is ended, too. So is all
 * of it at once when this process is killed, by a guardian; where there is no `/bin/sh`, nobody does that.
 *
 * It is started as the leader of a session of its own, without a terminal. No shell reads its arguments.
 *
 * **Example** (The lines of a program)
 *
 * ```ts
 * const log = yield* Subprocess.start("git", ["log", "--format=%s"])
 * yield* Stream.runForEach(log.stdout, (subject) => Console.log(subject))
 * yield* log.result
 * ```
 */
export const start = <E = never, R = never>(
  file: string,
  args: ReadonlyArray<string> = [],
  options: StartOptions<E, R> = {}
): Effect.Effect<Subprocess<E>, SubprocessNotStarted, R | ChildProcessSpawner | Scope.Scope> =>
  Effect.gen(function* () {
    const { label = basename(file), stderr: errors = "lines", stdin, stdout = "pipe" } = options
    const life = yield* Life.CurrentLife
    const path = life === undefined ? label : `${life.self.path}/${label}`
    const patience = Duration.toMillis(
      Duration.fromInputUnsafe(options.terminateGrace ?? DefaultTerminateGrace)
    )
    const scope = yield* Scope.fork(yield* Effect.scope)
    const leader = yield* lead(
      {
        file,
        args,
        cwd: options.cwd,
        env: { ...process.env, ...options.env },
        stdin: stdin === undefined || stdin === "ignore" ? "ignore" : "pipe",
        stdout: stdout === "silent" ? "ignore" : "pipe",
        stderr: "pipe"
      },
      path
    ).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    const { diedOfMemory, group, handle, pipes, reaped } = leader

    const output = (name: "stdout" | "stderr", mode: "pipe" | "lines" | "ignore" | "keep") =>
      ChildOutput.make({
        mode,
        source: handle[name],
        target: process[name],
        label: path
      }).pipe(Scope.provide(pipes))
    const out = yield* output("stdout", stdout === "silent" ? "ignore" : stdout)
    const err = yield* output("stderr", errors === "silent" ? "keep" : errors)

    let killed = false
    const ladder = ProgramLadder.climb(leader, path, patience, () => (killed = true))
    const stopping = yield* Effect.cached(
      Effect.forkDetach(ladder, { startImmediately: true, uninterruptible: true })
    )
    const stop = Effect.asVoid(Effect.flatMap(stopping, Fiber.await))
    yield* Scope.addFinalizer(
      scope,
      Effect.andThen(stop, leader.gone(ChildOutput.rest([out, err])))
    )

    let input: Cause.Cause<E> | undefined
    if (Stream.isStream(stdin)) {
      const encoder = new TextEncoder()
      yield* stdin.pipe(
        Stream.map((chunk) => (typeof chunk === "string" ? encoder.encode(chunk) : chunk)),
        // Its stdin stays open until it is gone.
        Stream.catchCause((cause) => {
          if (group.isRunning()) input = cause
          return Stream.drain(Stream.fromEffect(stop))
        }),
        Stream.run(handle.stdin),
        // It need not read what it is given.
        Effect.ignore,
        Effect.raceFirst(reaped),
        Effect.forkIn(pipes, { startImmediately: true })
      )
    }

    yield* reaped.pipe(
      Effect.andThen(leader.nobodyLeft),
      Effect.andThen(Effect.all([out.finish, err.finish], { concurrency: 2, discard: true })),
      Effect.forkIn(pipes, { startImmediately: true })
    )

    const exit = Deferred.makeUnsafe<ProcessExit, E>()
    yield* reaped.pipe(
      Effect.tap(settle(err.reading, ChildOutput.RestTime)),
      Effect.flatMap((how) => {
        if (input !== undefined) return Deferred.failCause(exit, input)
        const death: ProcessExit["death"] =
          how.signal === "SIGKILL" && !killed && diedOfMemory()
            ? { _tag: "OutOfMemory", of: "system" }
            : undefined
        return Deferred.succeed(exit, death === undefined ? how : Object.assign(how, { death }))
      }),
      Effect.forkDetach({ startImmediately: true, uninterruptible: true })
    )

    return {
      pid: group.pid,
      stdout: Lines.ofStream(out.stream),
      stderr: Lines.ofStream(err.stream),
      exit: Deferred.await(exit),
      result: Effect.flatMap(Deferred.await(exit), (how) =>
        how.code === 0
          ? Effect.void
          : Effect.fail(
              new SubprocessFailed({
                command: CommandLine.display([file, ...args]),
                exit: how,
                stderr: err.tail()
              })
            )
      ),
      stop
    }
  }).pipe(Effect.uninterruptible)

/**
 * Runs a program, and waits until it has ended, with whoever it has started in its group; fails if it did not end well.
 * Interrupting it ends the program, as {@link start} does when its scope closes.
 *
 * **Example** (A program that has to end well)
 *
 * ```ts
 * yield* Subprocess.run("git", ["fetch", "--all"], { cwd: "/srv/mirror" }).pipe(
 *   Effect.catchTag("SubprocessFailed", ({ exit, stderr }) => Console.warn(exit.code, stderr))
 * )
 * ```
 */
export const run = <E = never, R = never>(
  file: string,
  args: ReadonlyArray<string> = [],
  options: RunOptions<E, R> = {}
): Effect.Effect<void, SubprocessFailed | SubprocessNotStarted | E, R | ChildProcessSpawner> =>
  Effect.scoped(
    Effect.flatMap(
      start(file, args, { ...options, stdout: options.stdout ?? "lines" }),
      ({ result }) => result
    )
  ) as Effect.Effect<void, SubprocessFailed | SubprocessNotStarted | E, R | ChildProcessSpawner>
