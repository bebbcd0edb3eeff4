/**
 * The chaos suite: `pnpm chaos [--seed N] [--minutes M]`.
 *
 * Runs rounds until the time has passed, and says of each that did not hold what was planned, what was seen, and how it
 * is run again. Exits with 1 if there was one. A signal ends it at once, and all that it has started.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { draw } from "./Draw.ts"
import * as Journal from "./Journal.ts"
import { violations } from "./Oracle.ts"
import * as Plan from "./Plan.ts"
import * as Round from "./Round.ts"
import * as Tally from "./Tally.ts"
import * as Told from "./Told.ts"

const flags = {
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("what every choice follows from; a random one unless given"),
    Flag.optional
  ),
  minutes: Flag.Finite("minutes").pipe(
    Flag.withDescription("how long rounds are begun; 1 unless given, 0 with --round"),
    Flag.optional
  ),
  round: Flag.Int("round").pipe(
    Flag.withDescription("run this round alone: once, or again and again for --minutes"),
    Flag.optional
  ),
  atOnce: Flag.Int("at-once").pipe(
    Flag.withDescription("how many rounds run at the same time; most of a round is waiting"),
    Flag.withDefault(2)
  ),
  verbose: Flag.Boolean("verbose").pipe(
    Flag.withDescription("show what was planned and seen of every round"),
    Flag.withDefault(false)
  )
}

const noteInWords = (first: number, { at, pid, who, ...fact }: Journal.Note): string => {
  const shown = "told" in fact ? { ...fact, told: Told.inWords(fact.told) } : fact
  return `${String(Math.round(at - first)).padStart(6)} ms  ${who} (${pid}) ${JSON.stringify(shown)}`
}

const account = (plan: Plan.Plan, seen: Round.Seen, found: ReadonlyArray<string>): string => {
  const first = seen.notes[0]?.at ?? seen.endedAt
  return [
    "",
    `--- seed ${plan.seed}, round ${plan.round} ${found.length === 0 ? "holds" : "DOES NOT HOLD"} ---`,
    Plan.inWords(plan),
    "",
    ...seen.notes.map((note) => noteInWords(first, note)),
    `${String(Math.round(seen.endedAt - first)).padStart(6)} ms  the root is gone: ${JSON.stringify(seen.exit)}`,
    ...(seen.stderr === "" ? [] : ["", seen.stderr.trimEnd()]),
    "",
    ...found.map((one) => `VIOLATION: ${one}`),
    `again: pnpm chaos --seed ${plan.seed} --round ${plan.round}`,
    ""
  ].join("\n")
}

const command = Command.make("chaos", flags, (given) =>
  Effect.gen(function* () {
    const seed = Option.isSome(given.seed)
      ? given.seed.value
      : yield* Random.nextIntBetween(1, 1_000_000)
    const minutes = Option.getOrElse(given.minutes, () => (Option.isSome(given.round) ? 0 : 1))
    yield* Console.log(`seed ${seed}, ${minutes} minutes`)
    const end = Journal.now() + minutes * 60_000
    let begun = 0
    let tally = Tally.empty
    const one = Effect.gen(function* () {
      begun++
      const plan = draw(
        seed,
        Option.getOrElse(given.round, () => begun)
      )
      const seen = yield* Effect.scoped(Round.run(plan))
      const found = violations(plan, seen)
      tally = Tally.add(tally, plan, seen, found)
      if (found.length > 0 || given.verbose) yield* Console.log(account(plan, seen, found))
      if (tally.rounds % 10 === 0) yield* Console.log(Tally.inShort(tally))
    })
    const enough = () => begun > 0 && Journal.now() >= end
    const worker = Effect.whileLoop({
      while: () => !enough(),
      body: () => one,
      step: () => {}
    })
    yield* Effect.all(
      Array.from({ length: given.atOnce }, () => worker),
      { concurrency: "unbounded", discard: true }
    )
    yield* Console.log(`seed ${seed}: ${Tally.inWords(tally)}`)
    if (tally.violated > 0) process.exitCode = 1
  })
).pipe(
  Command.withDescription("Breaks random trees of actors at random, and looks at what is left.")
)

Command.run(command, { version: "0" }).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
