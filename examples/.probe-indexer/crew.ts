/**
 * The workers and their work: one process for each, a dialog with each, and a queue of batches between the walk through
 * the tree and whoever is free next. Who is slow gets less, who is fast waits for nobody.
 */
import { Effect, Pull, Queue, Semaphore, Stream } from "effect"
import type { Cause } from "effect"
import { Dialog, Nursery } from "furrow"
import type { Collection } from "./collection.ts"
import { Indexer } from "./indexer.ts"
import type { Target } from "./target.ts"
import { walk } from "./walk.ts"

/** How many files a batch has. */
const BatchSize = 64

/** How many batches a worker has at once: the one it works on, and the one it goes on with. */
const BatchesAhead = 2

/** What is known of a worker. */
export interface Worker {
  readonly name: string
  state: "starting" | "idle" | "busy" | "done"
  files: number
}

/** Those who work, and how much there is for them to do. */
export interface Crew {
  readonly workers: ReadonlyArray<Worker>
  /** How many files the walk has found by now. */
  found: number
  /** Whether it has found all. */
  foundAll: boolean
}

/** A crew of so many, before work. */
export const makeCrew = (size: number): Crew => ({
  workers: Array.from({ length: size }, (_, index) => ({
    name: `indexer-${index + 1}`,
    state: "starting",
    files: 0
  })),
  found: 0,
  foundAll: false
})

type Batches = Queue.Queue<ReadonlyArray<string>, Cause.Done>

/** Indexes everything below a target into a collection. Every worker is gone when it returns, however it does. */
export const work = Effect.fn("work")(
  function* (crew: Crew, target: Target, collection: Collection) {
    const batches: Batches = yield* Queue.bounded<ReadonlyArray<string>, Cause.Done>(
      crew.workers.length
    )
    yield* Effect.all(
      [
        findBatches(crew, target, collection, batches),
        ...crew.workers.map((worker) => employ(worker, target.root, batches, collection))
      ],
      { concurrency: "unbounded", discard: true }
    )
  },
  (block) => Nursery.run(block)
)

/** Walks through the tree, no further ahead than the queue is long. */
const findBatches = (crew: Crew, target: Target, collection: Collection, batches: Batches) =>
  walk(target).pipe(
    Stream.tap((found) =>
      Effect.sync(() => {
        if (found._tag === "Unreadable") collection.add(found)
        else crew.found++
      })
    ),
    Stream.filter((found) => found._tag === "Found"),
    Stream.map(({ path }) => path),
    Stream.grouped(BatchSize),
    Stream.onEnd(
      Effect.sync(() => {
        crew.foundAll = true
      })
    ),
    Stream.runIntoQueue(batches)
  )

/** Starts a worker and keeps it busy until nothing is left to do. */
const employ = Effect.fn("employ")(function* (
  worker: Worker,
  root: string,
  batches: Batches,
  collection: Collection
) {
  const { client } = yield* Nursery.spawn(Indexer, {
    name: worker.name,
    main: new URL("./indexer.main.ts", import.meta.url)
  })
  yield* client.Index({ root }).pipe(
    Dialog.use(
      Effect.fn("keepBusy")(function* (dialog) {
        worker.state = "idle"
        const free = yield* Semaphore.make(BatchesAhead)
        let inHand = 0

        const feed = Effect.gen(function* () {
          yield* Semaphore.take(free, 1)
          const batch = yield* Queue.take(batches)
          inHand++
          worker.state = "busy"
          yield* dialog.send(batch)
        }).pipe(
          Effect.forever,
          Pull.catchDone(() => dialog.end)
        )

        const collect = Stream.runForEach(dialog.messages, (answer) => {
          collection.add(answer)
          if (answer._tag === "Indexed") worker.files++
          if (answer._tag !== "BatchDone") return Effect.void
          inHand--
          if (inHand === 0) worker.state = "idle"
          return Semaphore.release(free, 1)
        })

        yield* Effect.all([feed, collect], { concurrency: "unbounded", discard: true })
      })
    )
  )
  worker.state = "done"
})
