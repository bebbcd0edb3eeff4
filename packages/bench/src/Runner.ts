/**
 * Runs the steps of a plan, one after the other, each in a process of its own that leads a group of its own: when a step
 * has ended, or the run was interrupted, the whole group is ended.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { spawnSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as OtherLoad from "./OtherLoad.ts"
import { Mark, Outcome } from "./Outcome.ts"
import type { Step } from "./Plan.ts"
import type { Cell } from "./Results.ts"
import { Variable } from "./scratch.mjs"

const main = fileURLToPath(new URL("./measure.main.ts", import.meta.url))

/** How long a step may take; the longest of them takes half a minute. */
const Patience = Duration.minutes(5)

/** The core for both ends. The last one: the first has most of the interrupts. */
const core = String(availableParallelism() - 1)

/** Why nothing can be kept on one core here, if it cannot. */
const noPinning = (): string | undefined => {
  const { error, status, stderr } = spawnSync("taskset", ["-c", core, "true"], { encoding: "utf8" })
  if (error !== undefined) return `taskset cannot be run: ${error.message}`
  return status === 0 ? undefined : stderr.trim()
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Outcome))

/** What a process said, or what can be said about one that said nothing. */
const outcomeOf = (stdout: string, stderr: string, exit: string): Outcome => {
  const line = stdout.split("\n").findLast((line) => line.startsWith(Mark))
  const said = line === undefined ? Option.none() : decode(line.slice(Mark.length))
  return Option.getOrElse(said, () => {
    const words = stderr
      .split("\n")
      .map((line) => line.trim())
      .find((line) => /^(?:\w*Error\b|\[?\w+.*Error:)/.test(line))
    return { _tag: "Failed", reason: words === undefined ? exit : `${words} (${exit})` } as const
  })
}

/** How a step is run. */
export interface Options {
  readonly quick: boolean
  /** Where CPU profiles of Furrow's side are to be written, if they are. */
  readonly profiles: string | undefined
}

const commandOf = (
  { peer, pinned, round, workload }: Step,
  { profiles, quick }: Options,
  scratch: string
) => {
  const directory =
    profiles === undefined
      ? undefined
      : join(profiles, `${workload}${pinned ? "-pinned" : ""}-${round}`)
  const node = [
    process.execPath,
    // Its actors inherit these.
    ...(directory === undefined || !peer.startsWith("furrow")
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${directory}`]),
    main,
    peer,
    workload,
    ...(quick ? ["quick"] : [])
  ]
  const [command = "", ...args] = pinned ? ["taskset", "-c", core, ...node] : node
  return ChildProcess.make(command, args, {
    stdin: "ignore",
    killSignal: "SIGKILL",
    env: { [Variable]: scratch },
    extendEnv: true
  })
}

/** Runs one step; whatever it has started is gone afterwards. */
export const run = Effect.fnUntraced(function* (step: Step, options: Options) {
  const others = OtherLoad.begin()
  const outcome = yield* Effect.gen(function* () {
    const reason = step.pinned ? noPinning() : undefined
    if (reason !== undefined) return { _tag: "Skipped", reason } as const
    const fs = yield* FileSystem.FileSystem
    const scratch = yield* fs.makeTempDirectoryScoped({ prefix: "furrow-bench-" })
    const handle = yield* commandOf(step, options, scratch)
    const [stdout, stderr, exit] = yield* Effect.all(
      [
        Stream.mkString(Stream.decodeText(handle.stdout)),
        Stream.mkString(Stream.decodeText(handle.stderr)),
        Effect.match(handle.exitCode, {
          onSuccess: (code) => `exit code ${code}`,
          onFailure: ({ message }) => message
        })
      ],
      { concurrency: "unbounded" }
    )
    return outcomeOf(stdout, stderr, exit)
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: Patience,
      orElse: () =>
        Effect.succeed<Outcome>({
          _tag: "Failed",
          reason: `not done after ${Duration.format(Patience)}`
        })
    }),
    Effect.catch(({ message }) =>
      Effect.succeed<Outcome>({ _tag: "Failed", reason: `it cannot be started: ${message}` })
    )
  )
  const share = others()
  return {
    ...step,
    ...(share === undefined ? {} : { others: Math.round(share * 1000) / 1000 }),
    outcome
  } satisfies Cell
})
