/**
 * What every part of one actor's life shares: who it is, who has told it to stop, and how long it may still take.
 *
 * Answers for the time that is left, which only ever gets less, for waits that follow it, and for the bound of a join.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SelfInfo } from "./Actor.ts"
import { JoinBound } from "./Deadline.ts"
import type { ActorRef, Hop } from "./protocol/Identity.ts"
import * as Waits from "./Waits.ts"

/** How long a caller that leaves waits for the callee's end by default, in milliseconds: 5 s. */
const DefaultJoinBound = 5000

// ---------------------------------------------------------------------------------------------------------------------
// The time that is left
// ---------------------------------------------------------------------------------------------------------------------

/** Until when something that is being ended may take. It only ever gets less, and whoever waits is told. */
export class Grace {
  /** In milliseconds of the monotonic clock; `Infinity` until somebody ends it. */
  until = Infinity
  private watchers: Set<() => void> | undefined

  /** From now on it may take no longer than this. */
  shorten(until: number): void {
    if (!(until < this.until)) return
    this.until = until
    this.watchers?.forEach((watcher) => watcher())
  }

  /** What was being ended has ended: whoever is left of it has all the time. */
  lift(): void {
    this.until = Infinity
  }

  /** Calls back each time it gets less; gives what ends that. */
  watch(watcher: () => void): () => void {
    this.watchers ??= new Set()
    this.watchers.add(watcher)
    return () => this.watchers?.delete(watcher)
  }
}

/** The grace of the request that the current fiber answers, or stands for; none outside of one. */
export const CurrentGrace = Context.Reference<Grace | undefined>("furrow/Grace", {
  defaultValue: () => undefined
})

/** The monotonic clock in milliseconds. */
export const now: Effect.Effect<number> = Effect.map(
  Clock.monotonicTimeNanos,
  (nanos) => Number(nanos) / 1e6
)

/** The same, where there is no fiber. */
export const nowUnsafe = (clock: Clock.Clock): number =>
  Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** Everything that bounds what is done for a life: its own grace, and that of a request, if it is done for one. */
export type Graces = ReadonlyArray<Grace>

/** Until when all of them allow, in milliseconds of the monotonic clock. */
export const untilOf = (graces: Graces): number => Math.min(...graces.map(({ until }) => until))

/** How many milliseconds are left, at least 0; `Infinity` if nobody ends what is done. */
export const timeLeft = (graces: Graces): Effect.Effect<number> =>
  Effect.map(now, (time) => Math.max(0, untilOf(graces) - time))

/** Waits until less time is left than was known. */
const shorterThan = (graces: Graces, known: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const unwatch = () => ends.forEach((end) => end())
    const look = () => {
      if (untilOf(graces) >= known) return
      unwatch()
      resume(Effect.void)
    }
    const ends = graces.map((grace) => grace.watch(look))
    look()
    return Effect.sync(unwatch)
  })

/**
 * Waits for something, for so many milliseconds as `patience` makes of the time that is left; tells whether it came.
 * `say` is run before, with the wait; and each time less time is left, with what remains of it then.
 */
export const waitFor = (
  event: Effect.Effect<unknown>,
  graces: Graces,
  patience: (left: number) => number,
  say: (wait: number, again: boolean) => Effect.Effect<void>
): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    let end = Infinity
    let again = false
    while (true) {
      const before = yield* now
      const until = untilOf(graces)
      const wait = patience(Math.max(0, until - before))
      if (!again || before + wait < end) {
        end = before + wait
        yield* say(wait, again)
      }
      again = true
      const seen = yield* Effect.raceAllFirst([
        Effect.as(event, "came" as const),
        Effect.as(Effect.sleep(end - (yield* now)), "late" as const),
        Effect.as(shorterThan(graces, until), "less" as const)
      ])
      if (seen !== "less") return seen === "came"
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// One life
// ---------------------------------------------------------------------------------------------------------------------

/** Who told an actor to stop, by which way, and when, in milliseconds of the monotonic clock. */
export interface Stopping {
  readonly by: ActorRef
  readonly hops: ReadonlyArray<Hop>
  readonly at: number
}

/** One life, shared by its sessions, its routers and its nursery. */
export interface Life {
  readonly self: SelfInfo
  /** Who told it to stop first; nobody yet. */
  stopping: Stopping | undefined
  /** How long it may take to stop. */
  readonly grace: Grace
  /** Done when the life is told to stop. */
  readonly told: Deferred.Deferred<void>
  /** What everybody who waits would say of it, at a time in milliseconds of the monotonic clock. */
  readonly waiting: Set<(time: number) => Waits.Waits>
}

/** A life that nobody has told to stop yet. */
export const make = (self: SelfInfo): Life => ({
  self,
  stopping: undefined,
  grace: new Grace(),
  told: Deferred.makeUnsafe(),
  waiting: new Set()
})

/** Tells a life to stop within so many milliseconds; who says it again can only leave it less time. */
export const stop = (life: Life, stopping: Stopping, grace: number): void => {
  life.stopping ??= stopping
  life.grace.shorten(stopping.at + grace)
  Deferred.doneUnsafe(life.told, Exit.void)
}

/** Can say what it waits for while the effect runs. */
export const telling =
  (life: Life, tell: (time: number) => Waits.Waits) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      life.waiting.add(tell)
      return Effect.ensuring(
        effect,
        Effect.sync(() => life.waiting.delete(tell))
      )
    })

/** Everything that the life waits for now. */
export const waits = (life: Life): Effect.Effect<Waits.Waits> =>
  Effect.map(now, (time) => Waits.join(Array.from(life.waiting, (tell) => tell(time))))

/** The life that the current fiber is part of; none outside of a tree. */
export const CurrentLife = Context.Reference<Life | undefined>("furrow/Life", {
  defaultValue: () => undefined
})

/** What bounds the current fiber's work for a life. */
export const gracesOf = (life: Life): Effect.Effect<Graces> =>
  Effect.map(CurrentGrace, (grace) => (grace === undefined ? [life.grace] : [life.grace, grace]))

/**
 * How long a join may take, in milliseconds, as a function of the time that is left: `JoinBound`, or 5 s, and at most
 * half of what is left. A life that is being stopped may use all of that half.
 */
export const joinPatience = (life: Life): Effect.Effect<(left: number) => number> =>
  Effect.map(JoinBound, (given) => {
    const bound =
      given === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(given))
    return (left) =>
      Math.min(
        bound ?? (life.stopping === undefined ? DefaultJoinBound : Infinity),
        Math.max(0, left) / 2
      )
  })
