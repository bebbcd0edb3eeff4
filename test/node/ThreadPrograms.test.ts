/**
 * The programs that a thread has left behind: gone means all of their groups.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Programs } from "../../packages/node/src/internal/ThreadPrograms.ts"
import { killGroup } from "./Pids.ts"

/** Whether the process runs, seen as fast as can be. */
const runs = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))
  } catch {
    return false
  }
}

// Where there is no `/proc`, only the leader is seen.
it.live.skipIf(process.platform !== "linux")(
  "F4 F7 a program is gone when the last of its group is, who may take longer to die than its leader",
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-programs-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true }))
      )
      const cue = join(folder, "cue")
      const many = `for n in $(seq 200); do sleep 1000 & echo $!; done; echo all; until [ -e "${cue}" ]; do :; done`
      const leader = spawn("sh", ["-c", many], {
        detached: true,
        stdio: ["ignore", "pipe", "ignore"]
      })
      const program = leader.pid!
      yield* Effect.addFinalizer(() => Effect.sync(() => killGroup(program)))
      let said = ""
      while (!said.includes("all")) {
        said += String((yield* Effect.promise(() => once(leader.stdout, "data")))[0])
      }
      const members = [...said.matchAll(/\d+/g)].map(Number)
      expect(members).toHaveLength(200)
      expect(members.every(runs)).toBe(true)

      // From here on nobody else is let in: the leader ends, and is not reaped.
      writeFileSync(cue, "")
      while (runs(program));
      const programs = new Programs()
      programs.note({ program, runs: true })
      programs.end()
      while (!programs.isGone());
      expect(members.filter(runs)).toEqual([])
    })
)
