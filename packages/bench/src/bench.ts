/**
 * The benchmarks: `pnpm bench`, and `--help`.
 *
 * Measures peers side by side, prints what it has measured on stdout and what it is doing on stderr. Exits with 1 if
 * something could not be measured that should have been; no figure is ever a failure. A signal ends all of it.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { availableParallelism, cpus, release, type } from "node:os"
import { verdicts } from "./Budgets.ts"
import { peerNames } from "./Peers.ts"
import * as Plan from "./Plan.ts"
import * as Results from "./Results.ts"
import * as Runner from "./Runner.ts"
import { summarize } from "./Summary.ts"
import * as Table from "./Table.ts"
import { workloadNames } from "./Workloads.ts"

const flags = {
  workload: Flag.Literals("workload", workloadNames).pipe(
    Flag.withDescription("measure this workload; may be given more than once. Defaults to all"),
    Flag.atLeast(0)
  ),
  peer: Flag.Literals("peer", peerNames).pipe(
    Flag.withDescription("measure this peer; may be given more than once. Defaults to all"),
    Flag.atLeast(0)
  ),
  rounds: Flag.Int("rounds").pipe(
    Flag.withDescription("how often each is measured, in turns; 5 unless given, 1 with --quick"),
    Flag.filter(
      (rounds) => rounds > 0,
      () => "1 or more"
    ),
    Flag.optional
  ),
  quick: Flag.Boolean("quick").pipe(
    Flag.withDescription("only see that everything works; the figures say nothing"),
    Flag.withDefault(false)
  ),
  pinned: Flag.Boolean("pinned").pipe(
    Flag.withDescription("everything with both ends on one core (by taskset), and nothing without"),
    Flag.withDefault(false)
  ),
  unpinned: Flag.Boolean("unpinned").pipe(
    Flag.withDescription("nothing with both ends on one core"),
    Flag.withDefault(false)
  ),
  json: Flag.File("json").pipe(
    Flag.withDescription("write all that was measured to this file"),
    Flag.optional
  ),
  against: Flag.File("against", { mustExist: true }).pipe(
    Flag.withDescription("compare with an earlier run, by the file that --json wrote"),
    Flag.optional
  ),
  profile: Flag.Boolean("profile").pipe(
    Flag.withDescription("write CPU profiles of Furrow's processes, which makes them slower"),
    Flag.withDefault(false)
  )
}

const machine: Results.Results["machine"] = {
  processors: availableParallelism(),
  model: cpus()[0]?.model ?? "unknown processor",
  system: `${type()} ${release()}`,
  node: process.versions.node
}

/** What a step came to, in a line. */
const inShort = ({ others, outcome, peer, pinned, round, workload }: Results.Cell): string =>
  [
    String(round).padStart(2),
    `${workload}${pinned ? " pinned" : ""}`.padEnd(13),
    peer.padEnd(14),
    others === undefined ? "" : `others ${(others * 100).toFixed(0).padStart(3)} %  `,
    outcome._tag === "Measured"
      ? Object.entries(outcome.figures)
          .map(([name, value]) => `${name} ${Table.number(value)}`)
          .join(", ")
      : `${outcome._tag.toLowerCase()}: ${outcome.reason}`
  ].join(" ")

const command = Command.make("bench", flags, (given) =>
  Effect.gen(function* () {
    if (given.pinned && given.unpinned) {
      return yield* Effect.fail(
        "--pinned and --unpinned leave nothing to measure: give one of them"
      )
    }
    const earlier = yield* Effect.transposeOption(Option.map(given.against, Results.read))
    const steps = Plan.plan({
      peers: given.peer,
      workloads: given.workload,
      rounds: Option.getOrElse(given.rounds, () => (given.quick ? 1 : 5)),
      quick: given.quick,
      pinned: given.pinned ? true : given.unpinned ? false : undefined
    })
    if (steps.length === 0) {
      return yield* Effect.fail("none of these peers has any of these workloads")
    }
    const fs = yield* FileSystem.FileSystem
    const profiles = given.profile
      ? yield* fs.makeTempDirectory({ prefix: "furrow-profiles-" })
      : undefined
    const cells: Array<Results.Cell> = []
    for (const step of steps) {
      const cell = yield* Runner.run(step, { quick: given.quick, profiles })
      cells.push(cell)
      yield* Console.error(inShort(cell))
    }

    const at = new Date().toISOString()
    const results: Results.Results = { version: 1, at, machine, quick: given.quick, cells }
    yield* Console.log(Table.measured(results))
    const judged = given.quick ? [] : verdicts(summarize(cells))
    if (judged.length > 0) yield* Console.log(Table.budgeted(judged))
    if (Option.isSome(earlier)) yield* Console.log(Table.compared(results, earlier.value))
    if (Option.isSome(given.json)) yield* Results.write(given.json.value, results)
    if (profiles !== undefined) yield* Console.error(`CPU profiles are in ${profiles}`)
    const failed = cells.filter(({ outcome }) => outcome._tag === "Failed").length
    if (failed > 0) return yield* Effect.fail(`${failed} of ${cells.length} could not be measured`)
  }).pipe(
    Effect.catch((error) =>
      Console.error(typeof error === "string" ? error : error.message).pipe(
        Effect.andThen(
          Effect.sync(() => {
            process.exitCode = 1
          })
        )
      )
    )
  )
).pipe(
  Command.withDescription("Measures Furrow and what might be used instead, side by side."),
  Command.withExamples([
    { command: "pnpm bench --quick", description: "see that everything works" },
    {
      command: "pnpm bench --workload W2 --peer furrow --peer raw --peer fork --peer stock",
      description: "the round trip, and its budgets"
    }
  ])
)

Command.run(command, { version: "0" }).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
