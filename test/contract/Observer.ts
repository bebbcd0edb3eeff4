/**
 * Somebody who is told by actors what they do, in whatever world they live: a file that they add lines to.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { patience } from "./World.ts"
import type { World } from "./World.ts"

/** See the module. */
export interface Observer {
  /** Where actors write. */
  readonly file: string
  /** What has been written, line by line. */
  readonly lines: () => ReadonlyArray<string>
  /** Waits until a line has been written; dies when patience ends, with what was written instead. */
  readonly until: (line: string) => Effect.Effect<void>
}

/** Waits until something holds, as patiently as `patience` says; dies if it never does. */
export const until = (
  world: World,
  holds: () => boolean,
  what: () => string
): Effect.Effect<void> => {
  const end = performance.now() + patience(1000)
  const look: Effect.Effect<void> = Effect.suspend(() => {
    if (holds()) return Effect.void
    if (performance.now() > end) return Effect.die(new Error(`it never came to this: ${what()}`))
    return Effect.andThen(world.can.time ? world.elapse(0) : Effect.sleep("5 millis"), look)
  })
  return look
}

/** An observer for the length of the scope. */
export const make = (world: World): Effect.Effect<Observer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-observer-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const file = join(folder, "seen")
    const lines = () =>
      existsSync(file)
        ? readFileSync(file, "utf8")
            .split("\n")
            .filter((line) => line !== "")
        : []
    return {
      file,
      lines,
      until: (line) =>
        until(
          world,
          () => lines().includes(line),
          () => `"${line}" among ${JSON.stringify(lines())}`
        )
    }
  })
