/**
 * Time that waits for everybody: before the test clock moves, and after, every fiber has come to rest.
 *
 * Answers for runs being deterministic under the user's plain `TestClock.adjust`: frames that are under way arrive, and
 * what they set going goes as far as it can, before time moves. What waits for the outside world is not waited for.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import type * as TestClock from "effect/testing/TestClock"

/** So many rounds without rest mean that somebody never rests; then time moves all the same. */
const MaxRounds = 100_000

const isTestClock = (clock: Clock.Clock): clock is TestClock.TestClock => "adjust" in clock

/** Counts the tasks that fibers have scheduled and not run yet. */
class CountingScheduler implements Scheduler.Scheduler {
  readonly executionMode: Scheduler.Scheduler["executionMode"]
  pending = 0
  private readonly inner: Scheduler.Scheduler

  constructor(inner: Scheduler.Scheduler) {
    this.inner = inner
    this.executionMode = inner.executionMode
  }

  shouldYield(fiber: Parameters<Scheduler.Scheduler["shouldYield"]>[0]): boolean {
    return this.inner.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const dispatcher = this.inner.makeDispatcher()
    return {
      scheduleTask: (task, priority) => {
        this.pending++
        dispatcher.scheduleTask(() => {
          this.pending--
          task()
        }, priority)
      },
      flush: () => dispatcher.flush()
    }
  }

  /** Waits until no task is scheduled. */
  readonly settle: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const dispatcher = this.inner.makeDispatcher()
    let rounds = 0
    const look = () => {
      if (this.pending === 0 || ++rounds > MaxRounds) resume(Effect.void)
      else dispatcher.scheduleTask(look, 0)
    }
    dispatcher.scheduleTask(look, 0)
  })
}

/** The clock and the scheduler for a world, over those of the current fiber. */
export const make: Effect.Effect<Context.Context<never>> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const scheduler = new CountingScheduler(yield* Scheduler.Scheduler)
  const settling = (move: Effect.Effect<void>) =>
    scheduler.settle.pipe(Effect.andThen(move), Effect.andThen(scheduler.settle))
  const context = Context.make(Scheduler.Scheduler, scheduler)
  if (!isTestClock(clock)) return context
  const wrapped: TestClock.TestClock = {
    ...clock,
    adjust: (duration) => settling(clock.adjust(duration)),
    setTime: (timestamp) => settling(clock.setTime(timestamp))
  }
  return Context.add(context, Clock.Clock, wrapped)
})
