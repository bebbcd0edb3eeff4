/** A short run of the fuzzer, with a seed that is always the same; `pnpm fuzz` makes long ones. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Codec } from "furrow/protocol"
import { patience } from "../contract/World.ts"
import { fuzz } from "./Fuzzer.ts"

for (const codec of [Codec.json, Codec.binary]) {
  it.live(
    `F16 ten thousand hostile frames in ${codec.name}: no crash, no hang, no growth, and a neighbour notices nothing`,
    () =>
      Effect.gen(function* () {
        const { ends, growth } = yield* fuzz({
          codec,
          seed: 3,
          frames: 10_000,
          patience: patience(1000)
        })
        // They have come far enough to mean something.
        expect(Object.keys(ends)).toEqual(
          expect.arrayContaining(["alive", "Bye", "MalformedFrame", "NeverOpened", "FrameTooLong"])
        )
        expect(growth).toBeLessThan(5_000_000)
      }),
    patience(10_000)
  )
}
