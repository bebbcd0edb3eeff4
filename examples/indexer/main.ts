/**
 * A parallel file indexer. A worker process per core reads files that the root finds, over dialogs with backpressure; the
 * root merges and shows how it goes. Press Ctrl-C: what was found by then is printed, and no process is left.
 */
import { NodeActor } from "@furrow/node"
import { layer as stdio } from "@effect/platform-node/NodeStdio"
import { layer as terminal } from "@effect/platform-node/NodeTerminal"
import { Clock, Effect, Exit, Schema } from "effect"
import { Argument, CliConfig, Command, Flag, GlobalFlag } from "effect/cli"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { Collection } from "./collection.ts"
import { makeCrew, restartsOf, work } from "./crew.ts"
import { print } from "./print.ts"
import { withProgress } from "./progress.ts"
import { report, toJson } from "./report.ts"
import { toText } from "./table.ts"
import { resolve } from "./target.ts"

const ownModules = fileURLToPath(new URL("../../node_modules", import.meta.url))

const command = Command.make(
  "demo",
  {
    path: Argument.String("path").pipe(
      Argument.withDescription(
        "The directory or file to index; this project's node_modules if left out"
      ),
      Argument.withDefault(ownModules)
    ),
    workers: Flag.Int("workers").pipe(
      Flag.withDescription("How many processes read files; one per core if left out"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 256 }))),
      Flag.withDefault(availableParallelism())
    ),
    killSome: Flag.Boolean("kill-some").pipe(
      Flag.withDescription("Shoot workers at random, and replace them: the result stays the same"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print the result as one JSON document"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("demo")(function* ({ json, killSome, path, workers }) {
    const target = yield* resolve(path)
    const start = yield* Clock.currentTimeMillis
    const collection = new Collection()
    const crew = makeCrew(workers)
    yield* work(crew, target, collection, { killSome }).pipe(
      (working) => withProgress(working, crew, collection),
      Effect.onExit(
        Effect.fn("tell")(function* (exit) {
          const seconds = ((yield* Clock.currentTimeMillis) - start) / 1000
          const { root } = target
          const result = report(collection, {
            root,
            partial: Exit.isFailure(exit),
            workers,
            ...(killSome ? { restarts: restartsOf(crew) } : {}),
            seconds
          })
          yield* print(json ? toJson(result) : toText(result))
        })
      )
    )
  })
).pipe(Command.withDescription("Index files: sizes, lines, hashes, identifiers, duplicates"))

NodeActor.runMain(
  Command.run(command, { version: "0.0.0" }).pipe(
    Effect.provide([stdio, terminal, CliConfig.layer({ builtIns: [GlobalFlag.Help] })])
  )
)
