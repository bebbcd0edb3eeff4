/**
 * A crash loop of real processes: it ends, at the pace that was asked for, and costs next to nothing meanwhile.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { patience } from "../contract/World.ts"
import { start } from "../node/Program.ts"
import type { Told } from "./fixtures/looping.ts"

it.live(
  "F20 a child that is killed as soon as it is there ends in RestartIntensityExceeded, and its supervisor computes for a few percent of the time",
  () =>
    Effect.gen(function* () {
      const program = yield* start("../../tree/fixtures/looping.ts", [])
      const { code, stderr, stdout } = yield* program.ended
      expect(stderr).toBe("")
      expect(code).toBe(0)
      const { computed, error, lives, took, waits }: Told = JSON.parse(stdout)
      expect(lives).toBe(4)
      expect(waits).toEqual([2000, 2000, 2000])
      expect(took).toBeGreaterThan(6000)
      expect(error).toMatch(
        /^RestartIntensityExceeded: .*after 3 restarts within 60000 ms.*SIGKILL/
      )
      expect(computed / took).toBeLessThan(0.05)
    }),
  patience(10_000)
)
