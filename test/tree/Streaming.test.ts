/**
 * A tree in which much is under way when it is told to end.
 */
import { assert, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isAlive } from "../node/Pids.ts"
import { start } from "../node/Program.ts"

it.live(
  "STR-9 SIGINT to a root with a dialog and a stream under way exits 130; both callees have ended, and no process is left",
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-talking-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true }))
      )
      const seen = join(folder, "seen")
      const root = yield* start("../../tree/fixtures/talking.ts", [seen])
      const pid = Number((yield* root.until("stdout", /child (\d+)/))[1])
      root.process.kill("SIGINT")
      const { code, stderr } = yield* root.ended
      expect([code, stderr]).toEqual([130, ""])
      expect(readFileSync(seen, "utf8").split("\n").toSorted()).toEqual(["", "dialog", "stream"])
      assert(!isAlive(pid))
    })
)
