/**
 * An actor that is gone before it was ready is known by its exit, whoever keeps its connection open: rule S6.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import { assert, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Nursery from "furrow/Nursery"
import { SpawnError } from "furrow/TreeError"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { only } from "../contract/Watching.ts"
import { patience } from "../contract/World.ts"
import { isAlive, killGroup } from "../node/Pids.ts"
import { Holding } from "./fixtures/holding.ts"

for (const [when, HOLDING] of [
  ["before it has said hello", "early"],
  ["while its Layer is built", "late"]
] as const) {
  it.live(
    `F2 S6 an actor that is gone ${when} has not started, though its connection is held open`,
    () =>
      Effect.gen(function* () {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-holding-"))),
          (made) => Effect.sync(() => rmSync(made, { recursive: true }))
        )
        const HOLDER = join(folder, "holder")
        const holder = () => Number(readFileSync(HOLDER, "utf8"))
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => existsSync(HOLDER) && killGroup(holder()))
        )
        const begun = performance.now()
        const exit = yield* Effect.exit(
          Nursery.run(
            Nursery.spawn(Holding, {
              main: new URL("./fixtures/holding.ts", import.meta.url),
              env: { HOLDING, HOLDER },
              helloTimeout: "10 minutes",
              startTimeout: "10 minutes"
            })
          )
        )
        assert(isAlive(holder()), "nobody holds the connection")
        const error = only(exit)
        assert(error instanceof SpawnError)
        expect(error.reason).toMatchObject({ _tag: "StartFailed", exit: { code: 5 } })
        expect(performance.now() - begun).toBeLessThan(patience(1000))
      }).pipe(Effect.provide(NodeActor.layer))
  )
}
