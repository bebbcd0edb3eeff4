/**
 * A tree of processes that waits for its end, whatever that is to be: a root, two daemons, and a daemon of the second.
 *
 * Answers for nothing of it outliving its test. What it does is `fixtures/signalled.ts`'s.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { killGroup, untilDead, withTitle } from "../node/Pids.ts"
import { start } from "../node/Program.ts"
import type { What } from "./fixtures/signalled.ts"

/** A tree that waits. */
export interface Tree {
  readonly program: Effect.Success<ReturnType<typeof start>>
  /** The root's process, which is not the program's if another one is in front of it. */
  readonly root: number
  /** The processes right below the root; the second has one of its own. */
  readonly pids: ReadonlyArray<number>
  /** What its actors have written down. */
  readonly lines: () => ReadonlyArray<string>
}

/** The module of its root. */
export const signalled = "../../tree/fixtures/signalled.ts"

/** A tree that waits for its signal. `shell` may put another program in front of it. */
export const waiting = (
  what: (file: string) => What,
  options?: { readonly shell: string }
): Effect.Effect<Tree, never, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-signals-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const file = join(folder, "seen")
    const program = yield* start(signalled, [JSON.stringify(what(file))], options)
    const found = yield* program.until("stdout", /root (\d+) pids (\d+) (\d+)\r?\n/)
    const [root = 0, ...pids] = found.slice(1).map(Number)
    yield* Effect.addFinalizer(() => Effect.sync(() => [root, ...pids].forEach(killGroup)))
    return {
      program,
      root,
      pids,
      lines: () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [])
    }
  })

/** Both of those that write down what happens to them. */
export const both = (file: string): What => ({ above: { file }, below: { file } })

/** Waits until somebody has written this down. */
export const untilLine = (tree: Tree, line: string): Effect.Effect<void> =>
  Effect.suspend(() =>
    tree.lines().includes(line)
      ? Effect.void
      : Effect.andThen(Effect.sleep("5 millis"), untilLine(tree, line))
  )

/** Everybody who has ended in order. */
export const ended = ({ lines }: Tree) => lines().filter((line) => line.endsWith("has ended"))

/** What is written down when everybody of {@link both} has. */
export const everybody = ["above has ended", "below has ended"]

/** Waits until a process with this title is there. */
export const untilSome = (title: string): Effect.Effect<void> =>
  Effect.suspend(() =>
    withTitle(title).length > 0
      ? Effect.void
      : Effect.andThen(Effect.sleep("5 millis"), untilSome(title))
  )
/** Waits until no process with this title is left. */
export const untilNone = (title: string): Effect.Effect<void> =>
  Effect.suspend(() => Effect.forEach(withTitle(title), untilDead, { discard: true }))
