/**
 * A program of Node under test, watched from outside: what it prints, and how it ends.
 *
 * Nothing it started outlives the test: its own group is killed at the end.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import type { ChildProcessByStdio } from "node:child_process"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"

/** How a program ended, and all it wrote. */
interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A running program. */
export interface Program {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  /** Waits until its output matches; the match. */
  readonly until: (name: "stdout" | "stderr", pattern: RegExp) => Effect.Effect<RegExpExecArray>
  /** What it has written to stdout so far. */
  readonly printed: () => string
  readonly ended: Effect.Effect<Ended>
}

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

/** Starts a fixture with the Node that runs the tests. `command` may put another program in front. */
export const start = (
  name: string,
  args: ReadonlyArray<string>,
  options?: { readonly shell?: string }
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Program => {
      const command = [process.execPath, fixture(name), ...args]
      const [file, ...rest] =
        options?.shell === undefined ? command : ["sh", "-c", options.shell, "sh", ...command]
      const child = spawn(file!, rest, { stdio: ["pipe", "pipe", "pipe"], detached: true })
      // It may end before it has read what was written to it.
      child.stdin.on("error", () => {})
      const written = { stdout: "", stderr: "" }
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (text: string) => {
          written[name] += text
        })
      }
      const ended = new Promise<Ended>((resolve) => {
        child.once("close", (code, signal) => resolve({ code, signal, ...written }))
      })
      return {
        process: child,
        until: (name, pattern) =>
          Effect.callback((resume) => {
            const look = () => {
              const match = pattern.exec(written[name])
              if (match === null) return
              child[name].off("data", look)
              child.off("close", ended)
              resume(Effect.succeed(match))
            }
            const ended = () =>
              resume(
                Effect.die(
                  new Error(
                    `it ended without ${String(pattern)}: ${written.stdout}${written.stderr}`
                  )
                )
              )
            child[name].on("data", look)
            child.once("close", ended)
            look()
            if (child.exitCode !== null || child.signalCode !== null) ended()
          }),
        printed: () => written.stdout,
        ended: Effect.promise(() => ended)
      }
    }),
    ({ process: child }) =>
      Effect.sync(() => {
        if (child.exitCode === null && child.signalCode === null)
          process.kill(-child.pid!, "SIGKILL")
      })
  )
