/**
 * Many consumers of one remote stream, and of one dialog: areas BC and STR, and what RES says of consumers.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as RcRef from "effect/RcRef"
import * as Stream from "effect/Stream"
import * as Dialog from "furrow/Dialog"
import * as FanOut from "furrow/FanOut"
import { Lagged } from "furrow/FanOut"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import { ActorCrashed } from "furrow/TreeError"
import { Talker } from "./fixtures/Streams.ts"
import { Ticker } from "./fixtures/Ticker.ts"
import type { World } from "./World.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const all = { concurrency: "unbounded" } as const

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

    it("RES-9 tasks that come and go share one remote subscription, which ends with the last", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Ticker, main)
          const shared = yield* RcRef.make({
            acquire: FanOut.make(client.Ticks({ upTo: 1_000_000 }), { capacity: 4 })
          })
          const consumer = (count: number, here: Effect.Effect<unknown>) =>
            Effect.gen(function* () {
              const ticks = yield* RcRef.get(shared)
              const { stream } = yield* ticks.subscribe({ lag: "wait" })
              yield* here
              return yield* Stream.runCollect(Stream.take(stream, count))
            }).pipe(Effect.scoped)

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

    it("BC-11 the loss of the actor reaches every subscriber, each time it asks", () =>
      Nursery.run(
        Effect.gen(function* () {
          const ticker = yield* Nursery.spawn(Ticker, main)
          const lost = yield* Effect.scoped(
            Effect.gen(function* () {
              const ticks = yield* FanOut.make(ticker.client.Ticks({ upTo: 1_000_000 }), {
                capacity: 1
              })
              const subscribers = yield* Effect.all(
                upTo(3).map(() => ticks.subscribe({ lag: "skip" }))
              )
              const first = Deferred.makeUnsafe<void>()
              const running = yield* Effect.forEach(subscribers, ({ stream }) =>
                Effect.forkChild(
                  Effect.flip(Stream.runForEach(stream, () => Deferred.succeed(first, undefined)))
                )
              )
              yield* Deferred.await(first)
              yield* crash(ticker)
              const told = yield* Effect.forEach(running, Fiber.join)
              const again = yield* Effect.forEach(subscribers, ({ take }) => Effect.flip(take))
              return [...told, ...again]
            })
          ).pipe(Effect.uninterruptible)
          for (const error of lost) {
            assert(error instanceof PortalError)
            expect(error.reason._tag).toBe("Disconnected")
          }
        })
      ).pipe(
        Effect.flip,
        Effect.map((error) => assert(error instanceof ActorCrashed))
      ))
  })
}
