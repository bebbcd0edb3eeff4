/**
 * Guests in a tree of processes that a signal ends: everybody's finalizers run, and nobody is left. Area AIO.
 */
import { assert, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isAlive, killGroup } from "../node/Pids.ts"
import { start } from "../node/Program.ts"
import type { What } from "./fixtures/guests.ts"

/** A tree that waits, and the file that is there while its actor lives. */
const waiting = (what: Omit<What, "file">) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-guests-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const file = join(folder, "alive")
    const program = yield* start("../../tree/fixtures/guests.ts", [
      JSON.stringify({ ...what, file } satisfies What)
    ])
    const found = yield* program.until("stdout", /root (\d+) manager (\d+)\n/)
    const [root = 0, manager = 0] = found.slice(1).map(Number)
    yield* Effect.addFinalizer(() => Effect.sync(() => [root, manager].forEach(killGroup)))
    assert(existsSync(file))
    return { program, root, manager, file }
  })

for (const to of ["the actor", "the root"] as const) {
  for (const shielded of [false, true]) {
    for (const background of [false, true]) {
      for (const waits of [false, true]) {
        const how = [
          shielded ? "with a guest that is shielded" : "with a guest that sleeps",
          ...(background ? ["and one in the background"] : []),
          waits ? "while the root waits for its dialog" : "while the root waits for something else"
        ].join(" ")
        it.live(`AIO-9 SIGINT to ${to} ${how} runs every finalizer, and is told`, () =>
          Effect.gen(function* () {
            const { file, manager, program, root } = yield* waiting({
              shielded,
              background,
              waits
            })
            process.kill(to === "the root" ? root : manager, "SIGINT")
            const { code, stderr } = yield* program.ended
            assert(!isAlive(manager))
            expect(existsSync(file), "the actor's own finalizer removes it").toBe(false)
            if (to === "the root") expect({ code, stderr }).toEqual({ code: 130, stderr: "" })
            else {
              expect(code).toBe(1)
              expect(stderr).toContain(
                'The actor "root/Manager" crashed: its process exited with code 130'
              )
            }
          })
        )
      }
    }
  }
}

it.live(
  "AIO-9 S8 a guest that ignores its signal does not hold the tree, and the report names it",
  () =>
    Effect.gen(function* () {
      const { file, manager, program, root } = yield* waiting({ deaf: true })
      process.kill(root, "SIGINT")
      const { code, stderr } = yield* program.ended
      assert(!isAlive(manager))
      expect(existsSync(file)).toBe(false)
      expect(code).toBe(130)
      expect(stderr).toMatch(
        /\[root\/Manager\] .*The guest "deaf" of "root\/Manager" has not ended/
      )
    })
)
