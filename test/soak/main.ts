/**
 * The long soak: `pnpm soak [--quick] [--only dialogs]`. 300 000 dialogs on one connection, 2 000 actors, a stream of 10 million items;
 * then a table of what each end held before and after, and an exit code that says whether that was the same.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import { actors, dialogs, items } from "./Soak.ts"

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: { quick: { type: "boolean" }, only: { type: "string" } }
})

/** What a process may hold more after it, in bytes. */
const Slack = 4_000_000

/** Says how far it is about twenty times. */
const progress = (what: string, count: number) => {
  let next = count / 20
  return (done: number) => {
    if (done < next) return
    next += count / 20
    console.log(`${what}: ${done} of ${count}`)
  }
}

const mebibytes = (bytes: number) => (bytes / 1_048_576).toFixed(2)

NodeActor.runMain(
  Effect.gen(function* () {
    const rows: Array<Record<string, string | number>> = []
    let leaks = 0
    for (const [soak, what, long, quick] of [
      [dialogs, "dialogs", 300_000, 12_000],
      [items, "items", 10_000_000, 200_000],
      [actors, "actors", 2000, 20]
    ] as const) {
      if (values.only !== undefined && values.only !== what) continue
      const count = values.quick === true ? quick : long
      const soaked = yield* soak(count, progress(what, count))
      for (const end of ["parent", "child"] as const) {
        const measured = soaked[end]
        if (measured === undefined) continue
        const { after, before } = measured
        const grown = after.bytes - before.bytes
        const isLeak =
          grown > Slack || after.handles > before.handles || after.descriptors > before.descriptors
        if (isLeak) leaks++
        rows.push({
          what: `${count} ${what}`,
          end,
          seconds: Math.round(soaked.millis / 1000),
          "MiB before": mebibytes(before.bytes),
          "MiB after": mebibytes(after.bytes),
          handles: `${before.handles} → ${after.handles}`,
          descriptors: `${before.descriptors} → ${after.descriptors}`,
          left: isLeak ? "SOMETHING" : "nothing"
        })
      }
    }
    console.table(rows)
    if (leaks > 0) return yield* Effect.fail(new Error("Something is left: see the table."))
  })
)
