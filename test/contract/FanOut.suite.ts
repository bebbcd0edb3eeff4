/**
 * Many consumers of one remote stream, and of one dialog: areas BC and STR, and what RES says of consumers.
 *
 * A talker's echo is a source by hand: it says what it has been sent, and ends when that does.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Dialog from "furrow/Dialog"
import * as FanOut from "furrow/FanOut"
import { Closed, Lagged } from "furrow/FanOut"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import * as Shared from "furrow/Shared"
import { ActorCrashed } from "furrow/TreeError"
import { Talker } from "./fixtures/Streams.ts"
import { Ticker } from "./fixtures/Ticker.ts"
import type { World } from "./World.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const all = { concurrency: "unbounded" } as const

/** Starts to take, and so has asked the source, or waits with those who have. */
const taking = <A, E>({ take }: FanOut.Subscription<A, E>) =>
  Effect.forkChild(Effect.flip(take), { startImmediately: true })

/** Takes one value, and notes it, and what it is told that it has missed; gives whether there was one. */
const note = <E>(
  subscription: FanOut.Subscription<number, E>,
  seen: Array<number | Lagged>
): Effect.Effect<boolean> =>
  Effect.matchEffect(subscription.take, {
    onSuccess: (value) =>
      Effect.as(
        Effect.sync(() => seen.push(value)),
        true
      ),
    onFailure: (error) => {
      if (!(error instanceof Lagged)) return Effect.succeed(false)
      seen.push(error)
      return note(subscription, seen)
    }
  })

export default ({ crash, it, main, name }: World): void => {
  describe(`fan-out (${name})`, () => {
    it("STR-11 each of 22 consumers of one stream sees every value, in order", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const seen = yield* Effect.scoped(
            Effect.gen(function* () {
              const ticks = yield* FanOut.make(client.Ticks({ upTo: 300 }), { capacity: 8 })
              const subscribing = upTo(22).map(() => ticks.subscribe({ lag: "wait" }))
              return yield* Effect.forEach(
                yield* Effect.all(subscribing),
                // Each at a pace of its own.
                ({ stream }, index) =>
                  Stream.runCollect(
                    Stream.tap(stream, () => Effect.repeat(Effect.yieldNow, { times: index }))
                  ),
                all
              )
            })
          )
          for (const values of seen) expect(values).toStrictEqual(upTo(300))
          expect(yield* client.Heard()).toStrictEqual({ opened: 1, ended: 1, said: 300 })
        })
      ))

    it("BC-1 ten subscribers to one dialog that echoes each get the whole sequence of 1000, in order", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const count = yield* client.Reply().pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                const seen = yield* Effect.scoped(
                  Effect.gen(function* () {
                    const replies = yield* FanOut.make(chat.messages, { capacity: 64 })
                    const subscribers = yield* Effect.all(upTo(10).map(() => replies.subscribe()))
                    const [, seen] = yield* Effect.all(
                      [
                        Effect.andThen(Effect.forEach(upTo(1000), chat.send), chat.end),
                        Effect.forEach(subscribers, ({ stream }) => Stream.runCollect(stream), all)
                      ],
                      all
                    )
                    return seen
                  })
                )
                for (const values of seen) expect(values).toStrictEqual(upTo(1000))
                return yield* chat.result
              })
            )
          )
          expect(count).toBe(1000)
        })
      ))

    for (const who of ["that holds the dialog", "beside it"]) {
      it(`BC-2 the task ${who} is slow: it is told what it has missed and goes on, and the other misses nothing`, () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* Nursery.spawn(Talker, main)
            yield* client.Reply().pipe(
              Dialog.use(
                Effect.fnUntraced(function* (chat) {
                  const replies = yield* FanOut.make(chat.messages, { capacity: 10 })
                  const slow = yield* replies.subscribe()
                  const fast = yield* replies.subscribe()
                  yield* Effect.forkChild(
                    Effect.andThen(Effect.forEach(upTo(100), chat.send), chat.end)
                  )
                  const done = Deferred.makeUnsafe<void>()
                  const slowly = Effect.gen(function* () {
                    expect(yield* slow.take).toBe(1)
                    yield* Deferred.await(done)
                    expect(yield* Effect.flip(slow.take)).toStrictEqual(new Lagged({ missed: 89 }))
                    expect(yield* Stream.runCollect(slow.stream)).toStrictEqual(upTo(100).slice(90))
                  })
                  const fastly = Effect.gen(function* () {
                    expect(yield* Stream.runCollect(fast.stream)).toStrictEqual(upTo(100))
                    yield* Deferred.succeed(done, undefined)
                  })
                  const [here, beside] = who === "beside it" ? [fastly, slowly] : [slowly, fastly]
                  const other = yield* Effect.forkChild(beside)
                  yield* here
                  yield* Fiber.join(other)
                  expect(yield* chat.result).toBe(100)
                }, Effect.scoped)
              )
            )
          })
        ))
    }

    it("BC-3 a faster subscriber that is interrupted half-way takes nothing from a slower one", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const ticks = yield* FanOut.make(client.Ticks({ upTo: 20 }), { capacity: 20 })
          const [slow, fast] = yield* Effect.all([ticks.subscribe(), ticks.subscribe()])
          const half = Deferred.makeUnsafe<void>()
          const faster = yield* Effect.forkChild(
            Stream.runForEach(fast.stream, (n) =>
              n < 10 ? Effect.void : Effect.andThen(Deferred.succeed(half, undefined), Effect.never)
            )
          )
          yield* Deferred.await(half)
          expect((yield* ticks.statistics).handedOut).toBe(10)
          yield* Fiber.interrupt(faster)
          expect(yield* Stream.runCollect(slow.stream)).toStrictEqual(upTo(20))
        }).pipe(Effect.scoped)
      ))

    it("BC-4 one that is closed fails whoever subscribes, or takes, or waits, and has left its source", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const chat = yield* (yield* Nursery.spawn(Talker, main)).client.Reply()
          const scope = yield* Scope.make()
          const make = <E>(source: Stream.Stream<number, E>) =>
            Scope.provide(FanOut.make(source, { capacity: 1 }), scope)
          const [ticks, replies] = [
            yield* make(client.Ticks({ upTo: 1_000_000 })),
            yield* make(chat.messages)
          ]
          const left = yield* Effect.scoped(ticks.subscribe())
          expect(yield* Effect.flip(left.take)).toStrictEqual(new Closed())
          const [reader, idle] = [yield* ticks.subscribe(), yield* replies.subscribe()]
          expect(yield* reader.take).toBe(1)
          const waiting = yield* taking(idle)
          yield* Scope.close(scope, Exit.void)
          expect(yield* client.Heard()).toMatchObject({ opened: 1, ended: 1 })
          for (const met of [
            Fiber.join(waiting),
            Effect.flip(reader.take),
            Effect.flip(Stream.runDrain(reader.stream)),
            Effect.flip(ticks.subscribe())
          ]) {
            expect(yield* met).toStrictEqual(new Closed())
          }
        }).pipe(Effect.scoped)
      ))

    it("BC-5 of four, each slower than the last, the slowest lags four times; each goes on with the oldest that is retained", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const ticks = yield* FanOut.make(client.Ticks({ upTo: 17 }), { capacity: 2 })
          const subscribers = yield* Effect.all(upTo(4).map(() => ticks.subscribe()))
          const seen = subscribers.map((): Array<number | Lagged> => [])
          // One takes with every value, the others with every second, third and fourth.
          for (const n of upTo(17)) {
            for (const [index, subscriber] of subscribers.entries()) {
              if (n % (index + 1) === 0) yield* note(subscriber, seen[index]!)
            }
          }
          for (const [index, subscriber] of subscribers.entries()) {
            while (yield* note(subscriber, seen[index]!));
          }
          const lost = (missed: number) => new Lagged({ missed })
          expect(seen).toStrictEqual([
            upTo(17),
            [1, ...[3, 5, 7, 9, 11, 13, 15].flatMap((n) => [lost(1), n]), 16, 17],
            [lost(1), 2, ...[5, 8, 11, 14].flatMap((n) => [lost(2), n]), lost(1), 16, 17],
            [lost(2), 3, ...[7, 11, 15].flatMap((n) => [lost(3), n]), 16, 17]
          ])
        }).pipe(Effect.scoped)
      ))

    it("BC-7 a slow subscriber skips without an error if its rule says so", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const ticks = yield* FanOut.make(client.Ticks({ upTo: 10 }), { capacity: 3 })
          const [slow, fast] = yield* Effect.all([
            ticks.subscribe({ lag: "skip" }),
            ticks.subscribe()
          ])
          yield* Stream.runDrain(fast.stream)
          expect(yield* Stream.runCollect(slow.stream)).toStrictEqual([8, 9, 10])
          expect(yield* slow.progress).toStrictEqual({ lag: "skip", behind: 0, missed: 7 })
        }).pipe(Effect.scoped)
      ))

    it("BC-8 the number that a slow subscriber is told of is exactly that of the values that were displaced", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          for (const [capacity, said, missed] of [
            [1, 2, 1],
            [3, 5, 2]
          ] as const) {
            const ticks = yield* FanOut.make(client.Ticks({ upTo: said }), { capacity })
            const [slow, fast] = yield* Effect.all([ticks.subscribe(), ticks.subscribe()])
            yield* Stream.runDrain(fast.stream)
            expect(yield* Effect.flip(slow.take)).toStrictEqual(new Lagged({ missed }))
            expect(yield* Stream.runCollect(slow.stream)).toStrictEqual(upTo(said).slice(missed))
          }
        }).pipe(Effect.scoped)
      ))

    it("BC-9 what a subscriber has not taken is counted, at most as much as is retained", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const ticks = yield* FanOut.make(client.Ticks({ upTo: 5 }), { capacity: 3 })
          const [idle, busy] = yield* Effect.all([ticks.subscribe(), ticks.subscribe()])
          const behind = [(yield* idle.progress).behind]
          yield* Stream.runForEach(busy.stream, () =>
            Effect.map(idle.progress, (progress) => behind.push(progress.behind))
          )
          expect(behind).toStrictEqual([0, 1, 2, 3, 3, 3])
          expect(yield* ticks.statistics).toStrictEqual({
            handedOut: 5,
            retained: 3,
            subscribers: [
              { lag: "fail", behind: 3, missed: 2 },
              { lag: "fail", behind: 0, missed: 0 }
            ]
          })
        }).pipe(Effect.scoped)
      ))

    it("BC-10 the end of the source, asked for once, ends whoever waits, and whoever comes later", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const ticks = yield* FanOut.make(client.Ticks({ upTo: 0 }), { capacity: 1 })
          const subscribers = yield* Effect.all([ticks.subscribe(), ticks.subscribe()])
          const waiting = yield* Effect.forEach(subscribers, taking)
          for (const fiber of waiting) expect((yield* Fiber.join(fiber))._tag).toBe("Done")
          for (const { stream, take } of [...subscribers, yield* ticks.subscribe()]) {
            expect((yield* Effect.flip(take))._tag).toBe("Done")
            expect(yield* Stream.runCollect(stream)).toStrictEqual([])
          }
          expect(yield* client.Heard()).toStrictEqual({ opened: 1, ended: 1, said: 0 })
        }).pipe(Effect.scoped)
      ))

    it("BC-11 the loss of the actor reaches every subscriber that has taken what is retained, each time it asks", () =>
      Nursery.run(
        Effect.gen(function* () {
          const talker = yield* Nursery.spawn(Talker, main)
          const lost = yield* Effect.gen(function* () {
            const chat = yield* talker.client.Reply()
            const replies = yield* FanOut.make(chat.messages, { capacity: 4 })
            const [reader, peer] = yield* Effect.all([replies.subscribe(), replies.subscribe()])
            yield* Effect.forEach(upTo(2), chat.send)
            expect([yield* reader.take, yield* reader.take]).toStrictEqual([1, 2])
            const waiting = yield* taking(reader)
            yield* crash(talker)
            const told = [yield* Fiber.join(waiting), yield* Effect.flip(reader.take)]
            expect([yield* peer.take, yield* peer.take]).toStrictEqual([1, 2])
            return [...told, yield* Effect.flip(peer.take)]
          }).pipe(Effect.scoped, Effect.uninterruptible)
          for (const error of lost) {
            assert(error instanceof PortalError)
            expect(error.reason._tag).toBe("Disconnected")
          }
        })
      ).pipe(
        Effect.flip,
        Effect.map((error) => assert(error instanceof ActorCrashed))
      ))

    it("BC-12 one that is closed while the source is asked for its sake leaves the value to the others", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const chat = yield* client.Reply()
          const replies = yield* FanOut.make(chat.messages, { capacity: 1 })
          const scope = yield* Scope.make()
          const owning = yield* taking(yield* Scope.provide(replies.subscribe(), scope))
          const peer = yield* replies.subscribe()
          const waiting = yield* Effect.forkChild(peer.take, { startImmediately: true })
          yield* Scope.close(scope, Exit.void)
          expect(yield* Fiber.join(owning)).toStrictEqual(new Closed())
          expect((yield* replies.statistics).handedOut).toBe(0)
          yield* Effect.forEach(upTo(2), chat.send)
          expect([yield* Fiber.join(waiting), yield* peer.take]).toStrictEqual([1, 2])
        }).pipe(Effect.scoped)
      ))

    it("BC-13 room for no value is a defect that names the capacity, and nothing is asked for", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const making = FanOut.make(client.Ticks({ upTo: 1 }), { capacity: 0 })
          const exit = yield* Effect.exit(Effect.scoped(making))
          assert(Exit.isFailure(exit))
          const defect = Cause.squash(exit.cause)
          assert(defect instanceof RangeError)
          expect(defect.message).toContain(" 0 cannot be its capacity")
          expect(yield* client.Heard()).toMatchObject({ opened: 0 })
        })
      ))

    it("RES-9 tasks that come and go share one remote subscription, which ends with the last", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const shared = yield* Shared.make({
            open: (upTo: number) => FanOut.make(client.Ticks({ upTo }), { capacity: 4 })
          })
          const consumer = (count: number, here: Effect.Effect<unknown>) =>
            shared.use(1_000_000, (ticks) =>
              Effect.gen(function* () {
                const { stream } = yield* ticks.subscribe({ lag: "wait" })
                yield* here
                return yield* Stream.runCollect(Stream.take(stream, count))
              }).pipe(Effect.scoped)
            )

          const everybody = upTo(8).map(() => Deferred.makeUnsafe<void>())
          const together = Effect.all(everybody.map((here) => Deferred.await(here)))
          const seen = yield* Effect.forEach(
            everybody,
            (here, index) =>
              // The first takes the most: it is there to the end.
              consumer(
                200 - 10 * index,
                Effect.andThen(Deferred.succeed(here, undefined), together)
              ),
            all
          )
          expect(seen).toStrictEqual(everybody.map((_, index) => upTo(200 - 10 * index)))
          const once = yield* client.Heard()
          expect(once).toMatchObject({ opened: 1, ended: 1 })
          // A window under way, and one that has arrived.
          assert(once.said <= 200 + 2 * 64, `it was read ahead: it said ${once.said}`)

          expect(yield* consumer(3, Effect.void)).toStrictEqual([1, 2, 3])
          expect(yield* client.Heard()).toMatchObject({ opened: 2, ended: 2 })
        }).pipe(Effect.scoped)
      ))
  })
}
