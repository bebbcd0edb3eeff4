/**
 * What every part of one actor's life shares: who it is, who has told it to stop, and how long it may still take.
 *
 * Answers for the bound of a join, which shrinks while the actor itself is being stopped.
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

/** How long a caller that leaves waits for the callee's end by default, in milliseconds: 5 s. */
const DefaultJoinBound = 5000

/** Who told an actor to stop, by which way, and until when (milliseconds of the monotonic clock) it may take. */
export interface Stopping {
  readonly by: ActorRef
  readonly hops: ReadonlyArray<Hop>
  readonly until: number
}

/** One life, shared by its sessions, its routers and its nursery. */
export interface Life {
  readonly self: SelfInfo
  stopping: Stopping | undefined
  /** Done when the life is told to stop. */
  readonly told: Deferred.Deferred<void>
}

/** A life that nobody has told to stop yet. */
export const make = (self: SelfInfo): Life => ({
  self,
  stopping: undefined,
  told: Deferred.makeUnsafe()
})

/** Tells a life to stop. */
export const stop = (life: Life, stopping: Stopping): void => {
  life.stopping = stopping
  Deferred.doneUnsafe(life.told, Exit.void)
}

/** The life that the current fiber is part of; none outside of a tree. */
export const CurrentLife = Context.Reference<Life | undefined>("furrow/Life", {
  defaultValue: () => undefined
})

/** The monotonic clock in milliseconds. */
export const now: Effect.Effect<number> = Effect.map(
  Clock.monotonicTimeNanos,
  (nanos) => Number(nanos) / 1e6
)

/** How long a join may take now, in milliseconds: `JoinBound`, 5 s, or half of the grace that a stop has left. */
export const joinBound = (life: Life): Effect.Effect<number> =>
  Effect.flatMap(JoinBound, (given) => {
    const bound =
      given === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(given))
    const { stopping } = life
    return stopping === undefined
      ? Effect.succeed(bound ?? DefaultJoinBound)
      : Effect.map(now, (time) =>
          Math.min(bound ?? Infinity, Math.max(0, stopping.until - time) / 2)
        )
  })
