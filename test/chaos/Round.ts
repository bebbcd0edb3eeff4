/**
 * One round: starts the root of a plan as a process of its own, strikes from outside as the plan says, and looks at what
 * is there when it has ended.
 *
 * Answers for what was seen, and for leaving nothing behind itself, however the round goes. Judging it is `Oracle`'s.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { spawn, spawnSync } from "node:child_process"
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Variables } from "./Early.ts"
import * as Journal from "./Journal.ts"
import { Root } from "./Plan.ts"
import type { Blow, Plan } from "./Plan.ts"
import { MarkVariable, Observer } from "./ProcessTable.ts"
import type { Entry } from "./ProcessTable.ts"

/** All that was seen of a round. Times are in milliseconds. */
export interface Seen {
  readonly notes: ReadonlyArray<Journal.Note>
  /** How the root ended; nothing if it had not within {@link RootPatience}. */
  readonly exit: { readonly code: number | null; readonly signal: string | null } | undefined
  /** When that was, by the clock of the notes. */
  readonly endedAt: number
  /** Who lived at the moment the root was reaped. */
  readonly atEnd: ReadonlyArray<Entry>
  /** Who lived when waiting for them was given up. */
  readonly left: ReadonlyArray<Entry>
  /** How long after the root the last of them was gone. */
  readonly goneAfter: number
  /** Who they were that were gone last. */
  readonly last: ReadonlyArray<Entry>
  /** Sockets in the round's own directory, and those that somebody listens on there. */
  readonly sockets: ReadonlyArray<string>
  readonly processes: number
  /** How many times slower than a quiet machine this one was. */
  readonly load: number
  readonly stderr: string
}

/**
 * How long the root may take for all of it on a quiet machine: twice the 30 s that a start may take by default, which an
 * actor uses up that fails while it starts and whose last finalizer hangs.
 */
export const RootPatience = 60_000

/** How long what is below a root that was killed may live on a quiet machine (S7). */
export const GonePatience = 2000

/** How long Node takes to start and end on a quiet machine. */
const QuietStart = 45

/** How many times slower than a quiet machine this one is now, at least 1: what it takes to start Node. */
const measureLoad = Effect.sync((): number => {
  const begun = Journal.now()
  spawnSync(process.execPath, ["-e", "0"], { stdio: "ignore" })
  return Math.max(1, (Journal.now() - begun) / QuietStart)
})

const main = fileURLToPath(new URL("./tree.main.ts", import.meta.url))

/** A directory for everything that the round writes; gone with the scope. */
const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-chaos-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)

/** Where the processes of all rounds keep their compiled code, so that only the first one compiles. */
const compileCache = join(tmpdir(), `furrow-chaos-cache-${process.getuid?.() ?? 0}`)

/** Starts the root, and waits for its exit; whatever it has started is gone with the scope. */
const start = (dir: string, observer: Observer, mark: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const err = openSync(join(dir, "stderr"), "w")
      const child = spawn(
        process.execPath,
        [`--title=chaos:${Root}`, main, join(dir, "plan.json"), join(dir, "journal")],
        {
          cwd: dir,
          detached: true,
          stdio: ["ignore", "ignore", err],
          env: {
            ...process.env,
            TMPDIR: dir,
            NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? compileCache,
            [MarkVariable]: mark,
            [Variables.file]: join(dir, "journal"),
            [Variables.name]: Root
          }
        }
      )
      closeSync(err)
      const ended = new Promise<NonNullable<Seen["exit"]>>((resolve) => {
        child.once("exit", (code, signal) => resolve({ code, signal }))
      })
      return Effect.promise(() => ended)
    }),
    () => endAll(observer)
  )

/** Ends whoever is left, until nobody is. */
const endAll = (observer: Observer): Effect.Effect<void> =>
  Effect.suspend(() => {
    const left = observer.look()
    for (const { pid } of left) observer.signal(pid, "SIGKILL")
    for (const { pid, session } of left) if (pid !== session) observer.signal(session, "SIGKILL")
    return left.length === 0 ? Effect.void : Effect.delay(endAll(observer), "20 millis")
  })

/** Waits until something is there, looking now and then. */
const until = <A>(look: () => A | undefined, every = 10): Effect.Effect<A> =>
  Effect.suspend(() => {
    const found = look()
    return found === undefined ? Effect.delay(until(look, every), every) : Effect.succeed(found)
  })

/** Who has noted being ready, read again only when the journal has grown. */
const readiness = (file: string): ((who: string) => Journal.Note | undefined) => {
  let size = 0
  let ready: ReadonlyArray<Journal.Note> = []
  return (who) => {
    const now = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    if (now !== size) ready = Journal.read(file).filter(({ note }) => note === "ready")
    size = now
    return ready.find((note) => note.who === who)
  }
}

/** Strikes one process, counted from when it is ready. */
const strike = (
  file: string,
  readyOf: ReturnType<typeof readiness>,
  observer: Observer,
  { on, signals }: Blow
) =>
  Effect.gen(function* () {
    const ready = yield* until(() => readyOf(on))
    let at = ready.at
    for (const { after, signal } of signals) {
      at += after
      yield* Effect.sleep(Math.max(0, at - Journal.now()))
      at = Journal.now()
      if (!observer.signal(ready.pid, signal)) return
      Journal.write(file, "observer", { note: "blow", on, signal }, at)
    }
  })

/** Sockets with a name in this directory: files, and what the kernel knows of. */
const socketsIn = (dir: string): ReadonlyArray<string> => [
  ...readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isSocket())
    .map(({ name, parentPath }) => join(parentPath, name)),
  ...readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.includes(dir))
]

/** Runs a round. Interrupting it ends all of it at once. */
export const run = (plan: Plan): Effect.Effect<Seen, never, Scope.Scope> =>
  Effect.gen(function* () {
    const dir = yield* directory
    const file = join(dir, "journal")
    writeFileSync(join(dir, "plan.json"), JSON.stringify(plan))
    const mark = `${plan.seed}/${plan.round}/${process.pid}/${Journal.now()}`
    const observer = new Observer(mark)
    const load = yield* measureLoad
    const readyOf = readiness(file)
    const ended = yield* start(dir, observer, mark)

    yield* Effect.forEach(plan.blows, (blow) =>
      Effect.forkScoped(strike(file, readyOf, observer, blow))
    )
    yield* until(() => void observer.look(), 200).pipe(Effect.forkScoped)
    const exit = yield* Effect.exit(Effect.timeout(ended, RootPatience * load))
    const endedAt = Journal.now()
    const atEnd = observer.look()
    let last = atEnd
    const isGone = () => {
      const living = observer.look()
      if (living.length === 0) return Journal.now()
      last = living
      return undefined
    }
    const gone = yield* Effect.exit(
      Effect.timeout(until(isGone), Exit.isFailure(exit) ? 0 : GonePatience * load)
    )
    // The machine may have become busy in the meantime: what counts is how busy it is now.
    const loadNow = Exit.isFailure(gone) ? yield* measureLoad : load
    const late =
      Exit.isFailure(gone) && Exit.isSuccess(exit) && loadNow > load
        ? yield* Effect.exit(Effect.timeout(until(isGone), GonePatience * (loadNow - load)))
        : gone
    const left = observer.look()
    return {
      notes: Journal.read(file),
      exit: Exit.isSuccess(exit) ? exit.value : undefined,
      endedAt,
      atEnd,
      left,
      goneAfter: (Exit.isSuccess(late) ? late.value : Journal.now()) - endedAt,
      last,
      sockets: socketsIn(dir),
      processes: observer.count,
      load: Math.max(load, loadNow),
      stderr: readFileSync(join(dir, "stderr"), "utf8")
    }
  })
