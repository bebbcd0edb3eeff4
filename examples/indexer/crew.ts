/**
 * The workers and their work: one process for each, a dialog with each, and a queue of batches between the walk through
 * the tree and whoever is free next. Who is slow gets less, who is fast waits for nobody. Where workers are
 * shot, a batch counts when all of it is answered, and not before: so it can be done again, and nothing counts twice.
 */
import { Effect, Option, Pull, Queue, Semaphore, Stream } from "effect"
import type { Cause } from "effect"
import { Dialog, Nursery } from "furrow"
import type { Actor } from "furrow"
import type { Collection } from "./collection.ts"
import { Indexer } from "./indexer.ts"
import type { Answer } from "./indexer.ts"
import { shooting } from "./shooting.ts"
import type { Shooting } from "./shooting.ts"
import type { Target } from "./target.ts"
import { walk } from "./walk.ts"

/** How many files a batch has; and where workers are shot, so that some batches are done before the next shot. */
const BatchSize = 64
const SmallBatchSize = 8

/** How many batches a worker has at once: the one it works on, and the one it goes on with. */
const BatchesAhead = 2

/** What is known of a worker. */
export interface Worker {
  readonly name: string
  state: "starting" | "idle" | "busy" | "done"
  files: number
  /** How often its process was lost, and another one took its place. */
  restarts: number
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
    files: 0,
    restarts: 0
  })),
  found: 0,
  foundAll: false
})

/** How often a worker has been replaced. */
export const restartsOf = ({ workers }: Crew): number =>
  workers.reduce((sum, { restarts }) => sum + restarts, 0)

type Operations = Actor.OperationsOf<typeof Indexer>
/** A worker's dialog, open. */
type Dialogue = Effect.Success<ReturnType<Actor.Client<Operations>["Index"]>>

type Batch = ReadonlyArray<string>
type Batches = Queue.Queue<Batch, Cause.Done>

/** How the work is to be done. */
export interface WorkOptions {
  /** Whether workers are shot at random, and replaced. */
  readonly killSome: boolean
}

/** Indexes everything below a target into a collection. Every worker is gone when it returns, however it does. */
export const work = Effect.fn("work")(
  function* (crew: Crew, target: Target, collection: Collection, { killSome }: WorkOptions) {
    const batches: Batches = yield* Queue.bounded<Batch, Cause.Done>(crew.workers.length)
    const danger = killSome ? yield* shooting : undefined
    const batchSize = killSome ? SmallBatchSize : BatchSize
    yield* Effect.all(
      [
        findBatches(crew, target, collection, batches, batchSize),
        ...crew.workers.map((worker) =>
          employ(worker, crew, target.root, batches, collection, danger)
        )
      ],
      { concurrency: "unbounded", discard: true }
    )
  },
  (block) => Nursery.run(Effect.scoped(block))
)

/** Walks through the tree, no further ahead than the queue is long. */
const findBatches = (
  crew: Crew,
  target: Target,
  collection: Collection,
  batches: Batches,
  batchSize: number
) =>
  walk(target).pipe(
    Stream.tap((found) =>
      Effect.sync(() => {
        if (found._tag === "Unreadable") collection.add(found)
        else crew.found++
      })
    ),
    Stream.filter((found) => found._tag === "Found"),
    Stream.map(({ path }) => path),
    Stream.grouped(batchSize),
    Stream.onEnd(
      Effect.sync(() => {
        crew.foundAll = true
      })
    ),
    Stream.runIntoQueue(batches)
  )

/** Starts a worker, or one after the other, and keeps it busy until nothing is left to do. */
const employ = Effect.fn("employ")(function* (
  worker: Worker,
  crew: Crew,
  root: string,
  batches: Batches,
  collection: Collection,
  danger: Shooting | undefined
) {
  /** What it was given and has not answered, the first first. */
  const inHand: Array<Batch> = []

  /** A worker that is interrupted meanwhile has the batch in hand, or has left it in the queue. */
  const take = Effect.gen(function* () {
    for (;;) {
      yield* Queue.peek(batches)
      const taken = yield* Effect.uninterruptible(
        Effect.map(
          Queue.poll(batches),
          Option.map((batch) => {
            inHand.push(batch)
            return batch
          })
        )
      )
      if (Option.isSome(taken)) return taken.value
    }
  })

  const count = (answer: Answer) => {
    collection.add(answer)
    if (answer._tag === "Indexed") worker.files++
  }

  const answered = Effect.suspend(() => {
    if (danger === undefined) return Effect.void
    const busy = crew.workers.filter(({ state }) => state === "busy")
    return danger.answered(busy.map(({ name }) => name))
  })

  const keepBusy = Effect.fn("keepBusy")(function* (dialog: Dialogue) {
    worker.state = inHand.length > 0 ? "busy" : "idle"
    const free = yield* Semaphore.make(BatchesAhead)
    const unanswered = [...inHand]
    yield* Semaphore.take(free, unanswered.length)

    const feed = Effect.gen(function* () {
      for (const batch of unanswered) yield* dialog.send(batch)
      for (;;) {
        yield* Semaphore.take(free, 1)
        const batch = yield* take
        worker.state = "busy"
        yield* dialog.send(batch)
      }
    }).pipe(Pull.catchDone(() => dialog.end))

    const answers: Array<Answer> = []
    const collect = Stream.runForEach(
      dialog.messages,
      Effect.fnUntraced(function* (answer) {
        if (danger === undefined) count(answer)
        else answers.push(answer)
        if (answer._tag === "BatchDone") {
          answers.splice(0).forEach(count)
          inHand.shift()
          if (inHand.length === 0) worker.state = "idle"
          yield* Semaphore.release(free, 1)
        }
        yield* answered
      })
    )

    yield* Effect.all([feed, collect], { concurrency: "unbounded", discard: true })
  })

  const main = new URL("./indexer.main.ts", import.meta.url)
  const options = { name: worker.name, main }
  const use = (client: Actor.Client<Operations>) =>
    client.Index({ root }).pipe(Dialog.use(keepBusy))

  if (danger === undefined) {
    // Its loss ends the block, and so everything.
    yield* use((yield* Nursery.spawn(Indexer, options)).client)
  } else {
    // Its loss is this fiber's own; whoever comes next begins with what is still in hand.
    let lost = true
    while (lost) {
      lost = yield* Nursery.call(Indexer, use, options).pipe(
        Effect.as(false),
        Effect.catchCauseIf(danger.explains, () => Effect.succeed(true))
      )
      if (lost) {
        worker.restarts++
        worker.state = "starting"
      }
    }
  }
  worker.state = "done"
})
