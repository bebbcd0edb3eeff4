/**
 * The guardian: a small shell beside a process that has actors, which ends them when the process is gone without a word.
 *
 * Answers for its being there as long as there are actors, for what it knows of them, and for another one when it was
 * killed. It sits in a session of its own at the other end of a pipe that nobody else has, so whatever ends the process
 * ends the pipe. Ending actors in order is the ladder's.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { accessSync, constants } from "node:fs"
import { Outlet } from "./Outlet.ts"
import { settle } from "./Settle.ts"

export const Shell = "/bin/sh"

/** Whether this system has the shell that a guardian is. */
export const isPossible = (): boolean => {
  try {
    accessSync(Shell, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** How long one of the guardian's turns is, in milliseconds; in its script it stands in seconds. */
export const TurnTime = 100

/**
 * Reads `+ group`, `x group` and `- group` until the end of the file. Ends those of `x` at once; gives the others that are
 * left some turns to end by themselves, forgetting each that is empty, and ends the rest. `kill -KILL -N` is how all shells can say it: some know
 * no `--`, some need it after `-s`. A shell that cannot sleep for less than a second does not wait.
 */
const Script = `
trap '' HUP INT QUIT TERM USR1 USR2 PIPE
groups=' '
now=' '
while read -r word group; do
  case "$word$groups" in
    +*) groups="$groups$group " ;;
    x*) now="$now$group " ;;
    -*" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;;
    -*) case "$now" in
      *" $group "*) now="\${now%% $group *} \${now#* $group }" ;;
    esac ;;
  esac
done
for group in $now; do kill -KILL "-$group"; done
turns=$1
while [ "$groups" != ' ' ] && [ "$turns" -gt 0 ] && sleep 0.1; do
  turns=$((turns - 1))
  living=' '
  for group in $groups; do
    kill -0 "-$group" && living="$living$group "
  done
  groups=$living
done
for group in $groups; do kill -KILL "-$group"; done
exit 0
`

/** Its name in the list of processes. */
export const Name = "furrow:guardian"

/** How long a guardian with nothing left to watch may take to go, in milliseconds. */
const LeaveTime = 1000

/** The longest pause before a guardian that was ended again and again is replaced, in milliseconds. */
const LongestPause = 10_000

/** Watches over the process groups of this process's actors. */
export interface Guardian {
  /**
   * Tells of a group; done when it will be ended, whatever becomes of this process from then on. `atOnce`: without the
   * time to end by itself.
   */
  readonly watch: (group: number, atOnce?: boolean) => Effect.Effect<void, PlatformError>
  /** The group is empty, and its number may be somebody else's from now on. */
  readonly forget: (group: number) => Effect.Effect<void>
}

/** One shell. */
interface Post {
  readonly pid: number
  readonly outlet: Outlet
  /** Ends when the shell has. */
  readonly ended: Fiber.Fiber<unknown>
  readonly kill: Effect.Effect<void>
}

/** Whether the words have reached the shell's pipe, where they stay whatever happens. */
const tell = (post: Post, word: "+" | "x" | "-", group: number): Effect.Effect<boolean> =>
  Effect.isSuccess(post.outlet.write(Buffer.from(`${word} ${group}\n`)))

/**
 * A guardian for the current scope. Once this process is gone, its actors have `turns` times {@link TurnTime} to end by
 * themselves.
 */
export const make = Effect.fnUntraced(function* (
  spawner: ChildProcessSpawner["Service"],
  turns: number
): Effect.fn.Return<Guardian, PlatformError, Scope.Scope> {
  const scope = yield* Effect.scope
  /** By which word each was told of. */
  const groups = new Map<number, "+" | "x">()
  const inTurn = Semaphore.makeUnsafe(1)
  let post: Post | undefined
  let deaths = 0

  const start: Effect.Effect<Post, PlatformError> = Effect.gen(function* () {
    const shell = yield* Scope.make()
    const handle = yield* spawner
      .spawn(
        ChildProcess.make(Shell, ["-c", Script, Name, String(turns)], {
          // It holds no directory, and of our environment only what finds programs: it may outlive us.
          cwd: "/",
          env: { PATH: process.env["PATH"] },
          detached: true,
          stdin: "pipe",
          stdout: "ignore",
          stderr: "ignore"
        })
      )
      .pipe(Scope.provide(shell))
    // Or the stock spawner would signal its number when it has gone.
    yield* Effect.ignore(handle.unref)
    const outlet = new Outlet()
    yield* outlet.into(handle.stdin)
    const ended = yield* Effect.exit(handle.exitCode).pipe(
      Effect.andThen(Scope.close(shell, Exit.void)),
      Effect.forkDetach({ startImmediately: true })
    )
    const kill = Effect.ignore(handle.kill({ killSignal: "SIGKILL" }))
    const own: Post = { pid: handle.pid, outlet, ended, kill }
    for (const [group, word] of groups) yield* tell(own, word, group)
    yield* Effect.forkIn(Effect.andThen(Fiber.await(ended), replace(own)), scope)
    post = own
    return own
  })

  const replace = (gone: Post): Effect.Effect<void, PlatformError> =>
    Effect.gen(function* () {
      if (post === gone) post = undefined
      // Never a spin, whatever ends them.
      if (deaths++ > 0) yield* Effect.sleep(Math.min(50 * 2 ** deaths, LongestPause))
      const next = yield* Effect.suspend(() =>
        post === undefined ? start : Effect.succeed(post)
      ).pipe(
        Semaphore.withPermit(inTurn),
        Effect.tapError((error) =>
          Effect.logWarning(
            `The guardian of this process's actors (pid ${gone.pid}) has ended, and no other can be started; it is tried again. If this process were killed now, actors that are busy or blocked would be left.`,
            error
          )
        ),
        Effect.retry(Schedule.spaced(LongestPause))
      )
      yield* Effect.logWarning(
        `The guardian of this process's actors (pid ${gone.pid}) was ended from outside. Another one (pid ${next.pid}) has taken its place and knows them all.`
      )
    })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      if (post === undefined) return Effect.void
      const { ended, kill, outlet } = post
      outlet.end()
      return Effect.andThen(
        settle([ended], LeaveTime),
        Effect.suspend(() => (ended.pollUnsafe() === undefined ? kill : Effect.void))
      )
    })
  )
  yield* Effect.uninterruptible(start)

  return {
    watch: (group, atOnce) =>
      Effect.gen(function* () {
        const word = atOnce === true ? "x" : "+"
        const told = post !== undefined && (yield* tell(post, word, group))
        // Nobody reads it: it was killed, and its end is still to come.
        if (!told) yield* tell(yield* start, word, group)
        groups.set(group, word)
      }).pipe(Semaphore.withPermit(inTurn), Effect.uninterruptible),
    forget: (group) =>
      Effect.suspend(() => {
        groups.delete(group)
        return post === undefined
          ? Effect.void
          : Effect.forkDetach(tell(post, "-", group), { startImmediately: true })
      }).pipe(Semaphore.withPermit(inTurn), Effect.asVoid)
  }
})
