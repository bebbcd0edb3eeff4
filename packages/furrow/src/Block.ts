/**
 * What one block owns: children that come up, children that are there, and forks.
 *
 * Answers for what is taken and what is refused, for what each child's end means to the block, and for ending all of
 * them: at once, or daemons in their order. When a block ends, and what it fails with then, is `Nursery.run`'s.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Changes } from "./Changes.ts"
import { isOurDoing } from "./Echoes.ts"
import { reasonsOf, withNotesOf } from "./Exits.ts"
import * as Ladder from "./Ladder.ts"
import * as Life from "./Life.ts"
import { BlockScope, Within } from "./NurseryKey.ts"
import type { Child, Keeping, NurseryService, Restore } from "./NurseryKey.ts"
import * as NurseryLimits from "./NurseryLimits.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { ForkFailed, LimitReached, NurseryClosed } from "./TreeError.ts"
import type { ActorCrashed } from "./TreeError.ts"
import * as Waits from "./Waits.ts"

/** A child that the block owns. */
interface Owned {
  readonly child: Child
  readonly keeping: Keeping
  readonly scope: Scope.Closeable
  /** It has been reaped; what is left is to let go of what was held for it. */
  gone: boolean
}

/** A fiber that a block waits for; none yet at the very beginning. */
interface Running {
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** A child that is coming up. */
interface Birth extends Running {
  readonly keeping: Keeping
}

/** What one block owns, and what has gone wrong in it. */
export class Block implements NurseryService {
  readonly life: Life.Life
  /** Done when something in the block has failed. */
  readonly failing = Deferred.makeUnsafe<void>()
  readonly failures: Array<Cause.Reason<ActorCrashed | ForkFailed>> = []
  /** What is kept for all of its actors; to be closed when nothing else is left. */
  readonly scope = Scope.makeUnsafe()
  private readonly limits: Partial<NurseryLimits.NurseryLimits>
  /** The grace of the request that the block is part of, if it is. */
  private readonly grace: Life.Grace | undefined
  /** What the block itself is part of. */
  private readonly within: ReadonlyArray<object>
  private readonly owned = new Set<Owned>()
  private readonly forks = new Set<Running>()
  private readonly births = new Set<Birth>()
  /** When the spawns of the last second were, if their rate is bounded. */
  private recent: ReadonlyArray<number> = []
  private readonly changes = new Changes()
  /** Nothing is taken any more. */
  private closed = false
  /** Forks are interrupted, too. */
  private cancelled = false
  /** What each of those that cancel the block now is part of. */
  private readonly cancelling = new Set<ReadonlyArray<object>>()

  constructor(
    life: Life.Life,
    limits: Partial<NurseryLimits.NurseryLimits>,
    grace: Life.Grace | undefined,
    within: ReadonlyArray<object>
  ) {
    this.life = life
    this.limits = limits
    this.grace = grace
    this.within = within
  }

  private get ref(): ActorRef {
    const { incarnation, path } = this.life.self
    return { path, incarnation }
  }

  /** Waits until every fork, and every one-shot, has ended. */
  get forksEnded(): Effect.Effect<void> {
    return this.changes.until(
      () =>
        this.forks.size === 0 &&
        this.births.size === 0 &&
        [...this.owned].every(({ keeping }) => keeping !== "one-shot")
    )
  }

  /** Waits until nothing is left. */
  get empty(): Effect.Effect<void> {
    return this.changes.until(() => this.owned.size + this.forks.size + this.births.size === 0)
  }

  private fail(reason: Cause.Reason<ActorCrashed | ForkFailed>): void {
    this.failures.push(reason)
    Deferred.doneUnsafe(this.failing, Exit.void)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Owning
  // -------------------------------------------------------------------------------------------------------------------

  adopt<A extends Child, E, R>(
    keeping: Keeping,
    birth: (restore: Restore) => Effect.Effect<A, E, R>,
    refuse: (reason: NurseryClosed | LimitReached) => Effect.Effect<never, E>,
    restore: Restore
  ): Effect.Effect<A, E, Exclude<R, Scope.Scope>> {
    return Effect.uninterruptible(
      Effect.gen({ self: this }, function* () {
        const limits = NurseryLimits.make(this.limits, yield* NurseryLimits.Current)
        const grace = yield* Life.CurrentGrace
        const time = yield* Life.now
        // Between looking and counting nobody else may come.
        const refusal =
          keeping === "task"
            ? this.closed
              ? new NurseryClosed()
              : undefined
            : this.refusal(limits, time)
        if (refusal !== undefined) return yield* refuse(refusal)
        const being: Birth = { fiber: undefined, keeping }
        this.births.add(being)
        if (keeping !== "task" && limits.spawnsPerSecond !== Infinity) {
          this.recent = [...this.recent, time]
        }

        const scope = yield* Scope.make()
        let child: A | undefined
        const fiber = yield* Effect.forkDetach(
          Effect.uninterruptibleMask((own) =>
            // Kept here, where an interruption that comes too late does not take it away.
            Effect.map(birth(own), (born) => {
              child = born
            })
          ).pipe(
            Effect.provideService(Scope.Scope, scope),
            Effect.provideService(BlockScope, this.scope),
            Effect.provideService(Within, [...this.within, scope]),
            Effect.provideService(Life.CurrentGrace, keeping === "one-shot" ? grace : this.grace)
          )
        )
        being.fiber = fiber
        if (this.closed) fiber.interruptUnsafe()
        const waited = yield* Effect.exit(restore(Fiber.await(fiber)))
        if (Exit.isFailure(waited)) yield* Fiber.interrupt(fiber)
        const born = yield* Fiber.await(fiber)
        if (child === undefined) {
          const closed = yield* Effect.exit(Scope.close(scope, born))
          this.births.delete(being)
          this.changes.tell()
          const reasons = [...reasonsOf(born), ...reasonsOf(closed)]
          if (Exit.isFailure(waited)) {
            const real = reasons.filter((reason) => !Cause.isInterruptReason(reason))
            return yield* Effect.failCause(Cause.fromReasons([...waited.cause.reasons, ...real]))
          }
          // Its own interruption: the block ended while the child came up.
          return yield* this.closed && reasons.every(Cause.isInterruptReason)
            ? refuse(new NurseryClosed())
            : Effect.failCause(Cause.fromReasons(reasons))
        }
        const owned: Owned = { child, keeping, scope, gone: false }
        this.owned.add(owned)
        this.births.delete(being)
        this.changes.tell()
        yield* Effect.forkDetach(this.keep(owned), { startImmediately: true })
        if (this.closed || Exit.isFailure(waited)) {
          yield* child.stop(this.ref)
          return yield* Exit.isFailure(waited)
            ? Effect.failCause(waited.cause)
            : refuse(new NurseryClosed())
        }
        return child
      })
    )
  }

  /** Why one more is not taken now. */
  private refusal(
    limits: NurseryLimits.NurseryLimits,
    time: number
  ): NurseryClosed | LimitReached | undefined {
    if (this.closed) return new NurseryClosed()
    const { actors, spawnsPerSecond } = limits
    const alive =
      [...this.owned].filter(({ gone, keeping }) => !gone && keeping !== "task").length +
      [...this.births].filter(({ keeping }) => keeping !== "task").length
    if (alive >= actors) {
      return new LimitReached({
        limit: "actors",
        most: actors,
        detail: `its nursery has ${alive} actors, and its limit "actors" is ${actors}`
      })
    }
    this.recent = this.recent.filter((at) => time - at < 1000)
    if (this.recent.length >= spawnsPerSecond) {
      return new LimitReached({
        limit: "spawnsPerSecond",
        most: spawnsPerSecond,
        detail: `its nursery has started ${this.recent.length} actors within a second, and its limit "spawnsPerSecond" is ${spawnsPerSecond}`
      })
    }
    return undefined
  }

  /** Keeps a child until it is gone, and acts on its crash. */
  private keep(owned: Owned): Effect.Effect<void> {
    const { child, keeping, scope } = owned
    const early = Effect.andThen(
      child.failing,
      Effect.sync(() => {
        if (keeping !== "one-shot") Deferred.doneUnsafe(this.failing, Exit.void)
      })
    )
    return Effect.gen({ self: this }, function* () {
      const warned = yield* Effect.forkChild(early, { startImmediately: true })
      const crash = yield* child.ended
      owned.gone = true
      yield* Fiber.interrupt(warned)
      const closed = yield* Effect.exit(Scope.close(scope, Exit.void))
      this.owned.delete(owned)
      if (crash !== undefined && keeping !== "one-shot") this.fail(Cause.makeFailReason(crash))
      for (const reason of reasonsOf(closed)) this.fail(reason)
      this.changes.tell()
    }).pipe(Effect.uninterruptible)
  }

  fork<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> {
    return Effect.uninterruptible(
      Effect.withFiber((asking) => {
        if (this.closed) return Effect.forkDetach(Effect.interrupt)
        const fork: Running = { fiber: undefined }
        this.forks.add(fork)
        const running = effect.pipe(
          Effect.provideService(Within, [...this.within, fork]),
          Effect.provideService(Life.CurrentGrace, this.grace)
        )
        return Effect.map(Effect.forkDetach(running), (fiber) => {
          fork.fiber = fiber
          if (this.cancelled) fiber.interruptUnsafe()
          const ended = (exit: Exit.Exit<A, E>) => {
            this.forks.delete(fork)
            const isOurs = (reason: Cause.Reason<E>) => this.closed && isOurDoing(reason, this.life)
            const reasons = reasonsOf(exit).filter((reason) => !isOurs(reason))
            if (!reasons.every(Cause.isInterruptReason)) {
              const untold = reasonsOf(exit).filter(isOurs)
              const cause = Cause.fromReasons(withNotesOf(untold, reasons))
              this.fail(Cause.makeFailReason(new ForkFailed({ cause })))
            }
            this.changes.tell()
          }
          // Whoever has joined it hears of it first.
          fiber.addObserver((exit) => asking.currentDispatcher.scheduleTask(() => ended(exit), 0))
          return fiber
        })
      })
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Ending
  // -------------------------------------------------------------------------------------------------------------------

  /** Takes nothing any more; what is coming up goes down again. */
  private close(): void {
    this.closed = true
    for (const { fiber } of this.births) fiber?.interruptUnsafe()
  }

  private stopAll(
    children: ReadonlyArray<Owned>,
    several: number | undefined
  ): Effect.Effect<void> {
    return Effect.forEach(children, ({ child }) => child.stop(this.ref, several), {
      concurrency: "unbounded",
      discard: true
    })
  }

  /**
   * Ends everything at once, and waits for it. Whoever asks from inside of a fork, or for a child that it serves, is
   * neither interrupted by that nor waited for, wherever in it the asking is: two that ask at once do not wait for each
   * other.
   */
  get cancel(): Effect.Effect<void> {
    return Effect.flatMap(Within, (within) => {
      const asker = [...within]
      const isAsking = (part: object) =>
        [...this.cancelling].some((asking) => asking.includes(part))
      return Effect.gen({ self: this }, function* () {
        const begun = yield* Life.now
        this.close()
        this.cancelled = true
        this.cancelling.add(asker)
        const forks = [...this.forks].filter((fork) => !within.includes(fork))
        for (const { fiber } of forks) fiber?.interruptUnsafe()
        this.changes.tell()
        yield* Effect.andThen(
          this.stopAll([...this.owned], undefined),
          this.changes.until(
            () =>
              this.births.size === 0 &&
              [...this.owned].every(({ scope }) => isAsking(scope)) &&
              [...this.forks].every(isAsking)
          )
        ).pipe(
          Life.telling(this.life, (time) =>
            Waits.same(forks.filter((fork) => this.forks.has(fork)).length, {
              actor: this.life.self.path,
              for: "fork",
              millis: time - begun
            })
          )
        )
      }).pipe(Effect.ensuring(Effect.sync(() => this.cancelling.delete(asker))))
    })
  }

  /** Ends daemons as they were asked to be ended, and waits until nothing is left. */
  stopDaemons(order: "reverse" | "together"): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      this.close()
      const graces = this.grace === undefined ? [this.life.grace] : [this.life.grace, this.grace]
      const daemons = [...this.owned]
      while (daemons.length > 0) {
        const left = yield* Life.timeLeft(graces)
        if (order === "together" || !Ladder.areInTime(left, daemons.length)) {
          yield* this.stopAll(daemons.splice(0), undefined)
        } else yield* this.stopAll(daemons.splice(-1), daemons.length + 1)
      }
      yield* this.empty
    })
  }
}
