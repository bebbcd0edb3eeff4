/**
 * The progress of the work on stderr: on a terminal one line that is written over and in the end taken away; elsewhere a
 * plain line at the first result and every now and then.
 */
import { Clock, Effect, Stdio, Stream } from "effect"
import type { Collection } from "./collection.ts"
import type { Crew, Worker } from "./crew.ts"
import { count, size } from "./quantities.ts"

const Redraw = "100 millis"
const PlainEvery = "2 seconds"

/** To the start of the line, and nothing right of it. */
const Clear = "\r\u001B[2K"

/** Shows how the work goes, as long as it does. */
export const withProgress = Effect.fn("withProgress")(function* <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  crew: Crew,
  collection: Collection
) {
  const stdio = yield* Stdio.Stdio
  const start = yield* Clock.currentTimeMillis
  /** Nobody reading along is no reason to stop. */
  const write = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr()))
  const done = Effect.map(Clock.currentTimeMillis, (now) => {
    const rate = size(Math.round((collection.totals.bytes / Math.max(1, now - start)) * 1000))
    return `${count(collection.totals.files)} of ${count(crew.found)}${crew.foundAll ? "" : "+"} files, ${size(collection.totals.bytes)}, ${rate}/s`
  })

  const live = Effect.gen(function* () {
    // Asked each time: the window may have been resized. Some terminals say 0, for not knowing.
    const columns = process.stderr.columns || 80
    yield* write(Clear + inWidth(columns - 1, yield* done, crew.workers))
    yield* Effect.sleep(Redraw)
  }).pipe(Effect.forever, Effect.ensuring(write(Clear)))

  const plain = Effect.gen(function* () {
    while (collection.totals.files === 0) yield* Effect.sleep(Redraw)
    while (true) {
      yield* write(`progress: ${yield* done}; ${states(crew.workers)}\n`)
      yield* Effect.sleep(PlainEvery)
    }
  })

  yield* Effect.forkScoped((yield* stdio.stderrIsTerminal) ? live : plain)
  return yield* effect
}, Effect.scoped)

/** More workers than this are counted and not named. */
const NamedWorkers = 8

const states = (workers: ReadonlyArray<Worker>): string =>
  workers.length <= NamedWorkers ? each(workers) : together(workers)

const each = (workers: ReadonlyArray<Worker>): string =>
  workers.map(({ files, state }, at) => `#${at + 1} ${state} (${count(files)})`).join(", ")

/** How many there are in each state. */
const together = (workers: ReadonlyArray<Worker>): string =>
  (["busy", "idle", "starting", "done"] as const)
    .map((state) => ({ state, n: workers.filter((worker) => worker.state === state).length }))
    .filter(({ n }) => n > 0)
    .map(({ n, state }) => `${n} ${state}`)
    .join(", ")

/** As much as there is room for. */
const inWidth = (width: number, done: string, workers: ReadonlyArray<Worker>): string => {
  const wide = `${done}; ${states(workers)}`
  return wide.length <= width ? wide : `${done}; ${together(workers)}`.slice(0, width)
}
