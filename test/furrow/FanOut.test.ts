/** A fan-out by itself: who gets what, who is told of what, and when its source is asked. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as FanOut from "furrow/FanOut"
import { Lagged } from "furrow/FanOut"
import { Dice } from "../fuzz/Dice.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

/** A source that counts how often it is asked, and answers when, and with what, it is told to. */
const byHand = <A, E = never>() =>
  Effect.map(Queue.unbounded<A, E | Cause.Done>(), (answers) => {
    const asked = { times: 0, interrupted: 0 }
    const pull: Pull.Pull<readonly [A], E> = Effect.suspend(() => {
      asked.times++
      return Effect.map(Queue.take(answers), (value) => [value] as const)
    })
    const source = Stream.fromPull(
      Effect.succeed(Effect.onInterrupt(pull, () => Effect.sync(() => void asked.interrupted++)))
    )
    return {
      asked,
      say: (...values: ReadonlyArray<A>) => Queue.offerAll(answers, values),
      source,
      end: Queue.end(answers),
      fail: (error: E) => Queue.fail(answers, error)
    }
  })

/** Lets every fiber run that can. */
const settle = Effect.repeat(Effect.yieldNow, { times: 100 })

/** How one subscriber got on: what it took, and what it was told that it missed, in order. */
const log = <A, E>(subscription: FanOut.Subscription<A, E>, between: Effect.Effect<void>) => {
  const seen: Array<A | { readonly missed: number }> = []
  const next: Effect.Effect<void, E> = subscription.take.pipe(
    Effect.matchEffect({
      onSuccess: (value) => {
        seen.push(value)
        return Effect.andThen(between, next)
      },
      onFailure: (error) => {
        if (error instanceof Lagged) {
          seen.push({ missed: error.missed })
          return next
        }
        return Effect.fail(error)
      }
    }),
    Pull.catchDone(() => Effect.void)
  ) as Effect.Effect<void, E>
  return { seen, run: next }
}

describe("a subscriber that falls behind", () => {
  it.effect("BC-8 is told the exact number of values that were displaced, and goes on", () =>
    Effect.gen(function* () {
      for (const [capacity, said, missed] of [
        [1, 2, 1],
        [3, 5, 2],
        [3, 3, 0],
        [4, 100, 96]
      ] as const) {
        const fan = yield* FanOut.make(Stream.fromIterable(upTo(said)), { capacity })
        const slow = yield* fan.subscribe()
        const fast = yield* fan.subscribe()
        expect(yield* Stream.runCollect(fast.stream)).toStrictEqual(upTo(said))

        expect(yield* slow.progress).toStrictEqual({ lag: "fail", behind: said - missed, missed })
        if (missed > 0) {
          const lagged = yield* Effect.flip(slow.take)
          assert(lagged instanceof Lagged)
          expect(lagged.missed).toBe(missed)
        }
        expect(yield* Stream.runCollect(slow.stream)).toStrictEqual(upTo(said).slice(missed))
        expect((yield* slow.progress).missed).toBe(missed)
      }
    })
  )

  it.effect(
    "BC-5 is told each time, and its cursor moves to the oldest value that is retained",
    () =>
      Effect.gen(function* () {
        // One value a second, for whoever takes them at once.
        const source = Stream.tap(Stream.fromIterable(upTo(13)), () => Effect.sleep("1 second"))
        const fan = yield* FanOut.make(source, { capacity: 2 })
        const logs = []
        for (const seconds of [0, 1.3, 2.3, 3.3]) {
          const { run, seen } = log(yield* fan.subscribe(), Effect.sleep(seconds * 1000))
          logs.push(seen)
          yield* Effect.forkChild(run)
        }
        yield* TestClock.adjust("1 minute")
        const lost = (missed: number) => ({ missed })
        expect(logs).toStrictEqual([
          upTo(13),
          // When it comes at 10.1 s, the ring has 9 and 10.
          [...upTo(7), lost(1), 9, 10, 11, 12, 13],
          // It comes at 1, 3.3, 5.6, 7.9, 10.2, 12.5, 14.8 and 17.1 s.
          [1, 2, lost(1), 4, lost(1), 6, lost(2), 9, lost(1), 11, 12, 13],
          // It comes at 1, 4.3, 7.6, 10.9, 14.2 and 17.5 s.
          [1, lost(1), 3, lost(2), 6, lost(2), 9, lost(2), 12, 13]
        ])
      })
  )

  it.effect("BC-7 skips without an error if its rule says so; the number can be read", () =>
    Effect.gen(function* () {
      const fan = yield* FanOut.make(Stream.fromIterable(upTo(10)), { capacity: 3 })
      const slow = yield* fan.subscribe({ lag: "skip" })
      const fast = yield* fan.subscribe({ lag: "skip" })
      yield* Stream.runDrain(fast.stream)
      expect(yield* slow.progress).toStrictEqual({ lag: "skip", behind: 3, missed: 7 })
      expect(yield* Stream.runCollect(slow.stream)).toStrictEqual([8, 9, 10])
      expect(yield* slow.progress).toStrictEqual({ lag: "skip", behind: 0, missed: 7 })
      expect((yield* fast.progress).missed).toBe(0)
    })
  )

  it.effect("holds everybody up, and loses nothing, if its rule says so", () =>
    Effect.gen(function* () {
      const { asked, say, source } = yield* byHand<number>()
      const fan = yield* FanOut.make(source, { capacity: 2 })
      const slow = yield* fan.subscribe({ lag: "wait" })
      const fast = yield* fan.subscribe()
      yield* say(...upTo(10))
      const seen: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(fast.stream, (n) => Effect.sync(() => seen.push(n)))
      )
      yield* settle
      expect(seen).toStrictEqual([1, 2])
      expect(asked.times).toBe(2)

      expect(yield* slow.take).toBe(1)
      yield* settle
      expect(seen).toStrictEqual([1, 2, 3])
      expect(asked.times).toBe(3)
      expect(yield* Stream.runCollect(Stream.take(slow.stream, 5))).toStrictEqual([2, 3, 4, 5, 6])
      yield* settle
      expect(seen).toStrictEqual(upTo(8))
    })
  )

  it.effect("that waited, and leaves, holds nobody up any more", () =>
    Effect.gen(function* () {
      const fan = yield* FanOut.make(Stream.fromIterable(upTo(10)), { capacity: 2 })
      const scope = yield* Scope.make()
      yield* Scope.provide(fan.subscribe({ lag: "wait" }), scope)
      const fast = yield* fan.subscribe()
      const running = yield* Effect.forkChild(Stream.runCollect(fast.stream))
      yield* settle
      expect((yield* fan.statistics).handedOut).toBe(2)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(running)).toStrictEqual(upTo(10))
    })
  )
})

describe("the source", () => {
  it.effect(
    "BC-1 is read once for all: 10 subscribers each get the whole sequence of 1000, in order",
    () =>
      Effect.gen(function* () {
        let read = 0
        const source = Stream.tap(Stream.fromIterable(upTo(1000)), () => Effect.sync(() => read++))
        const fan = yield* FanOut.make(source, { capacity: 4 })
        const subscriptions = yield* Effect.all(Array.from({ length: 10 }, () => fan.subscribe()))
        // At the same pace nobody falls behind, also where one chunk is much longer than the ring.
        const all = yield* Effect.forEach(
          subscriptions,
          ({ stream }) => Stream.runCollect(stream),
          {
            concurrency: "unbounded"
          }
        )
        for (const each of all) expect(each).toStrictEqual(upTo(1000))
        expect(read).toBe(1000)
      })
  )

  it.effect("BC-1 is not asked again before whoever has just been given a value had its turn", () =>
    Effect.gen(function* () {
      const fan = yield* FanOut.make(Stream.fromIterable(upTo(100)), { capacity: 1 })
      const [atOnce, giving] = yield* Effect.all([fan.subscribe(), fan.subscribe()])
      const seen = yield* Effect.all(
        [
          Stream.runCollect(atOnce.stream),
          Stream.runCollect(Stream.tap(giving.stream, () => Effect.yieldNow))
        ],
        { concurrency: "unbounded" }
      )
      expect(seen).toStrictEqual([upTo(100), upTo(100)])
    })
  )

  it.effect("is not run before a value is needed, and not asked for more than is needed", () =>
    Effect.gen(function* () {
      let opened = 0
      const { asked, say, source } = yield* byHand<number>()
      const opening = Stream.unwrap(
        Effect.sync(() => {
          opened++
          return source
        })
      )
      const fan = yield* FanOut.make(opening, { capacity: 8 })
      yield* say(1, 2, 3)
      const subscription = yield* fan.subscribe()
      yield* settle
      expect([opened, asked.times]).toStrictEqual([0, 0])
      expect(yield* subscription.take).toBe(1)
      yield* settle
      expect([opened, asked.times]).toStrictEqual([1, 1])
      expect(yield* subscription.take).toBe(2)
      yield* settle
      expect([opened, asked.times]).toStrictEqual([1, 2])
    })
  )

  it.effect(
    "BC-10 is asked once for its end: whoever waits is told, and whoever asks later, again",
    () =>
      Effect.gen(function* () {
        const { asked, end, source } = yield* byHand<number>()
        const fan = yield* FanOut.make(source, { capacity: 1 })
        const subscriptions = yield* Effect.all([fan.subscribe(), fan.subscribe()])
        const waiting = yield* Effect.forEach(subscriptions, ({ take }) =>
          Effect.forkChild(Effect.flip(take))
        )
        yield* settle
        yield* end
        for (const fiber of waiting) expect((yield* Fiber.join(fiber))._tag).toBe("Done")
        const late = yield* fan.subscribe()
        for (const { stream, take } of [...subscriptions, late]) {
          expect((yield* Effect.flip(take))._tag).toBe("Done")
          expect(yield* Stream.runCollect(stream)).toStrictEqual([])
        }
        expect(asked.times).toBe(1)
      })
  )

  it.effect(
    "BC-11 fails each subscriber with its own error, each time, once what is retained is taken",
    () =>
      Effect.gen(function* () {
        const { asked, fail, say, source } = yield* byHand<number, "broken">()
        const fan = yield* FanOut.make(source, { capacity: 4 })
        const reader = yield* fan.subscribe()
        const peer = yield* fan.subscribe()
        yield* say(1, 2)
        yield* fail("broken")
        expect([yield* reader.take, yield* reader.take]).toStrictEqual([1, 2])
        expect(yield* Effect.flip(reader.take)).toBe("broken")
        expect(yield* Effect.flip(reader.take)).toBe("broken")
        expect([yield* peer.take, yield* peer.take]).toStrictEqual([1, 2])
        expect(yield* Effect.flip(peer.take)).toBe("broken")
        expect(asked.times).toBe(3)
      })
  )

  it.effect("dies, or is interrupted, for each of them", () =>
    Effect.gen(function* () {
      for (const cause of [Cause.die("bug"), Cause.interrupt(7)]) {
        const fan = yield* FanOut.make(Stream.failCause(cause), { capacity: 1 })
        for (const { take } of yield* Effect.all([fan.subscribe(), fan.subscribe()])) {
          const exit = yield* Effect.exit(take)
          assert(Exit.isFailure(exit))
          expect(exit.cause.reasons.map(({ _tag }) => _tag)).toStrictEqual(
            cause.reasons.map(({ _tag }) => _tag)
          )
        }
      }
    })
  )
})

describe("a subscriber that leaves", () => {
  it.effect("BC-3 half-way takes nothing from one that is slower", () =>
    Effect.gen(function* () {
      const fan = yield* FanOut.make(Stream.fromIterable(upTo(20)), { capacity: 20 })
      const slow = yield* fan.subscribe()
      const fast = yield* fan.subscribe()
      const half = Deferred.makeUnsafe<void>()
      const faster = yield* Effect.forkChild(
        Stream.runForEach(fast.stream, (n) =>
          n === 10 ? Effect.andThen(Deferred.succeed(half, undefined), Effect.never) : Effect.void
        )
      )
      yield* Deferred.await(half)
      yield* Fiber.interrupt(faster)
      const taken = yield* Effect.forkChild(
        Stream.runCollect(Stream.tap(slow.stream, () => Effect.sleep("1 second")))
      )
      yield* TestClock.adjust("20 seconds")
      expect(yield* Fiber.join(taken)).toStrictEqual(upTo(20))
    })
  )

  it.effect("BC-12 while the source is asked for its sake leaves the value to its peers", () =>
    Effect.gen(function* () {
      const { asked, say, source } = yield* byHand<number>()
      const fan = yield* FanOut.make(source, { capacity: 1 })
      const scope = yield* Scope.make()
      const owner = yield* Scope.provide(fan.subscribe(), scope)
      const peer = yield* fan.subscribe()
      const owning = yield* Effect.forkChild(Effect.flip(owner.take))
      yield* settle
      expect(asked).toStrictEqual({ times: 1, interrupted: 0 })
      const waiting = yield* Effect.forkChild(peer.take)
      yield* settle
      expect(asked.times).toBe(1)

      yield* Scope.close(scope, Exit.void)
      expect((yield* Fiber.join(owning))._tag).toBe("Closed")
      yield* settle
      expect((yield* fan.statistics).handedOut).toBe(0)
      yield* say(1, 2)
      expect(yield* Fiber.join(waiting)).toBe(1)
      expect(yield* peer.take).toBe(2)
      expect(asked).toStrictEqual({ times: 2, interrupted: 0 })
    })
  )

  it.effect(
    "BC-12 interrupted while the source is asked, with nobody else waiting: the next gets the value",
    () =>
      Effect.gen(function* () {
        // A stream that would lose the value that it works on, if whoever reads it were interrupted.
        const source = Stream.mapEffect(Stream.fromIterable(upTo(3)), (n) =>
          Effect.as(Effect.sleep("1 second"), n)
        )
        const fan = yield* FanOut.make(source, { capacity: 1 })
        const subscription = yield* fan.subscribe()
        const peer = yield* fan.subscribe()
        const owning = yield* Effect.forkChild(subscription.take)
        yield* TestClock.adjust("500 millis")
        yield* Fiber.interrupt(owning)
        yield* TestClock.adjust("1 hour")
        expect((yield* fan.statistics).handedOut).toBe(0)
        const taking = yield* Effect.forkChild(Stream.runCollect(peer.stream))
        yield* TestClock.adjust("1 hour")
        expect(yield* Fiber.join(taking)).toStrictEqual(upTo(3))
        expect(yield* Effect.flip(subscription.take)).toStrictEqual(new Lagged({ missed: 2 }))
      })
  )
})

describe("a fan-out", () => {
  it.effect("BC-4 that is closed fails whoever subscribes, or takes, or waits", () =>
    Effect.gen(function* () {
      const { asked, source } = yield* byHand<number>()
      const scope = yield* Scope.make()
      const fan = yield* Scope.provide(FanOut.make(source, { capacity: 1 }), scope)
      const subscription = yield* fan.subscribe()
      const waiting = yield* Effect.forkChild(Effect.flip(subscription.take))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      expect((yield* Fiber.join(waiting))._tag).toBe("Closed")
      expect((yield* Effect.flip(subscription.take))._tag).toBe("Closed")
      expect((yield* Effect.flip(Stream.runDrain(subscription.stream)))._tag).toBe("Closed")
      expect((yield* Effect.flip(fan.subscribe()))._tag).toBe("Closed")
      expect(asked.interrupted).toBe(1)
    })
  )

  it.effect("BC-4 fails a subscriber that takes after its own end", () =>
    Effect.gen(function* () {
      const fan = yield* FanOut.make(Stream.make(1, 2, 3), { capacity: 4 })
      const subscription = yield* Effect.scoped(
        Effect.tap(fan.subscribe(), (subscription) => subscription.take)
      )
      expect((yield* Effect.flip(subscription.take))._tag).toBe("Closed")
      expect((yield* fan.statistics).subscribers).toStrictEqual([])
    })
  )

  it.effect("that is closed has ended its source, and tells what that failed with", () =>
    Effect.gen(function* () {
      // Else the clock's own first step, a warning that it may have to give, is interrupted with what sleeps here.
      yield* TestClock.adjust(0)
      let released = 0
      const source = Stream.never.pipe(
        Stream.ensuring(
          Effect.andThen(
            Effect.sleep("1 second"),
            Effect.suspend(() => {
              released++
              return Effect.die("bad release")
            })
          )
        )
      )
      const scope = yield* Scope.make()
      const fan = yield* Scope.provide(FanOut.make(source, { capacity: 1 }), scope)
      const subscription = yield* fan.subscribe()
      yield* Effect.forkChild(Effect.exit(subscription.take))
      yield* settle
      const closing = yield* Effect.forkChild(Effect.exit(Scope.close(scope, Exit.void)))
      yield* settle
      expect(closing.pollUnsafe()).toBe(undefined)
      yield* TestClock.adjust("1 second")
      const closed = yield* Fiber.join(closing)
      assert(Exit.isFailure(closed))
      expect([released, Cause.squash(closed.cause)]).toStrictEqual([1, "bad release"])
    })
  )

  it.effect("BC-9 counts what each subscriber has not taken, at most as much as is retained", () =>
    Effect.gen(function* () {
      const fan = yield* FanOut.make(Stream.fromIterable(upTo(10)), { capacity: 3 })
      const idle = yield* fan.subscribe()
      const busy = yield* fan.subscribe({ lag: "skip" })
      const behind = []
      for (const _ of upTo(5)) {
        const { subscribers } = yield* fan.statistics
        behind.push(subscribers.map((subscriber) => subscriber.behind))
        yield* busy.take
      }
      expect(behind).toStrictEqual([
        [0, 0],
        [1, 0],
        [2, 0],
        [3, 0],
        [3, 0]
      ])
      expect(yield* fan.statistics).toStrictEqual({
        handedOut: 5,
        retained: 3,
        subscribers: [
          { lag: "fail", behind: 3, missed: 2 },
          { lag: "skip", behind: 0, missed: 0 }
        ]
      })
      yield* Effect.flip(idle.take)
      expect(yield* idle.progress).toStrictEqual({ lag: "fail", behind: 3, missed: 2 })
    })
  )

  it.effect("BC-13 without room for one value is a defect that names its capacity", () =>
    Effect.gen(function* () {
      for (const capacity of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const exit = yield* Effect.exit(FanOut.make(Stream.empty, { capacity }))
        assert(Exit.isFailure(exit))
        const defect = Cause.squash(exit.cause)
        assert(defect instanceof RangeError)
        expect(defect.message).toContain(` ${capacity} cannot be its capacity`)
      }
    })
  )

  it.effect("gives a subscriber what is handed out from then on", () =>
    Effect.gen(function* () {
      const fan = yield* Stream.fromIterable(upTo(5)).pipe(FanOut.make({ capacity: 8 }))
      const first = yield* fan.subscribe()
      expect([yield* first.take, yield* first.take]).toStrictEqual([1, 2])
      const second = yield* fan.subscribe()
      expect(yield* Stream.runCollect(second.stream)).toStrictEqual([3, 4, 5])
      expect(yield* Stream.runCollect(first.stream)).toStrictEqual([3, 4, 5])
    })
  )
})

/** What a subscriber does: its rule, its pace, and when it leaves, or is interrupted. */
const drawn = (dice: Dice) => ({
  lag: dice.pick<FanOut.LagRule>(["fail", "skip", "wait"]),
  late: dice.below(40),
  rest: dice.below(8),
  leaves: dice.once(3) ? dice.below(30) : undefined,
  interrupted: dice.once(4) ? dice.below(200) : undefined
})

const rest = (turns: number) => Effect.repeat(Effect.yieldNow, { times: turns })

/** Subscribes to a source of `count` numbers and does as drawn; what it does not see, it must have been told of. */
const behave = Effect.fnUntraced(function* (
  fan: FanOut.FanOut<number, "broken">,
  plan: ReturnType<typeof drawn>,
  count: number,
  told: string
) {
  const { interrupted, lag, leaves } = plan
  yield* rest(plan.late)
  const before = (yield* fan.statistics).handedOut
  const subscription = yield* fan.subscribe({ lag })
  const after = (yield* fan.statistics).handedOut
  const seen: Array<number> = []
  const lost = { told: 0, found: 0 }
  const next: Effect.Effect<string> = Effect.matchEffect(subscription.take, {
    onSuccess: (value) => {
      const last = seen.at(-1)
      lost.found = last === undefined ? lost.told : lost.found + value - last - 1
      if (lag !== "skip") assert.strictEqual(lost.found, lost.told, told)
      seen.push(value)
      return seen.length === leaves ? Effect.succeed("left") : Effect.andThen(rest(plan.rest), next)
    },
    onFailure: (error) => {
      if (!(error instanceof Lagged)) {
        return Effect.succeed(error === "broken" ? "broken" : error._tag)
      }
      assert(lag === "fail" && error.missed > 0, told)
      lost.told += error.missed
      return next
    }
  })
  const running = yield* Effect.forkChild(next)
  if (interrupted !== undefined) {
    yield* rest(interrupted)
    yield* Fiber.interrupt(running)
    return undefined
  }
  const end = yield* Fiber.join(running)
  if (end === "left") return undefined
  const { behind, missed } = yield* subscription.progress
  const began = count - seen.length - missed
  assert(before <= began && began <= after && behind === 0, told)
  if (seen.length > 0) assert.strictEqual(seen.at(-1), count, told)
  if (lag !== "skip") assert.strictEqual(missed, lost.told, told)
  return end
}, Effect.scoped)

it.effect(
  "each value is taken or told as missed, and all come to the end, whatever the others do",
  () =>
    Effect.forEach(upTo(150), (seed) =>
      Effect.gen(function* () {
        const dice = new Dice(seed)
        const count = dice.below(60)
        const end = dice.once(4) ? "broken" : "Done"
        const numbers = Stream.fromIterable(upTo(count)).pipe(
          Stream.rechunk(1 + dice.below(20)),
          Stream.tap(() => rest(dice.below(3)))
        )
        const source =
          end === "broken" ? Stream.concat(numbers, Stream.fail("broken" as const)) : numbers
        const fan = yield* FanOut.make(source, { capacity: 1 + dice.below(6) })
        const plans = Array.from({ length: 1 + dice.below(5) }, () => drawn(dice))
        const ends = yield* Effect.forEach(
          plans,
          (plan, index) => behave(fan, plan, count, `seed ${seed}, subscriber ${index}`),
          { concurrency: "unbounded" }
        )
        expect([end, undefined]).toEqual(expect.arrayContaining(ends))
        expect((yield* fan.statistics).subscribers).toStrictEqual([])
      }).pipe(Effect.scoped, Effect.provideService(Scheduler.MaxOpsBeforeYield, 3 + (seed % 5)))
    )
)

it("a lag says how much, and what to do", () => {
  expect(new Lagged({ missed: 1 }).message).toContain("1 value was displaced")
  expect(new Lagged({ missed: 2 }).message).toContain("2 values were displaced")
})
