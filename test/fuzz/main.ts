/**
 * The long run: `pnpm fuzz [--frames N] [--seed S]`. Half of the frames are said in each codec. The seed is printed; one
 * that has found something finds it again.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Codec } from "furrow/protocol"
import { parseArgs } from "node:util"
import { fuzz } from "./Fuzzer.ts"

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: { frames: { type: "string" }, seed: { type: "string" } }
})
const frames = Number(values.frames ?? 1_000_000)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
console.log(
  `${frames} frames with seed ${seed}; again: pnpm fuzz --frames ${frames} --seed ${seed}`
)

for (const codec of [Codec.json, Codec.binary]) {
  const run = fuzz({
    codec,
    seed,
    frames: frames / 2,
    patience: 30_000,
    onProgress: (said) => console.log(`${codec.name}: ${said} frames`)
  })
  const exit = await Effect.runPromiseExit(run)
  if (Exit.isFailure(exit)) {
    console.error(Cause.pretty(exit.cause))
    process.exit(1)
  }
  const { connections, ends, frames: said, growth } = exit.value
  console.log(`${codec.name}: ${said} frames over ${connections} connections, which ended:`)
  console.table(ends)
  console.log(`held at the end beyond the beginning: ${Math.round(growth / 1024)} KiB`)
}
