/**
 * The nursery as a service: what a block that owns actors can be asked for.
 *
 * Answers for the key that `Nursery.spawn` needs and only `Nursery.run` gives, so that spawning outside a nursery does
 * not compile. It knows a child only as something that can be stopped and that ends, an actor or a task of this process;
 * bringing an actor up is `launch`'s.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { ActorRef } from "./protocol/Identity.ts"
import type { ActorCrashed, ForkFailed, LimitReached, NurseryClosed } from "./TreeError.ts"

/** One life that a nursery owns: an actor's, or that of a task that lives in this process. */
export interface Child {
  /** Waits until a crash is in hand: it is gone or going, and whoever waited for it has been told. */
  readonly failing: Effect.Effect<void>
  /** Waits until it is gone and reaped: what that means for the block that owns it, or nothing, if it ended as asked. */
  readonly ended: Effect.Effect<ActorCrashed | ForkFailed | undefined>
  /**
   * Asks it to end and waits until it is gone. Asked twice, it waits for the same end; who stops waiting does not stop
   * it from ending. Of a time that is short, it takes the share of one of `several` (1 by default) that are stopped one
   * after the other.
   */
  readonly stop: (by: ActorRef, several?: number) => Effect.Effect<unknown>
}

/**
 * How a block keeps a child: a daemon's crash ends the block, which ends it in its turn; a one-shot is its caller's; a
 * task is a daemon that is no actor, and counts as none.
 */
export type Keeping = "daemon" | "one-shot" | "task"

/** Gives an effect the interruptibility back that a region around it took, as `Effect.uninterruptibleMask` does. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * What the current fiber is part of, that a block waits for: forks, and children that it serves. Whoever ends the block
 * from inside of one of these does not wait for it.
 */
export const Within = Context.Reference<ReadonlyArray<object>>("furrow/Nursery/Within", {
  defaultValue: () => []
})

/** What a block that owns actors can be asked for. */
export interface NurseryService {
  /**
   * Brings up a child in a scope that ends with the child. A daemon's crash, and a task's, ends the block; a one-shot's
   * is its caller's alone, who also has to stop it. Waits as `restore` allows, and interrupts the birth as far as that
   * allows it; whoever gets the child has it, also if an interruption came at that very moment. A block that takes no
   * more ends with what `refuse` makes of that.
   */
  readonly adopt: <A extends Child, E, R>(
    keeping: Keeping,
    birth: (restore: Restore) => Effect.Effect<A, E, R>,
    refuse: (reason: NurseryClosed | LimitReached) => Effect.Effect<never, E>,
    restore: Restore
  ) => Effect.Effect<A, E, Exclude<R, Scope.Scope>>
  /** Runs an effect that the block waits for, and whose failure ends the block. */
  readonly fork: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<Fiber.Fiber<A, E>, never, R>
  /** Ends every child and fork, and waits for them. */
  readonly cancel: Effect.Effect<void>
}

/** The block that owns the actors spawned in it; given by `Nursery.run`, and to every actor's Layer. */
export class Nursery extends Context.Service<Nursery, NurseryService>()("furrow/Nursery") {}

/**
 * The scope of the block that an actor is started in: it closes when the block ends, when all of its actors are gone, and
 * is for what a spawner needs as long as there may be more of them. None for an actor without a block.
 */
export const BlockScope = Context.Reference<Scope.Scope | undefined>(
  "furrow/NurseryKey/BlockScope",
  {
    defaultValue: () => undefined
  }
)
