/**
 * Streams and the items of dialogs: area STR, and the rules of backpressure and of ends (D9 to D11).
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { Ended, PortalError } from "furrow/PortalError"
import { Aggregator, Talker } from "./fixtures/Streams.ts"
import type { World } from "./World.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert(Exit.isFailure(exit), "it should have failed")
  return Cause.squash(exit.cause)
}

export default ({ isGone, it, main, name }: World): void => {
  describe(`streams (${name})`, () => {
    it("STR-1 every reply over a dialog is its request's, sent one by one or all at once", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const oneByOne = yield* client.Reply().pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                expect(chat.started).toBe("ready")
                const replies: Array<Option.Option<number>> = []
                for (const n of upTo(100)) {
                  yield* chat.send(n)
                  replies.push(yield* Stream.runHead(chat.messages))
                }
                yield* chat.end
                expect(replies.map(Option.getOrNull)).toStrictEqual(upTo(100))
                return yield* chat.result
              })
            )
          )
          expect(oneByOne).toBe(100)

          const allAtOnce = yield* client.Reply().pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                const [, replies] = yield* Effect.all(
                  [
                    Effect.andThen(Effect.forEach(upTo(500), chat.send), chat.end),
                    Stream.runCollect(chat.messages)
                  ],
                  { concurrency: "unbounded" }
                )
                expect(replies).toStrictEqual(upTo(500))
                return yield* chat.result
              })
            )
          )
          expect(allAtOnce).toBe(500)
        })
      ))

    it("STR-2 the end of a stream is sticky", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          yield* client.ItemsInDialog({ count: 3 }).pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                expect(yield* Stream.runCollect(chat.messages)).toStrictEqual([1, 2, 3])
                expect(yield* Stream.runCollect(chat.messages)).toStrictEqual([])
                expect(yield* Stream.runHead(chat.messages)).toStrictEqual(Option.none())
              })
            )
          )
        })
      ))

    it("STR-3 items of a stream and of a dialog arrive all, in order", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          expect(yield* Stream.runCollect(client.Items({ from: 1, count: 1000 }))).toStrictEqual(
            upTo(1000)
          )
          const items = yield* client
            .ItemsInDialog({ count: 1000 })
            .pipe(Dialog.use((chat) => Stream.runCollect(chat.messages)))
          expect(items).toStrictEqual(upTo(1000))
        })
      ))

    it("STR-5 two sources, an aggregator that is a parent itself, and one stream of 1000 values up to the root", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Aggregator, { ...main, arguments: main })
          const values = yield* Stream.runCollect(client.Merge({ count: 500 }))
          expect([...values].sort((a, b) => a - b)).toStrictEqual(upTo(1000))
        })
      ))

    for (const taken of [0, 1, 250]) {
      it(`STR-6 a pipeline that is left after ${taken} values is gone, and has failed nobody`, () =>
        Effect.gen(function* () {
          const aggregator = yield* Nursery.run(
            Effect.gen(function* () {
              const aggregator = yield* Nursery.spawn(Aggregator, { ...main, arguments: main })
              const values = yield* aggregator.client
                .Merge({ count: 5000 })
                .pipe(Stream.take(taken), Stream.runCollect)
              expect(values).toHaveLength(taken)
              return aggregator
            })
          )
          assert(yield* isGone(aggregator))
        }))
    }

    it("STR-8 a dialog says items by itself and answers others at the same time, each flow whole", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const [answered, items] = yield* client.Both({ items: 300 }).pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                const [, items] = yield* Effect.all(
                  [
                    Effect.andThen(Effect.forEach(upTo(200), chat.send), chat.end),
                    Stream.runCollect(chat.messages)
                  ],
                  { concurrency: "unbounded" }
                )
                return [yield* chat.result, items] as const
              })
            )
          )
          expect(answered).toBe(200)
          const flow = (kind: "said" | "answered") =>
            items.filter((item) => item.kind === kind).map(({ n }) => n)
          expect(flow("said")).toStrictEqual(upTo(300))
          expect(flow("answered")).toStrictEqual(upTo(200).map((n) => n * 10))
        })
      ))

    it("STR-9 a dialog and a stream side by side end with the block that is interrupted, and so does the tree", () =>
      Effect.gen(function* () {
        const underWay = Deferred.makeUnsafe<Parameters<typeof isGone>[0]>()
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.gen(function* () {
              const talker = yield* Nursery.spawn(Talker, main)
              yield* Effect.all(
                [
                  talker.client.Reply().pipe(
                    Dialog.use(
                      Effect.fnUntraced(function* (chat) {
                        for (let n = 0; ; n++) {
                          yield* chat.send(n)
                          yield* Stream.runHead(chat.messages)
                          if (n === 50) yield* Deferred.succeed(underWay, talker)
                        }
                      })
                    )
                  ),
                  Stream.runDrain(talker.client.Endless())
                ],
                { concurrency: "unbounded" }
              )
            })
          )
        )
        const talker = yield* Deferred.await(underWay)
        yield* Fiber.interrupt(block)
        const exit = yield* Fiber.await(block)
        assert(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert(yield* isGone(talker))
      }))

    it("STR-12 a callee that returns without an item: messages end, and the result is its value", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const result = yield* client.Quiet().pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                expect(yield* Stream.runCollect(chat.messages)).toStrictEqual([])
                return yield* chat.result
              })
            )
          )
          expect(result).toBe("quiet")
        })
      ))

    it("STR-13 sending fails with the callee's error if it has one, else with Ended (D11)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const failed = yield* Effect.exit(
            Effect.scoped(
              Effect.gen(function* () {
                const chat = yield* client.Explode()
                yield* chat.send(7)
                yield* chat.exit
                return yield* Effect.exit(chat.send(8))
              })
            )
          )
          assert(Exit.isSuccess(failed))
          expect(errorOf(failed.value)).toMatchObject({ _tag: "Exploded", n: 7 })

          const isEnded = (exit: Exit.Exit<unknown, unknown>) => {
            const error = errorOf(exit)
            assert(error instanceof PortalError && error.reason instanceof Ended)
          }
          yield* client.Quiet().pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                yield* chat.result
                isEnded(yield* Effect.exit(chat.send(1)))
              })
            )
          )
          yield* client.Reply().pipe(
            Dialog.use(
              Effect.fnUntraced(function* (chat) {
                yield* chat.end
                isEnded(yield* Effect.exit(chat.send(1)))
                expect(yield* chat.result).toBe(0)
              })
            )
          )
        })
      ))

    it("a consumer that makes a call for each item of a stream does not hold itself up", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const doubled = yield* client.Items({ from: 1, count: 500 }).pipe(
            Stream.mapEffect((n) => client.Double({ n })),
            Stream.runCollect
          )
          expect(doubled).toStrictEqual(upTo(500).map((n) => 2 * n))
        })
      ))

    it("OVR-9 a stream that nobody reads delays neither a call nor a cancel beside it (D9)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Talker, main)
          const first = Deferred.makeUnsafe<void>()
          const stuck = yield* Effect.forkChild(
            Stream.runForEach(client.Endless(), () =>
              Effect.andThen(Deferred.succeed(first, undefined), Effect.never)
            )
          )
          yield* Deferred.await(first)
          for (const n of upTo(20)) expect(yield* client.Double({ n })).toBe(2 * n)
          yield* Fiber.interrupt(stuck)
          expect(yield* client.Double({ n: 1 })).toBe(2)
        })
      ))
  })
}
