/**
 * Supervisors three deep, of real processes, that are ended in less time than those at the bottom would take.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { patience } from "../contract/World.ts"
import { start } from "../node/Program.ts"
import * as Table from "./Table.ts"

it.live(
  "an actor that keeps supervisors three deep ends in the time it is given, although nobody at the bottom does, and nobody outlives it (S5)",
  () =>
    Effect.gen(function* () {
      const program = yield* start("../../tree/fixtures/keeping.ts", [])
      yield* program.until("stdout", /ready\n/)
      const entries = yield* Table.take(program.process.pid!)
      expect(entries.filter(({ command }) => command.includes("furrow:")).length).toBeGreaterThan(3)
      process.kill(program.process.pid!, "SIGUSR2")
      // Had it not been done in time, it would have needed SIGTERM.
      yield* program.until("stdout", /stage asked\n/)
      yield* program.ended
      yield* Table.untilGone(entries)
    }),
  patience(10_000)
)
