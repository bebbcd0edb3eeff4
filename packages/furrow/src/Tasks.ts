/**
 * A block of tasks: effects that run beside each other, of which none outlives the block and no failure is lost.
 *
 * A task is any effect: a call, a stream that is run, the block of a dialog, of one actor or of many. Answers for what
 * `FiberSet`, which holds the fibers, leaves open: that the block waits for its tasks when its body has ended, that one
 * failure ends all of them, or none, and that every failure is told, with its type. When the block has returned, so have
 * the callees of all of its tasks, because leaving a call is a join. Actors are the nursery's, and live on.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import { identity } from "effect/Function"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { sameEvent } from "./Dialog.ts"
import { reasonsOf } from "./Exits.ts"

/** One task of a block. */
export interface Task<out A, out E = never> {
  /** What it was called; defaults to `task-` and its number in the block. */
  readonly name: string
  /** When it was started, in milliseconds since the epoch. */
  readonly started: number
  /** Waits for its value, or its failure; of one that was cancelled, that is an interruption. */
  readonly result: Effect.Effect<A, E>
  /** The same as a value: never fails, waits for the end. */
  readonly exit: Effect.Effect<Exit.Exit<A, E>>
  /** Interrupts it, and waits until it has ended, its callee included. That is no failure, and its neighbours go on. */
  readonly cancel: Effect.Effect<void>
}

/** What a block's body starts tasks with: those that give `A` and may fail with `E`. */
export interface Tasks<in A = unknown, in E = never> {
  /**
   * Starts a task, and returns at once, before it has run. A task may start others. In a block that is ending it is not
   * run: its handle tells of an interruption.
   */
  readonly start: <B extends A, F extends E, R>(
    task: Effect.Effect<B, F, R>,
    options?: { readonly name?: string | undefined }
  ) => Effect.Effect<Task<B, F>, never, R>
}

/** How a block of tasks is to behave, whoever reads what they give. */
export interface StreamOptions {
  /** What becomes of tasks that run when the body has ended well. Defaults to `wait`. */
  readonly atEnd?: "wait" | "cancel" | undefined
  /** How many run at once; the others wait for their turn in the order of their start. Defaults to `unbounded`. */
  readonly concurrency?: number | "unbounded" | undefined
}

/** How a block of tasks is to behave. */
export interface Options extends StreamOptions {
  /**
   * What the failure of a task does to the others, and to the body: `cancelAll` of them, and so end the block, or
   * nothing, so that the block ends when it would have ended, and then fails with all that was collected. Defaults to
   * `cancelAll`.
   */
  readonly onFailure?: "cancelAll" | "collect" | undefined
}

/** How a task has ended. */
export interface Ended<out A, out E = never> {
  readonly name: string
  readonly exit: Exit.Exit<A, E>
}

/** What went wrong, and is more than having been cancelled. */
const failuresOf = <E>(exit: Exit.Exit<unknown, E>): ReadonlyArray<Cause.Reason<E>> =>
  reasonsOf(exit).filter((reason) => !Cause.isInterruptReason(reason))

const defectsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<Cause.Die> =>
  reasonsOf(exit).filter(Cause.isDieReason)

/** Whether a reason tells of something that none of these does. */
const isNew =
  (told: ReadonlyArray<Cause.Reason<unknown>>) =>
  (reason: Cause.Reason<unknown>): boolean =>
    !told.some((other) => sameEvent(other, reason))

/** Lets so many effects run at once. */
const turns = (
  concurrency: number | "unbounded"
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  if (concurrency === "unbounded") return identity
  if (!(concurrency >= 1)) {
    throw new RangeError(
      `The option "concurrency" of tasks must be a number of at least 1, or "unbounded", and it is ${String(concurrency)}.`
    )
  }
  const turn = Semaphore.makeUnsafe(concurrency)
  return (effect) => turn.withPermit(effect)
}

/** What becomes of what a block's tasks have come to. */
interface Tally<in A, in E, out F> {
  readonly ended: (task: Ended<A, E>) => void
  /** Done if the block must end now. */
  readonly failing: Deferred.Deferred<void>
  /** What the block fails with, beside what its body does. */
  readonly failures: ReadonlyArray<Cause.Reason<F>>
}

/** A block: when it returns, its body and all of its tasks have ended. */
const block = <A, E, B, E2, R, F>(
  body: (tasks: Tasks<A, E>) => Effect.Effect<B, E2, R>,
  { atEnd = "wait", concurrency = "unbounded" }: StreamOptions,
  { ended, failing, failures }: Tally<A, E, F>
): Effect.Effect<B, E2 | F, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const inTurn = turns(concurrency)
      const scope = yield* Scope.make()
      const fibers = yield* Scope.provide(FiberSet.make<A, E>(), scope)
      let started = 0
      const start: Tasks<A, E>["start"] = (task, options) =>
        Effect.gen(function* () {
          const name = options?.name ?? `task-${++started}`
          const fiber = yield* FiberSet.run(fibers, inTurn(task), { startImmediately: false })
          fiber.addObserver((exit) => ended({ name, exit }))
          return {
            name,
            started: yield* Clock.currentTimeMillis,
            result: Fiber.join(fiber),
            exit: Fiber.await(fiber),
            cancel: Fiber.interrupt(fiber)
          }
        }).pipe(Effect.uninterruptible)

      const running = yield* Effect.forkChild(restore(Effect.suspend(() => body({ start }))), {
        uninterruptible: "inherit",
        startImmediately: true
      })
      const well = Effect.flatMap(Fiber.await(running), (exit) =>
        Exit.isSuccess(exit) && atEnd === "wait" ? FiberSet.awaitEmpty(fibers) : Effect.void
      )
      const waited = yield* Effect.exit(restore(Effect.raceFirst(well, Deferred.await(failing))))
      const bodyEnded = running.pollUnsafe() !== undefined
      yield* Effect.all([Fiber.interrupt(running), Scope.close(scope, Exit.void)], {
        concurrency: "unbounded",
        discard: true
      })

      const result = yield* Fiber.await(running)
      const own = bodyEnded ? reasonsOf(result) : failuresOf(result)
      const reasons: ReadonlyArray<Cause.Reason<E2 | F>> = [
        ...reasonsOf(waited),
        ...own,
        // What the body fails with because it has waited for the task is told already.
        ...failures.filter(isNew(own))
      ]
      return reasons.length === 0
        ? yield* result
        : yield* Effect.failCause(Cause.fromReasons(reasons))
    })
  )

/**
 * Runs a body that starts tasks, and returns its value when the body and all of its tasks have ended.
 *
 * The first task that fails ends the block: the body and the other tasks are interrupted and joined, and the block fails
 * with what the task failed with. If others fail as well, or the body does, all of it is kept in one Cause, the body's
 * first. With `onFailure: "collect"` nothing is interrupted, and the block fails with all that failed when it ends. A
 * body that fails, or is interrupted, cancels its tasks in either case. A task that was cancelled has not failed, but
 * what it fails with while it ends counts.
 *
 * Say in the body's parameter what the tasks give and may fail with; without it, they may not fail. The body is as
 * interruptible as the caller of the block allows.
 *
 * **Example** (As many calls as there are questions)
 *
 * ```ts
 * const counts = yield* Tasks.run(
 *   Effect.fnUntraced(function*(tasks: Tasks.Tasks<number, PortalError.PortalError>) {
 *     const one = yield* tasks.start(counter.client.Increment({ by: 1 }))
 *     const two = yield* tasks.start(counter.client.Increment({ by: 2 }), { name: "two" })
 *     return [yield* one.result, yield* two.result]
 *   }),
 *   { concurrency: 8 }
 * )
 * ```
 */
export const run = <B, E2, R, A = unknown, E = never>(
  body: (tasks: Tasks<A, E>) => Effect.Effect<B, E2, R>,
  options?: Options
): Effect.Effect<B, E | E2, R> =>
  Effect.suspend(() => {
    const failing = Deferred.makeUnsafe<void>()
    const failures: Array<Cause.Reason<E>> = []
    const ended = ({ exit }: Ended<A, E>) => {
      const failed = failuresOf(exit)
      failures.push(...failed)
      if (failed.length > 0 && options?.onFailure !== "collect") {
        Deferred.doneUnsafe(failing, Exit.void)
      }
    }
    return block(body, options ?? {}, { ended, failing, failures })
  })

/**
 * The same block, as a stream of how each of its tasks has ended, as they end. A failure is one of these, and ends
 * nothing else; the stream ends when the body and all tasks have ended, and fails with what the body has failed with.
 * Leaving it early cancels what is left of the block and joins it: of what that comes to, and of what was not read, only
 * defects are still told.
 *
 * **Example** (Answers as they come)
 *
 * ```ts
 * const answers = Tasks.stream(
 *   Effect.fnUntraced(function*(tasks: Tasks.Tasks<number, PortalError.PortalError>) {
 *     yield* tasks.start(counter.client.Increment({ by: 1 }), { name: "one" })
 *     yield* tasks.start(counter.client.Increment({ by: 2 }), { name: "two" })
 *   })
 * )
 * yield* Stream.runForEach(answers, ({ name, exit }) => Effect.log(name, exit))
 * ```
 */
export const stream = <E2, R, A = unknown, E = never>(
  body: (tasks: Tasks<A, E>) => Effect.Effect<unknown, E2, R>,
  options?: StreamOptions
): Stream.Stream<Ended<A, E>, E2, Exclude<R, Scope.Scope>> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const queue = yield* Queue.unbounded<Ended<A, E>, Cause.Done>()
      const failures: Array<Cause.Reason<never>> = []
      let left = false
      let told = false
      const ended = (task: Ended<A, E>) => {
        if (!left) return void Queue.offerUnsafe(queue, task)
        failures.push(...defectsOf(task.exit))
      }
      const running = yield* Effect.acquireRelease(
        Effect.forkDetach(
          Effect.ensuring(
            block(body, options ?? {}, { ended, failing: Deferred.makeUnsafe(), failures }),
            Queue.end(queue)
          )
        ),
        (fiber) =>
          Effect.gen(function* () {
            if (told) return
            left = true
            const unread = yield* Queue.clear(queue)
            yield* Fiber.interrupt(fiber)
            const own = defectsOf(yield* Fiber.await(fiber))
            const defects = [
              ...unread.flatMap(({ exit }) => defectsOf(exit)).filter(isNew(own)),
              ...own
            ]
            if (defects.length > 0)
              return yield* Effect.failCause(Cause.fromReasons<never>(defects))
          })
      )
      const end = Effect.gen(function* () {
        const exit = yield* Fiber.await(running)
        told = true
        return yield* exit
      })
      // One by one: what stands in the queue has not been read.
      const each = Stream.fromPull(Effect.succeed(Effect.map(Queue.take(queue), Arr.of)))
      return Stream.concat(each, Stream.fromEffectDrain(end))
    })
  )
