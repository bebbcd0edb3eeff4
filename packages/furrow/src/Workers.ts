/**
 * The workers of a pool: `effect/Pool` over actors, each a one-shot of the pool's own nursery.
 *
 * Answers for a worker that crashed, was not joined, is too old or has done its share never being handed out again, for
 * another one in its place, and for pauses between lives that come to nothing. Sizes, idle time and how many jobs a
 * worker has at once are `effect/Pool`'s; whose turn it is, is `Admission`'s.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pool from "effect/Pool"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { AnyDefinition } from "./Actor.ts"
import * as Events from "./Events.ts"
import type { Launched, LaunchOptions } from "./launch.ts"
import * as Life from "./Life.ts"
import * as Nursery from "./Nursery.ts"
import type { Spawner } from "./Spawner.ts"
import type { SpawnError } from "./TreeError.ts"

/** What the workers of a pool are made from. */
export interface Plan {
  readonly actor: AnyDefinition
  readonly spawn: LaunchOptions
  readonly min: number
  readonly max: number
  readonly idle: Duration.Duration
  /** How many jobs one has at once. */
  readonly concurrency: number
  /** How many jobs one is given in its life. */
  readonly maxCalls: number
  readonly maxAge: Duration.Duration
  readonly backoff: Schedule.Schedule<unknown>
}

/** One life of a worker. */
export class Worker {
  readonly launched: Launched
  readonly number: number
  /** Which failures it came after. */
  readonly generation: number
  /** How many jobs it has been given. */
  calls = 0
  /** How many it has now. */
  jobs = 0
  /** How many have ended while it lived. */
  done = 0
  /** It is given no more. */
  retired = false
  /** Another one takes its place. */
  replaced = false
  /** Done when nobody has it any more, and nobody gets it. */
  readonly returned = Deferred.makeUnsafe<void>()

  constructor(launched: Launched, number: number, generation: number) {
    this.launched = launched
    this.number = number
    this.generation = generation
  }
}

/** The pauses before lives that follow on ones which came to nothing. */
class Backoff {
  /** How many failures have been counted; those of one generation count as one. */
  generation = 0
  private readonly schedule: Schedule.Schedule<unknown>
  private step: Step | undefined
  private pause = 0
  /** In milliseconds of the monotonic clock. */
  private until = -Infinity

  constructor(schedule: Schedule.Schedule<unknown>) {
    this.schedule = schedule
  }

  /** Waits until the next life may begin. */
  get over(): Effect.Effect<void> {
    return Effect.flatMap(Life.now, (time) =>
      this.until > time ? Effect.sleep(this.until - time) : Effect.void
    )
  }

  /** A life of that generation has come to nothing. */
  failed(generation: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      if (generation !== this.generation) return
      this.generation++
      this.step ??= yield* Schedule.toStep(this.schedule)
      const next = this.step(yield* Clock.currentTimeMillis, undefined)
      // A schedule that has run out keeps its last pause.
      this.pause = yield* next.pipe(
        Effect.map(([, pause]) => Duration.toMillis(pause)),
        Pull.catchDone(() => Effect.succeed(this.pause))
      )
      this.until = (yield* Life.now) + this.pause
    })
  }

  /** A life of that generation has done a job. */
  worked(generation: number): void {
    // What was there before the last failure says nothing of what comes after it.
    if (generation === this.generation) this.step = undefined
  }
}

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, unknown, never, never>>>

/** What is known of the workers of a pool at one moment. */
export interface Counts {
  readonly idle: number
  readonly busy: number
  /** How many jobs they have. */
  readonly jobs: number
  readonly restarts: number
}

/** What somebody may have of the workers: one of them, once. */
export interface Loan {
  /** Waits for a worker. Interrupts whoever waits when there are none any more. */
  readonly take: Effect.Effect<Worker, SpawnError>
  /** Gives back what was taken, if anything was. Whoever takes has to do so, whatever became of it. */
  readonly end: Effect.Effect<void>
}

/** See the module. */
export interface Workers {
  readonly lend: () => Loan
  readonly counts: () => Counts
}

/**
 * Starts the least of the workers, and others as they are needed, until the scope closes. That waits for what comes up,
 * and for every worker to be given back; whoever cannot wait for that leaves it to itself, and ends the nursery.
 */
export const make = (
  plan: Plan
): Effect.Effect<Workers, never, Scope.Scope | Nursery.Nursery | Spawner> =>
  Effect.gen(function* () {
    const { concurrency, max, min } = plan
    const name = plan.spawn.name ?? plan.actor.actorName
    const workers = new Set<Worker>()
    const numbers = new Set<number>()
    const backoff = new Backoff(plan.backoff)
    /** How many have gone whose place nobody has taken yet. */
    let vacant = 0
    let restarts = 0

    /** Who was left by a caller that did not see its handler end may still be busy with it. */
    const hub = yield* Events.CurrentHub
    const watcher = (event: Events.Event) => {
      if (event._tag !== "NotJoined") return
      for (const worker of workers) {
        if (worker.launched.ref.incarnation === event.actor.incarnation) worker.retired = true
      }
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => hub.watchers.add(watcher)),
      () => Effect.sync(() => hub.watchers.delete(watcher))
    )

    /** Brings one up. The scope closes when nobody has it any more, and waits for nothing. */
    const acquire = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* restore(backoff.over)
        const { generation } = backoff
        let number = 1
        while (numbers.has(number)) number++
        numbers.add(number)
        const options = { ...plan.spawn, name: `${name}-${number}` }
        const born = yield* Effect.exit(Nursery.bringUp(plan.actor, options, "one-shot", restore))
        if (Exit.isFailure(born)) {
          numbers.delete(number)
          if (Cause.hasFails(born.cause)) yield* backoff.failed(generation)
          return yield* Effect.failCause(born.cause)
        }
        const worker = new Worker(born.value, number, generation)
        workers.add(worker)
        if (vacant > 0) {
          vacant--
          restarts++
        }
        yield* Effect.addFinalizer(() => Deferred.succeed(worker.returned, undefined))
        yield* Nursery.fork(keep(worker))
        return worker
      })
    )

    /** From ready to reaped. */
    const keep = (worker: Worker): Effect.Effect<void> =>
      Effect.gen(function* () {
        const { launched, returned } = worker
        const why = yield* Effect.raceAllFirst([
          Effect.as(launched.noticed, "lost" as const),
          Effect.as(Deferred.await(returned), "returned" as const),
          Duration.isFinite(plan.maxAge)
            ? Effect.as(Effect.sleep(plan.maxAge), "old" as const)
            : Effect.never
        ])
        if (why !== "returned") {
          worker.retired = true
          // Who is busy, and lives, is replaced when it has done what it has to do.
          if (why === "lost" || worker.jobs === 0) yield* replace(worker)
          yield* Deferred.await(returned)
        }
        yield* launched.finish
        workers.delete(worker)
        numbers.delete(worker.number)
      })

    /** Whoever sees first that it is unfit says so: before another comes up it is known whether there is to be a pause. */
    const replace = (worker: Worker): Effect.Effect<void> =>
      Effect.gen(function* () {
        if (!worker.replaced) {
          worker.replaced = true
          vacant++
          if (worker.launched.isEnding() && worker.done === 0) {
            yield* backoff.failed(worker.generation)
          }
        }
        yield* Pool.invalidate(pool, worker)
      })

    const pool: Pool.Pool<Worker, SpawnError> = yield* min === max
      ? Pool.make({ acquire, size: max, concurrency })
      : Pool.makeWithTTL({ acquire, min, max, concurrency, timeToLive: plan.idle })

    const isUnfit = (worker: Worker): boolean => worker.retired || worker.launched.isEnding()

    /** Where the number of workers follows the need, one is to be filled before another is needed. */
    const isSpread = min === max && concurrency > 1
    const spread = () => {
      if (isSpread) putIdlestFirst(pool.state)
    }

    const lend = (): Loan => {
      let lease = Scope.makeUnsafe()
      let lent: Worker | undefined
      const take: Effect.Effect<Worker, SpawnError> = Effect.suspend(() => {
        spread()
        return Effect.flatMap(Scope.provide(Pool.get(pool), lease), (worker) => {
          if (isUnfit(worker)) return Effect.andThen(refuse(worker), take)
          worker.jobs++
          worker.calls++
          if (worker.calls >= plan.maxCalls) worker.retired = true
          lent = worker
          return Effect.succeed(worker)
        })
      })
      const refuse = (worker: Worker) =>
        Effect.uninterruptible(
          Effect.gen(function* () {
            yield* replace(worker)
            yield* Scope.close(lease, Exit.void)
            lease = Scope.makeUnsafe()
          })
        )
      const end = Effect.suspend(() => {
        const close = Scope.close(lease, Exit.void)
        if (lent === undefined) return close
        lent.jobs--
        if (!lent.launched.isEnding()) {
          lent.done++
          backoff.worked(lent.generation)
        }
        return isUnfit(lent) ? Effect.andThen(replace(lent), close) : close
      })
      return { take, end }
    }

    const counts = (): Counts => {
      let idle = 0
      let busy = 0
      let jobs = 0
      for (const worker of workers) {
        jobs += worker.jobs
        if (worker.jobs > 0) busy++
        else if (!isUnfit(worker)) idle++
      }
      return { idle, busy, jobs, restarts }
    }
    return { lend, counts }
  })

/**
 * `effect/Pool` lends what is first in this list for as long as it has room: puts those with the fewest jobs there, and
 * what could not be started last.
 */
const putIdlestFirst = (state: Pool.State<Worker, SpawnError>): void => {
  let last = state.availableHead
  while (last?.availableNext !== undefined && loadOf(last) <= loadOf(last.availableNext)) {
    last = last.availableNext
  }
  if (last?.availableNext === undefined) return
  const items: Array<Pool.PoolItem<Worker, SpawnError>> = []
  for (let item = state.availableHead; item !== undefined; item = item.availableNext) {
    items.push(item)
  }
  items.sort((a, b) => loadOf(a) - loadOf(b))
  for (const [at, item] of items.entries()) {
    item.availablePrevious = items[at - 1]
    item.availableNext = items[at + 1]
  }
  state.availableHead = items[0]
  state.availableTail = items.at(-1)
}

const loadOf = ({ exit, refCount }: Pool.PoolItem<Worker, SpawnError>): number =>
  Exit.isSuccess(exit) ? refCount : Number.MAX_SAFE_INTEGER
