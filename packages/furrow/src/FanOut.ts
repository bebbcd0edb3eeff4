/**
 * Many local consumers of one source, a remote stream or the messages of a dialog: one subscription on the wire.
 *
 * Answers for a ring of the values that were handed out last, a cursor into it for each subscriber, and the exact count
 * of what a slow one has missed; the rules of lag are those of tokio's broadcast channel. Nothing is read ahead: the
 * source is asked when a subscriber needs a value that is not there yet, so the pace of the consumers reaches it.
 *
 * `Stream.broadcast`, `Stream.share` and `PubSub` do neither: they run the source ahead of its consumers, and whoever
 * falls behind a sliding one is not told. Sharing a fan-out among those who come and go is `Shared`'s.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { asDefects, failUnlessEmpty } from "./Dialog.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What can be said of it
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What becomes of a subscriber that has fallen further behind than the ring is long: `"fail"`, it fails with
 * {@link Lagged} and may go on; `"skip"`, it goes on with the oldest value that is left; `"wait"`, it never falls that
 * far, because everybody waits for it.
 */
export type LagRule = "fail" | "skip" | "wait"

/** A subscriber was too slow: this many values were displaced before it took them. It goes on with the oldest left. */
export class Lagged extends Schema.TaggedError<Lagged>()("Lagged", { missed: Schema.Int }) {
  override get message() {
    const values = this.missed === 1 ? "1 value was" : `${this.missed} values were`
    return `A subscriber of a fan-out fell behind: ${values} displaced before it took them. It may go on; let it take faster, give the fan-out a larger capacity, or subscribe with lag "wait".`
  }
}

/** The subscription, or what it belongs to, has been closed by whoever owns its scope. */
export class Closed extends Schema.TaggedError<Closed>()("Closed", {}) {
  override get message() {
    return "This subscription, or the fan-out or feed it belongs to, is closed: the scope that it was made in has ended."
  }
}

/** What a subscription can fail with beside its source's errors, by its rule of lag. */
export type ErrorOf<Rule extends LagRule> = Closed | ("fail" extends Rule ? Lagged : never)

/** How far one subscriber is. */
export interface Progress {
  readonly lag: LagRule
  /** How many values are there for it that it has not taken; at most the fan-out's capacity. */
  readonly behind: number
  /** How many values it has missed since it subscribed, whether it knows yet or not. */
  readonly missed: number
}

/** How a fan-out is doing. */
export interface Statistics {
  /** How many values have been handed out since it was made. */
  readonly handedOut: number
  /** How many of them can still be taken; at most the capacity. */
  readonly retained: number
  /** Everybody who subscribes now, in the order in which they did. */
  readonly subscribers: ReadonlyArray<Progress>
}

/** One consumer's place in a fan-out. It starts where it was made: what was handed out before is not seen. */
export interface Subscription<out A, out E> {
  /**
   * The next value; waits for it. Fails with `Cause.Done` when the source has ended (`Pull.catchDone`), and with its
   * error when it has failed, each time it is asked, once the values from before that are taken.
   */
  readonly take: Pull.Pull<A, E>
  /** The same values as a stream. May be run again and goes on where it stopped, also after {@link Lagged}. */
  readonly stream: Stream.Stream<A, E>
  /** How far it is. */
  readonly progress: Effect.Effect<Progress>
}

/** One source for many local consumers, made with {@link make}. */
export interface FanOut<out A, out E> {
  /**
   * Subscribes for the length of a scope. Defaults to the rule `"fail"`. Fails with {@link Closed} if the fan-out's own
   * scope has ended.
   */
  readonly subscribe: <Rule extends LagRule = "fail">(options?: {
    readonly lag?: Rule | undefined
  }) => Effect.Effect<Subscription<A, E | ErrorOf<Rule>>, Closed, Scope.Scope>
  /** How it is doing now. */
  readonly statistics: Effect.Effect<Statistics>
}

// ---------------------------------------------------------------------------------------------------------------------
// The ring
// ---------------------------------------------------------------------------------------------------------------------

/** Positions count values from 0 on, in the order in which they are handed out. */
class Ring<A, E> implements FanOut<A, E> {
  readonly capacity: number
  readonly cursors = new Set<Cursor<A, E>>()
  /** Whoever needs the next value, or to be told that there is none. */
  readonly waiting = new Set<() => void>()
  /** The position of the next value. */
  head = 0
  /** How the source has ended. */
  outcome: Exit.Exit<void, E> | undefined
  closed = false
  private readonly values: Array<A> = []
  /** Lets the reader go on, if it waits. */
  private reader: (() => void) | undefined

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** The position of the oldest value that can be taken. */
  get oldest(): number {
    return Math.max(0, this.head - this.capacity)
  }

  at(position: number): A {
    return this.values[position % this.capacity] as A
  }

  /** Somebody needs one more value, and it displaces none that another must have first. */
  private get isWanted(): boolean {
    if (this.waiting.size === 0) return false
    const displaced = this.head - this.capacity
    for (const { lag, position } of this.cursors) {
      if (lag === "wait" && position <= displaced) return false
    }
    return true
  }

  /** Waits until one more value is wanted. */
  readonly wanted: Effect.Effect<void> = Effect.suspend(() =>
    this.isWanted
      ? Effect.void
      : Effect.flatMap(
          Effect.callback<void>((resume) => {
            if (this.isWanted) return resume(Effect.void)
            this.reader = () => resume(Effect.void)
            return Effect.sync(() => {
              this.reader = undefined
            })
          }),
          () => this.wanted
        )
  )

  /** Something has changed that the reader may wait for. */
  poke(): void {
    const { reader } = this
    if (reader === undefined || !this.isWanted) return
    this.reader = undefined
    reader()
  }

  /** Whoever waits looks again. */
  wake(): void {
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const waker of waiting) waker()
  }

  handOut(value: A): void {
    this.values[this.head++ % this.capacity] = value
    this.wake()
  }

  end(outcome: Exit.Exit<void, E>): void {
    this.outcome = outcome
    this.wake()
  }

  close(): void {
    this.closed = true
    this.wake()
  }

  /** Programs take it out of the fan-out. */
  readonly subscribe = <Rule extends LagRule = "fail">(options?: {
    readonly lag?: Rule | undefined
  }): Effect.Effect<Subscription<A, E | ErrorOf<Rule>>, Closed, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (this.closed) return Effect.fail(new Closed())
          const cursor = new Cursor(this, options?.lag ?? "fail")
          this.cursors.add(cursor)
          return Effect.succeed(cursor)
        }),
        (cursor) => Effect.sync(() => cursor.close())
      ),
      // Only one whose rule says so fails with `Lagged`.
      (cursor) => cursor as Subscription<A, E | ErrorOf<Rule>>
    )

  get statistics(): Effect.Effect<Statistics> {
    return Effect.sync(() => ({
      handedOut: this.head,
      retained: this.head - this.oldest,
      subscribers: Array.from(this.cursors, (cursor) => cursor.progressNow)
    }))
  }
}

/** One subscriber's place in the ring. */
class Cursor<A, E> implements Subscription<A, E | Closed | Lagged> {
  readonly lag: LagRule
  /** The position of the value that it takes next. */
  position: number
  private readonly ring: Ring<A, E>
  private missed = 0
  private closed = false

  constructor(ring: Ring<A, E>, lag: LagRule) {
    this.ring = ring
    this.lag = lag
    this.position = ring.head
  }

  get progressNow(): Progress {
    const lost = Math.max(0, this.ring.oldest - this.position)
    return {
      lag: this.lag,
      behind: this.ring.head - this.position - lost,
      missed: this.missed + lost
    }
  }

  get progress(): Effect.Effect<Progress> {
    return Effect.sync(() => this.progressNow)
  }

  readonly take: Pull.Pull<A, E | Closed | Lagged> = Effect.suspend(
    () => this.takeNow() ?? Effect.flatMap(this.changed, () => this.take)
  )

  get stream(): Stream.Stream<A, E | Closed | Lagged> {
    return Stream.fromPull(Effect.succeed(Effect.map(this.take, (value) => [value] as const)))
  }

  close(): void {
    this.closed = true
    this.ring.cursors.delete(this)
    // Those that look again ask for the next value again, which may have waited for this one.
    this.ring.wake()
  }

  /** What there is for it: a value, a failure, the end; nothing if it has to wait. */
  private takeNow(): Pull.Pull<A, E | Closed | Lagged> | undefined {
    const { ring } = this
    if (this.closed || ring.closed) return Effect.fail(new Closed())
    const missed = ring.oldest - this.position
    if (missed > 0) {
      this.position = ring.oldest
      this.missed += missed
      if (this.lag === "fail") return Effect.fail(new Lagged({ missed }))
    }
    if (this.position < ring.head) {
      const value = ring.at(this.position++)
      if (this.lag === "wait") ring.poke()
      return Effect.succeed(value)
    }
    if (ring.outcome === undefined) return undefined
    return Exit.isSuccess(ring.outcome) ? Cause.done() : Effect.failCause(ring.outcome.cause)
  }

  /** Waits until there may be something for it, and so asks the source for it. */
  private readonly changed: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const { ring } = this
    const isIdle = this.position === ring.head && ring.outcome === undefined
    if (!isIdle || this.closed || ring.closed) return resume(Effect.void)
    const waker = () => resume(Effect.void)
    ring.waiting.add(waker)
    ring.poke()
    return Effect.sync(() => void ring.waiting.delete(waker))
  })
}

/**
 * Reads the source, one value each time that one is wanted. It is a fiber of its own, and not whichever subscriber needs
 * the value: interrupting a stream in the middle of a read may lose what it was working on.
 */
const reading = <A, E, R>(
  ring: Ring<A, E>,
  source: Stream.Stream<A, E, R>
): Effect.Effect<void, E, R> =>
  Stream.runForEach(
    Stream.transformPull(source, (pull) => Effect.succeed(Effect.andThen(ring.wanted, pull))),
    (value) =>
      // Whoever has just been given a value may take it, and ask for the next, before there is one more.
      Effect.yieldNow.pipe(
        Effect.andThen(ring.wanted),
        Effect.andThen(Effect.sync(() => ring.handOut(value)))
      )
  )

// ---------------------------------------------------------------------------------------------------------------------
// Making one
// ---------------------------------------------------------------------------------------------------------------------

/** What a fan-out is made with. */
export interface Options {
  /** How many values are retained for subscribers that are behind: a whole number from 1 on. */
  readonly capacity: number
}

/** @internal */
export const checkCapacity = (what: string, capacity: number): Effect.Effect<void> =>
  Number.isSafeInteger(capacity) && capacity >= 1
    ? Effect.void
    : Effect.die(
        new RangeError(
          `${what} retains a whole number of values, at least 1: ${capacity} cannot be its capacity.`
        )
      )

/**
 * Hands the values of one source to many subscribers, for the length of a scope.
 *
 * The source is run once, from the first value that a subscriber asks for, and is asked for one more whenever a
 * subscriber that has taken everything waits. A subscriber that leaves, or is interrupted, takes nothing from the
 * others, whoever of them was waiting. Values from before the source's end, or its failure, can still be taken; then
 * each subscriber meets that, each time it asks. The end of the scope ends the source, waits for that, and fails every
 * subscriber with {@link Closed}. A `capacity` that is not a whole number from 1 on is a defect.
 *
 * **Example** (Two consumers of one remote stream)
 *
 * ```ts
 * const program = Effect.gen(function*() {
 *   const ticks = yield* FanOut.make(Stream.range(1, 1000), { capacity: 64 })
 *   const slow = yield* ticks.subscribe({ lag: "skip" })
 *   const fast = yield* ticks.subscribe()
 *   yield* Effect.forkScoped(Stream.runForEach(slow.stream, (n) => Effect.delay(Console.log(n), "1 second")))
 *   yield* Stream.runForEach(fast.stream, (n) => Console.log(n))
 * })
 * ```
 */
export const make: {
  (
    options: Options
  ): <A, E, R>(
    source: Stream.Stream<A, E, R>
  ) => Effect.Effect<FanOut<A, E>, never, R | Scope.Scope>
  <A, E, R>(
    source: Stream.Stream<A, E, R>,
    options: Options
  ): Effect.Effect<FanOut<A, E>, never, R | Scope.Scope>
} = dual(
  2,
  Effect.fnUntraced(function* <A, E, R>(source: Stream.Stream<A, E, R>, { capacity }: Options) {
    yield* checkCapacity("A fan-out", capacity)
    const ring = new Ring<A, E>(capacity)
    yield* Effect.acquireRelease(
      ring.wanted.pipe(
        Effect.andThen(reading(ring, source)),
        Effect.onExit((exit) => Effect.sync(() => ring.end(exit))),
        Effect.forkDetach
      ),
      Effect.fnUntraced(function* (reader) {
        const isRunning = ring.outcome === undefined
        ring.close()
        yield* Fiber.interrupt(reader)
        const exit = yield* Fiber.await(reader)
        // What the source fails with as it is left, nobody else would hear of.
        if (isRunning && Exit.isFailure(exit)) {
          const own = exit.cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
          yield* failUnlessEmpty(asDefects(Cause.fromReasons(own)))
        }
      })
    )
    const fanOut: FanOut<A, E> = ring
    return fanOut
  })
)
