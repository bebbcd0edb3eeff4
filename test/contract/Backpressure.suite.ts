/**
 * Backpressure: a sender waits for room, is never more than a window ahead, loses nothing, holds up nobody else, and is
 * let go when its dialog ends. There is no overrun.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { account, Player } from "./fixtures/Player.ts"
import type { Script } from "./fixtures/Player.ts"
import * as Observer from "./Observer.ts"
import type { World } from "./World.ts"

type Ops = Actor.OperationsOf<typeof Player>

/** So many items may be under way in one direction of a dialog. */
const Window = 64

/** So many more may be on the way through a stream's consumer: handed to its router, and in its queue. */
const InConsumer = 64

const upTo = (count: number) => [...Array.from({ length: count }).keys()]

const ending = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<string, never, R> =>
  Effect.map(Effect.exit(effect), account)

export default (world: World): void => {
  const { elapse, it, main, name } = world

  /** A block with one player and an observer. */
  const play = <A, E, R>(
    body: (player: Actor.Portal<Ops>, observer: Observer.Observer) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(Observer.make(world), (observer) =>
      Nursery.run(
        Effect.flatMap(Nursery.spawn(Player, { ...main }), (player) => body(player, observer))
      )
    )

  /** Waits until the player sends no more; how much it has sent by then. */
  const standstill = (player: Actor.Portal<Ops>): Effect.Effect<number, unknown> =>
    Effect.gen(function* () {
      let before = -1
      let sent = yield* player.client.Sent()
      while (before !== sent) {
        before = sent
        for (let round = 0; round < 5; round++) yield* player.client.Echo(round)
        sent = yield* player.client.Sent()
      }
      return sent
    })

  describe(`${name}: backpressure`, () => {
    it("OVR-1 D10 a callee that takes nothing: the 65th item waits, and a cancel lets it go", () =>
      play((player) =>
        player.client.Play([{ do: "accept", value: 1 }, { do: "never" }]).pipe(
          Dialog.use(
            Effect.fnUntraced(function* (talk) {
              for (const n of upTo(Window)) yield* talk.send(n)
              const waiting = yield* Effect.forkChild(ending(talk.send(Window)), {
                startImmediately: true
              })
              yield* player.client.Echo(0)
              yield* elapse("1 minute")
              expect(waiting.pollUnsafe()).toBeUndefined()
              yield* talk.cancel
              expect(yield* Fiber.join(waiting)).toMatch(/^Cancelled by root/)
            })
          )
        )
      ))

    it("OVR-2 OVR-6 D10 a caller that takes nothing: the callee sends a window and waits, and a cancel joins it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          yield* player.client
            .Play([
              { do: "acquire", release: [{ do: "note", file: observer.file, text: "released" }] },
              { do: "accept", value: 1 },
              { do: "send", count: 1_000_000 }
            ])
            .pipe(
              Dialog.use(
                Effect.fnUntraced(function* (talk) {
                  expect(yield* standstill(player)).toBe(Window)
                  yield* talk.cancel
                  expect(observer.lines()).toEqual(["released"])
                })
              )
            )
          expect(yield* player.client.Sent()).toBe(Window)
        })
      ))

    it("OVR-3 OVR-4 OVR-5 D10 both sides say much before they listen: nothing is lost, in either direction", () =>
      play((player) =>
        player.client
          .Play([
            { do: "accept", value: 1 },
            { do: "echoBeside", count: 500 },
            { do: "return", value: 7 }
          ])
          .pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                const [, items] = yield* Effect.all(
                  [
                    Effect.andThen(Effect.forEach(upTo(500), talk.send), talk.end),
                    // Nothing is taken until the other end has come to a standstill.
                    Effect.andThen(standstill(player), Stream.runCollect(talk.messages))
                  ],
                  { concurrency: 2 }
                )
                expect(items.filter((n) => n >= 0)).toEqual(upTo(500))
                expect(items.filter((n) => n < 0)).toEqual(upTo(500).map((n) => -1 - n))
                expect(yield* talk.result).toBe(7)
              })
            )
          )
      ))

    it("OVR-8 D10 10 000 items to a slow consumer of a dialog: all arrive, the sender is never a window and an item ahead", () =>
      play((player) =>
        player.client
          .Play([
            { do: "accept", value: 1 },
            { do: "send", count: 10_000 },
            { do: "return", value: 7 }
          ])
          .pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                let taken = 0
                yield* Stream.runForEach(talk.messages, (n) =>
                  Effect.gen(function* () {
                    expect(n).toBe(taken++)
                    if (n % 500 !== 0) return
                    yield* Effect.yieldNow
                    expect((yield* standstill(player)) - taken).toBeLessThanOrEqual(Window)
                  })
                )
                expect(taken).toBe(10_000)
                expect(yield* talk.result).toBe(7)
              })
            )
          )
      ))

    it("OVR-8 D10 the same for a stream, and for one out of a queue", () =>
      play((player) =>
        Effect.gen(function* () {
          let before = 0
          for (const numbers of [
            player.client.Numbers({ count: 10_000, last: [] }),
            player.client.Queued(10_000)
          ]) {
            let taken = 0
            yield* Stream.runForEach(numbers, (n) =>
              Effect.gen(function* () {
                expect(n).toBe(taken++)
                if (n % 1000 !== 0) return
                const ahead = (yield* standstill(player)) - before - taken
                // A queue has room of its own, at the callee.
                expect(ahead).toBeLessThanOrEqual(Window + InConsumer + 20)
              })
            )
            expect(taken).toBe(10_000)
            before += 10_000
          }
        })
      ))

    it("OVR-9 D9 a dialog that is full in both directions delays no other, no call, no stream, and no cancel", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const full: Script = [
            { do: "acquire", release: [{ do: "note", file: observer.file, text: "released" }] },
            { do: "accept", value: 1 },
            { do: "send", count: 1_000_000 }
          ]
          const stuck = yield* Effect.forkChild(
            player.client
              .Play(full)
              .pipe(Dialog.use((talk) => Effect.forEach(upTo(1000), talk.send, { discard: true }))),
            { startImmediately: true }
          )
          yield* standstill(player)
          expect(yield* player.client.Echo(5)).toBe(5)
          expect(yield* Stream.runCollect(player.client.Numbers({ count: 300, last: [] }))).toEqual(
            upTo(300)
          )
          const echoed = yield* player.client
            .Play([
              { do: "accept", value: 1 },
              { do: "echoEach", count: 200 }
            ])
            .pipe(
              Dialog.use(
                Effect.fnUntraced(function* (talk) {
                  const items: Array<number> = []
                  for (const n of upTo(200)) {
                    yield* talk.send(n)
                    items.push(...(yield* Stream.runCollect(Stream.take(talk.messages, 1))))
                  }
                  return items
                })
              )
            )
          expect(echoed).toEqual(upTo(200))
          expect(stuck.pollUnsafe()).toBeUndefined()
          yield* Fiber.interrupt(stuck)
          expect(observer.lines()).toEqual(["released"])
        })
      ))

    it("OVR-10 a sender that waits for room while the other end goes is told why it ended, and nobody else is harmed", () =>
      play((player) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const dying = yield* Scope.provide(
            player.client.Play([
              { do: "accept", value: 1 },
              { do: "take", count: 1 },
              { do: "die", why: "while you wait" }
            ]),
            scope
          )
          for (const n of upTo(Window)) yield* dying.send(n)
          // The first is taken now, and then it dies: what is said from here on is too late, and is told so.
          const said: Array<string> = []
          while (said.at(-1)?.startsWith("defect") !== true && said.length < 1000) {
            said.push(yield* ending(dying.send(1)))
          }
          expect(said.at(-1)).toMatch(/^defect Error: while you wait/)
          yield* Scope.close(scope, Exit.void)
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    it("D10 small calls do not wait for a large value on the same connection, however large", () =>
      play((player) =>
        Effect.gen(function* () {
          // Much larger than a frame, a part, and the window for Opens.
          const text = "0123456789".repeat(600_000)
          const order: Array<string> = []
          const note = (what: string) => Effect.sync(() => void order.push(what))
          const large = yield* Effect.forkChild(
            Effect.tap(player.client.Large(text), () => note("large")),
            { startImmediately: true }
          )
          for (const n of upTo(10)) {
            expect(yield* player.client.Echo(n)).toBe(n)
            yield* note("small")
          }
          expect(yield* Fiber.join(large)).toBe(text.length)
          expect(order.indexOf("large")).toBeGreaterThan(0)
        })
      ))
  })
}
