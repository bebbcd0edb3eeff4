/**
 * Dialogs: the block that ends only when both ends have ended, who cancelled as data, and what each party sees of it.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Dialog from "furrow/Dialog"
import * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import { Reasons } from "furrow/protocol"
import { account, Player } from "./fixtures/Player.ts"
import type { Play, Refused, Script } from "./fixtures/Player.ts"
import * as Observer from "./Observer.ts"
import type { World } from "./World.ts"

type Ops = Actor.OperationsOf<typeof Player>
type Talk = Dialog.Caller<number, number, number, number, Refused | PortalError>

/** A body's own error. */
class Local extends Schema.TaggedError<Local>()("Local", { why: Schema.String }) {}

const local = new Local({ why: "the body's own" })

/** How an effect ends, as an account of its reasons. */
const ending = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<string, never, R> =>
  Effect.map(Effect.exit(effect), account)

const byMe = (via = "root/Player") => `Cancelled by root via ${via}`

/** The note of a reason that the callee had not ended. */
const notJoined = (reason: Cause.Reason<unknown>) =>
  Cause.reasonAnnotations(reason).mapUnsafe.get(Reasons.NotJoined.key)

/** A block around nothing. */
const opened = <A, B, C, D, E>(opening: Dialog.Opening<A, B, C, D, E>): Effect.Effect<void, E> =>
  opening.pipe(Dialog.use(() => Effect.void))

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

  /** Lets everything that was said before arrive at the player, and its answer here. */
  const roundTrip = (player: Actor.Portal<Ops>) => player.client.Echo(0)

  const blocked: Script = [{ do: "accept", value: 1 }, { do: "never" }]

  describe(`${name}: dialogs`, () => {
    // -----------------------------------------------------------------------------------------------------------------
    // The plain way
    // -----------------------------------------------------------------------------------------------------------------

    it("CTX-1 the first word and the result arrive, and the dialog is over", () =>
      play((player) =>
        player.client
          .Play([
            { do: "accept", value: 43 },
            { do: "return", value: 7 }
          ])
          .pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                expect(talk.started).toBe(43)
                expect(yield* talk.result).toBe(7)
                // It may be asked again, and as a value.
                expect(yield* talk.result).toBe(7)
                expect(yield* talk.exit).toEqual(Exit.succeed(7))
              })
            )
          )
      ))

    it("D2 the value of the block is its body's; a result that nobody took is dropped", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const value = yield* player.client
            .Play([
              { do: "accept", value: 1 },
              { do: "sleep", millis: 100 },
              { do: "note", file: observer.file, text: "done" },
              { do: "return", value: 7 }
            ])
            .pipe(
              Dialog.use(() => Effect.succeed("mine")),
              Effect.forkChild({ startImmediately: true })
            )
          yield* roundTrip(player)
          yield* elapse(100)
          expect(yield* Fiber.join(value)).toBe("mine")
          expect(observer.lines()).toEqual(["done"])
        })
      ))

    it("D2 a body that ended well waits for the callee's failure, which fails the block", () =>
      play((player) =>
        Effect.gen(function* () {
          const ended = yield* ending(
            player.client
              .Play([
                { do: "accept", value: 1 },
                { do: "take", count: 1 },
                { do: "fail", why: "late" }
              ])
              .pipe(Dialog.use((talk) => talk.send(1)))
          )
          expect(ended).toMatch(/^error Refused/)
        })
      ))

    it("D2 waiting for the callee's end can be interrupted, and then cancels and joins it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(
            player.client
              .Play([
                { do: "acquire", release: [{ do: "note", file: observer.file, text: "released" }] },
                ...blocked
              ])
              .pipe(Dialog.use((talk) => talk.send(1))),
            { startImmediately: true }
          )
          yield* roundTrip(player)
          yield* roundTrip(player)
          expect(fiber.pollUnsafe()).toBeUndefined()
          yield* Fiber.interrupt(fiber)
          expect(observer.lines()).toEqual(["released"])
          expect(account(yield* Fiber.await(fiber))).toBe("interrupt")
        })
      ))

    it("CTX-35 300 dialogs one after the other, and calls go on", () =>
      play((player) =>
        Effect.gen(function* () {
          for (let n = 0; n < 300; n++) {
            const result = yield* player.client
              .Play([
                { do: "accept", value: n },
                { do: "return", value: n + 1 }
              ])
              .pipe(Dialog.use((talk) => talk.result))
            expect(result).toBe(n + 1)
          }
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // Errors of order
    // -----------------------------------------------------------------------------------------------------------------

    it("CTX-4 a first word said twice is a defect on both sides", () =>
      play((player) =>
        Effect.gen(function* () {
          const ended = yield* ending(
            player.client
              .Play([
                { do: "accept", value: 1 },
                { do: "accept", value: 2 }
              ])
              .pipe(Dialog.use((talk) => talk.result))
          )
          expect(ended).toMatch(/^defect ContractBroken.*accept twice/)
        })
      ))

    it("CTX-5 before the first word there is nothing to send with", () => {
      const handler: Actor.HandlersFrom<Ops>["Play"] = (_, dialog) => {
        // @ts-expect-error: `send` comes with what `accept` gives.
        expect(dialog.send).toBeUndefined()
        // @ts-expect-error: and so do the messages.
        expect(dialog.messages).toBeUndefined()
        return Effect.as(dialog.accept(1), 1)
      }
      const options = {} as Actor.HandlerOptions<typeof Play>
      return Effect.sync(() => {
        void handler([], { accept: () => Effect.never }, options)
      })
    })

    it("CTX-31 D8 a handler that returns without a first word breaks the contract, on both sides", () =>
      play((player) =>
        Effect.gen(function* () {
          const open = player.client.Play([{ do: "return", value: 7 }])
          for (const form of [opened(open), Effect.scoped(open)]) {
            expect(yield* ending(form)).toMatch(/^defect ContractBroken.*without having called/)
          }
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    it("CTX-34 an operation that the callee does not have is Unimplemented", () =>
      Nursery.run(
        Effect.gen(function* () {
          const Missing = Dialog.make("Missing", { started: Schema.Int })
          class Newer extends Actor.make("Player", [
            Missing,
            Rpc.make("Echo", { payload: Schema.Int, success: Schema.Int })
          ]) {}
          const newer = yield* Nursery.spawn(Newer, { ...main })
          const open = newer.client.Missing()
          for (const form of [opened(open), Effect.scoped(open)]) {
            expect(yield* ending(form)).toBe("Unimplemented via root/Player")
          }
          expect(yield* newer.client.Echo(5)).toBe(5)
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // Cancelled by the caller
    // -----------------------------------------------------------------------------------------------------------------

    it("CTX-2 cancelling a callee that waits for ever: its finalizer has run, the block ends clean", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const value = yield* player.client
            .Play([
              { do: "acquire", release: [{ do: "note", file: observer.file, text: "released" }] },
              ...blocked
            ])
            .pipe(
              Dialog.use(
                Effect.fnUntraced(function* (talk) {
                  yield* talk.cancel
                  expect(observer.lines()).toEqual(["released"])
                  expect(yield* Stream.runCollect(talk.messages)).toEqual([])
                  expect(account(yield* talk.exit)).toBe(byMe())
                  return "mine"
                })
              )
            )
          expect(value).toBe("mine")
        })
      ))

    it("CTX-3 what surfaces is the body's own end, however the callee and the messages stand", () =>
      play((player) =>
        Effect.gen(function* () {
          const ends: ReadonlyArray<readonly [Effect.Effect<never, Local>, RegExp]> = [
            [Effect.fail(local), /^error Local$|^error Local:/],
            [Effect.die(new Error("a bug")), /^defect Error: a bug$/],
            [Effect.interrupt, /^interrupt$/]
          ]
          for (const [end, expected] of ends) {
            for (const callee of ["returns", "cancelled"] as const) {
              for (const reads of [true, false]) {
                const script: Script =
                  callee === "returns"
                    ? [
                        { do: "accept", value: 1 },
                        { do: "return", value: 7 }
                      ]
                    : blocked
                const ended = yield* ending(
                  player.client.Play(script).pipe(
                    Dialog.use(
                      Effect.fnUntraced(function* (talk) {
                        if (callee === "returns") yield* talk.result
                        else yield* talk.cancel
                        if (reads) yield* Stream.runDrain(talk.messages)
                        return yield* end
                      })
                    )
                  )
                )
                expect(ended).toMatch(expected)
              }
            }
          }
        })
      ))

    it("CTX-7 D5 cancelling a callee that has returned changes nothing: its value counts", () =>
      play((player) =>
        player.client
          .Play([
            { do: "accept", value: 1 },
            { do: "return", value: 7 }
          ])
          .pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                yield* talk.exit
                yield* talk.cancel
                expect(yield* talk.result).toBe(7)
                expect(yield* talk.exit).toEqual(Exit.succeed(7))
              })
            )
          )
      ))

    it("CTX-8 CTX-9 D5 after cancel, result fails with Cancelled by this actor; exit has the same error, also after the block", () =>
      play((player) =>
        Effect.gen(function* () {
          const [talk, error] = yield* player.client.Play(blocked).pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                yield* talk.cancel
                const error = yield* Effect.flip(talk.result)
                assert(error instanceof PortalError && error.reason._tag === "Cancelled")
                expect(error.reason.by.path).toBe("root")
                return [talk, error] as const
              })
            )
          )
          expect(yield* Effect.flip(talk.result)).toBe(error)
          const exit = yield* talk.exit
          assert(Exit.isFailure(exit))
          expect(
            exit.cause.reasons.map((reason) => Cause.isFailReason(reason) && reason.error)
          ).toEqual([error])
        })
      ))

    it("D5 a body that fails with the Cancelled it asked for fails the block with it: nothing is absorbed", () =>
      play((player) =>
        Effect.gen(function* () {
          const ended = yield* ending(
            player.client
              .Play(blocked)
              .pipe(Dialog.use((talk) => Effect.andThen(talk.cancel, talk.result)))
          )
          expect(ended).toBe(byMe())
        })
      ))

    it("CTX-15 cancelling before any message was taken: messages end, and the portal stays connected", () =>
      play((player) =>
        Effect.gen(function* () {
          yield* player.client.Play([{ do: "accept", value: 1 }, { do: "echo" }]).pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                yield* talk.cancel
                expect(yield* Stream.runCollect(talk.messages)).toEqual([])
                expect(account(yield* talk.exit)).toBe(byMe())
              })
            )
          )
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    it("CTX-16 the same before and after one's own end, with and without items under way or taken", () =>
      play((player) =>
        Effect.gen(function* () {
          for (const ends of [true, false]) {
            for (const sends of [true, false]) {
              for (const takes of [true, false]) {
                const script: Script = [
                  { do: "accept", value: 1 },
                  { do: "send", count: sends ? 3 : 0 },
                  { do: "never" }
                ]
                yield* player.client.Play(script).pipe(
                  Dialog.use(
                    Effect.fnUntraced(function* (talk) {
                      if (sends && takes) {
                        expect(yield* Stream.runCollect(Stream.take(talk.messages, 1))).toEqual([0])
                      }
                      if (ends) yield* talk.end
                      yield* talk.cancel
                      expect(yield* Stream.runCollect(talk.messages)).toEqual([])
                      expect(account(yield* talk.exit)).toBe(byMe())
                      const error = yield* Effect.flip(talk.result)
                      expect(yield* Effect.flip(talk.result)).toBe(error)
                    })
                  )
                )
              }
            }
          }
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    it("CTX-17 result waits for as long as nobody cancels", () =>
      play((player) =>
        player.client.Play(blocked).pipe(
          Dialog.use(
            Effect.fnUntraced(function* (talk) {
              const waiting = yield* Effect.forkChild(ending(talk.result), {
                startImmediately: true
              })
              yield* roundTrip(player)
              yield* elapse("1 hour")
              expect(waiting.pollUnsafe()).toBeUndefined()
              yield* talk.cancel
              expect(yield* Fiber.join(waiting)).toBe(byMe())
            })
          )
        )
      ))

    it("CTX-18 after the end there is nothing to take, and sending fails with what ended it", () =>
      play((player) =>
        Effect.gen(function* () {
          const talk = yield* player.client
            .Play([{ do: "accept", value: 1 }, { do: "send", count: 2 }, { do: "never" }])
            .pipe(Dialog.use((talk) => Effect.as(talk.cancel, talk)))
          expect(yield* Stream.runCollect(talk.messages)).toEqual([])
          expect(yield* ending(talk.send(1))).toBe(byMe())
          yield* talk.end
          yield* talk.cancel
        })
      ))

    it("CTX-19 cancelled by one fiber while another takes messages: they end, and the block is clean", () =>
      play((player) =>
        Effect.gen(function* () {
          yield* player.client
            .Play([{ do: "accept", value: 1 }, { do: "send", count: 2 }, { do: "never" }])
            .pipe(
              Dialog.use(
                Effect.fnUntraced(function* (talk) {
                  const taking = yield* Effect.forkChild(Stream.runCollect(talk.messages), {
                    startImmediately: true
                  })
                  yield* roundTrip(player)
                  yield* talk.cancel
                  expect(yield* Fiber.join(taking)).toEqual([0, 1])
                })
              )
            )
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    it("CTX-22 a fiber that waits in its block is let go by a cancel from elsewhere", () =>
      play((player) =>
        Effect.gen(function* () {
          let talk: Talk | undefined
          const opener = yield* Effect.forkChild(
            player.client.Play(blocked).pipe(
              Dialog.use((opened) => {
                talk = opened
                return ending(opened.result)
              })
            ),
            { startImmediately: true }
          )
          yield* Observer.until(
            world,
            () => talk !== undefined,
            () => "an open dialog"
          )
          yield* talk!.cancel
          expect(yield* Fiber.join(opener)).toBe(byMe())
        })
      ))

    it("CTX-27 D5 a callee that answers the cancel with an error of its own: that error", () =>
      play((player) =>
        Effect.gen(function* () {
          const script: Script = [
            {
              do: "ensuring",
              script: blocked,
              last: [{ do: "fail", why: "no" }]
            }
          ]
          const inside = yield* player.client.Play(script).pipe(
            Dialog.use((talk) => Effect.andThen(talk.cancel, ending(talk.result))),
            ending
          )
          expect(inside).toMatch(/^error Refused/)
          const body = yield* player.client.Play(script).pipe(
            Dialog.use((talk) => Effect.andThen(talk.cancel, talk.result)),
            ending
          )
          // The body failed with what the callee failed with: one event.
          expect(body).toMatch(/^error Refused[^,]*$/)
        })
      ))

    it("CTX-29 D5 a value although the cancel was seen is Cancelled, and dropped", () =>
      play((player) =>
        Effect.gen(function* () {
          const stubborn: Script = [
            { do: "accept", value: 1 },
            { do: "untilCancelled" },
            { do: "return", value: 7 }
          ]
          const value = yield* player.client.PlayFirm(stubborn).pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                yield* talk.cancel
                expect(yield* ending(talk.result)).toBe(byMe())
                return "mine"
              })
            )
          )
          expect(value).toBe("mine")
        })
      ))

    it("CTX-30 D1 cancel returns when the bound has passed, and says so; the block waits for the callee", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const notes: Array<Events.Event> = []
          yield* Effect.forkChild(
            Stream.runForEach(Events.stream, (event) =>
              Effect.sync(() => void (event._tag === "NotJoined" && notes.push(event)))
            ),
            { startImmediately: true }
          )
          const block = yield* Effect.forkChild(
            player.client
              .Play([
                { do: "accept", value: 1 },
                {
                  do: "firmly",
                  script: [
                    { do: "sleep", millis: 3000 },
                    { do: "note", file: observer.file, text: "awake" }
                  ]
                }
              ])
              .pipe(
                Dialog.use(
                  Effect.fnUntraced(function* (talk) {
                    yield* Effect.provideService(talk.cancel, Deadline.JoinBound, "500 millis")
                    // The end as its caller meets it is known, and says that it was not joined.
                    const exit = yield* talk.exit
                    expect(account(exit)).toBe("Cancelled by root")
                    assert(Exit.isFailure(exit))
                    expect(exit.cause.reasons.map(notJoined)).toMatchObject([{ operation: "Play" }])
                    return observer.lines()
                  })
                )
              ),
            { startImmediately: true }
          )
          yield* roundTrip(player)
          yield* elapse("500 millis")
          yield* Observer.until(
            world,
            () => notes.length > 0,
            () => "an event"
          )
          expect(notes).toMatchObject([
            { actor: player.actor, operation: "Play", fiber: expect.any(Number) }
          ])
          expect(observer.lines()).toEqual([])
          expect(block.pollUnsafe()).toBeUndefined()
          yield* elapse("2500 millis")
          expect(yield* Fiber.join(block)).toEqual([])
          expect(observer.lines()).toEqual(["awake"])
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // Cancelled by somebody else
    // -----------------------------------------------------------------------------------------------------------------

    it("CTX-10 stopping an actor whose handler has returned: the result is kept", () =>
      play((player) =>
        player.client
          .Play([
            { do: "accept", value: 1 },
            { do: "return", value: 7 }
          ])
          .pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                yield* talk.exit
                yield* player.stop
                expect(yield* talk.result).toBe(7)
              })
            )
          )
      ))

    it("CTX-11 D5 stopping an actor whose handler runs: result and block fail with Cancelled by who asked", () =>
      play((player) =>
        Effect.gen(function* () {
          const inside: Array<string> = []
          const block = yield* ending(
            player.client.Play(blocked).pipe(
              Dialog.use(
                Effect.fnUntraced(function* (talk) {
                  yield* Effect.forkChild(player.stop)
                  const exit = yield* talk.exit
                  inside.push(account(exit))
                  return yield* exit
                })
              )
            )
          )
          expect(block).toMatch(/^Cancelled by root\b/)
          for (const seen of inside) expect(seen).toMatch(/^Cancelled by root\b/)
        })
      ))

    it("CTX-23 a fiber that waits in its block when the actor is stopped fails with Cancelled by who asked", () =>
      play((player) =>
        Effect.gen(function* () {
          let open = false
          const opener = yield* Effect.forkChild(
            ending(
              player.client.Play(blocked).pipe(
                Dialog.use((talk) => {
                  open = true
                  return talk.result
                })
              )
            ),
            { startImmediately: true }
          )
          yield* Observer.until(
            world,
            () => open,
            () => "an open dialog"
          )
          yield* player.stop
          expect(yield* Fiber.join(opener)).toMatch(/^Cancelled by root\b/)
        })
      ))

    it("D5 a stop that was relayed names who asked, and its hops who relayed it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(
            ending(
              player.client.Run([
                {
                  do: "childTalk",
                  script: [{ do: "accept", value: 1 }, { do: "never" }],
                  file: observer.file
                }
              ])
            ),
            { startImmediately: true }
          )
          yield* observer.until("talking")
          yield* player.stop
          expect(yield* Fiber.join(call)).toMatch(/^Cancelled by root\b/)
          expect(observer.lines()[1]).toMatch(/^Cancelled by root via .*root\/Player\/Player$/)
        })
      ))

    it("CTX-20 D5 a handler that interrupts itself is Cancelled by the callee, before the first word and after", () =>
      play((player) =>
        Effect.gen(function* () {
          const itself = "Cancelled by root/Player via root/Player"
          const before = player.client.Play([{ do: "interrupt" }])
          expect(yield* ending(opened(before))).toBe(itself)
          expect(yield* ending(Effect.scoped(before))).toBe(itself)
          const after = player.client.Play([{ do: "accept", value: 1 }, { do: "interrupt" }])
          expect(yield* ending(Dialog.use((talk: Talk) => talk.result)(after))).toBe(itself)
          expect(yield* ending(opened(after))).toBe(itself)
          expect(yield* ending(player.client.Run([{ do: "interrupt" }]))).toBe(itself)
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // Failures
    // -----------------------------------------------------------------------------------------------------------------

    it("CTX-24 D3 a callee that fails interrupts the body at once, wherever it waits", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const failing: Script = [
            { do: "accept", value: 1 },
            { do: "fail", why: "broken" }
          ]
          const ways: ReadonlyArray<(talk: Talk) => Effect.Effect<unknown, unknown>> = [
            () => Effect.never,
            (talk) => talk.result,
            (talk) => Stream.runDrain(talk.messages),
            (talk) => Effect.forever(talk.send(1)),
            // Nobody absorbs it by catching it.
            (talk) => Effect.andThen(Effect.exit(talk.result), Effect.never)
          ]
          for (const way of ways) {
            const ended = yield* ending(
              player.client.Play(failing).pipe(
                Dialog.use((talk) =>
                  Effect.ensuring(
                    way(talk),
                    Effect.sync(() => void observer.lines())
                  )
                )
              )
            )
            expect(ended).toMatch(/^error Refused[^,]* via root\/Player$/)
          }
          const defect = yield* ending(
            player.client
              .Play([
                { do: "accept", value: 1 },
                { do: "die", why: "a bug" }
              ])
              .pipe(Dialog.use(() => Effect.never))
          )
          expect(defect).toMatch(/^defect Error: a bug via root\/Player$/)
        })
      ))

    it("CTX-25 a callee that fails before its first word, and cancels a dialog of its own on the way out: the first error", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const open = player.client.Play([
            {
              do: "holdChild",
              script: [
                {
                  do: "acquire",
                  release: [
                    { do: "sleep", millis: 50 },
                    { do: "note", file: observer.file, text: "joined" }
                  ]
                },
                ...blocked
              ]
            },
            { do: "fail", why: "the first" }
          ])
          const opener = yield* Effect.forkChild(ending(opened(open)), {
            startImmediately: true
          })
          yield* elapse("1 second")
          expect(yield* Fiber.join(opener)).toMatch(/^error Refused[^,]*$/)
          expect(observer.lines()).toEqual(["joined"])
        })
      ))

    it("D4 if both ends fail, both are kept: the local reasons first", () =>
      play((player) =>
        Effect.gen(function* () {
          const ended = yield* ending(
            player.client
              .Play([
                {
                  do: "acquire",
                  release: [{ do: "die", why: "theirs" }]
                },
                ...blocked
              ])
              .pipe(Dialog.use(() => Effect.fail(local)))
          )
          expect(ended).toMatch(/^error Local[^,]*, defect Error: theirs via root\/Player$/)
          const interrupted = yield* Effect.forkChild(
            player.client
              .Play([{ do: "ensuring", script: blocked, last: [{ do: "fail", why: "theirs" }] }])
              .pipe(Dialog.use(() => Effect.never)),
            { startImmediately: true }
          )
          yield* roundTrip(player)
          yield* Fiber.interrupt(interrupted)
          expect(account(yield* Fiber.await(interrupted))).toMatch(
            /^interrupt, error Refused[^,]* via root\/Player$/
          )
        })
      ))

    it("CTX-32 S6 a callee that dies hard ends every wait on it, typed, with its exit", () =>
      Effect.gen(function* () {
        const waits: Array<string> = []
        const errors: Array<unknown> = []
        const note = <A, E, R>(what: string, wait: Effect.Effect<A, E, R>) =>
          Effect.onExit(wait, (exit) =>
            Effect.sync(() => {
              waits.push(`${what}: ${account(exit)}`)
              if (Exit.isFailure(exit)) errors.push(Cause.squash(exit.cause))
            })
          )
        const ended = yield* ending(
          Nursery.run(
            Effect.gen(function* () {
              const player = yield* Nursery.spawn(Player, { ...main })
              const { client } = player
              const scope = yield* Scope.make()
              const talk = yield* Scope.provide(client.Play(blocked), scope)
              const full = yield* Scope.provide(client.Play(blocked), scope)
              for (let n = 0; n < 64; n++) yield* full.send(n)
              yield* Effect.forkChild(
                Effect.all(
                  [
                    note("call", client.Run([{ do: "never" }])),
                    note("started", Effect.scoped(client.Play([{ do: "never" }]))),
                    note("result", talk.result),
                    note("messages", Stream.runDrain(talk.messages)),
                    note("send", full.send(64)),
                    note("stream", Stream.runDrain(client.Emit([{ do: "never" }])))
                  ].map((wait) => Effect.exit(wait)),
                  { concurrency: "unbounded" }
                ),
                { startImmediately: true }
              )
              yield* roundTrip(player)
              yield* world.crash(player)
              return yield* Effect.never
            })
          )
        )
        expect(ended).toMatch(/^error ActorCrashed.*SIGKILL/)
        expect(waits.toSorted()).toEqual(
          ["call", "messages", "result", "send", "started", "stream"].map(
            (what) => `${what}: Disconnected`
          )
        )
        for (const error of errors) {
          assert(error instanceof PortalError && error.reason._tag === "Disconnected")
          expect(error.reason.crash).toEqual({ signal: "SIGKILL" })
        }
      }))

    // -----------------------------------------------------------------------------------------------------------------
    // In a scope
    // -----------------------------------------------------------------------------------------------------------------

    it("D2 in a scope a dialog waits for no result: leaving it cancels and joins", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const released: Script = [
            { do: "acquire", release: [{ do: "note", file: observer.file, text: "released" }] },
            ...blocked
          ]
          const talk = yield* Effect.scoped(player.client.Play(released))
          expect(observer.lines()).toEqual(["released"])
          expect(account(yield* talk.exit)).toBe(byMe())
        })
      ))

    it("D2 in a scope a remote failure is met by the next word, and by no other way", () =>
      play((player) =>
        Effect.gen(function* () {
          const ended = yield* ending(
            Effect.scoped(
              Effect.gen(function* () {
                const talk = yield* player.client.Play([
                  { do: "accept", value: 1 },
                  { do: "fail", why: "broken" }
                ])
                yield* talk.exit
                for (const word of [talk.send(1), Stream.runDrain(talk.messages), talk.result]) {
                  expect(yield* ending<unknown, unknown, never>(word)).toMatch(/^error Refused/)
                }
                return "met"
              })
            )
          )
          expect(ended).toBe("value met")
        })
      ))

    it("D2 in a scope what the callee fails with as it is left is a defect of the scope", () =>
      play((player) =>
        Effect.gen(function* () {
          const ended = yield* ending(
            Effect.scoped(
              player.client.Play([
                { do: "acquire", release: [{ do: "die", why: "theirs" }] },
                ...blocked
              ])
            )
          )
          expect(ended).toMatch(/defect Error: theirs/)
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // D11
    // -----------------------------------------------------------------------------------------------------------------

    it("D11 after the end of one side the other goes on, and the result stays open", () =>
      play((player) =>
        player.client
          .Play([
            { do: "accept", value: 1 },
            { do: "send", count: 2 },
            { do: "end" },
            { do: "end" },
            { do: "drain" }
          ])
          .pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                expect(yield* Stream.runCollect(talk.messages)).toEqual([0, 1])
                yield* talk.send(1)
                yield* talk.send(2)
                expect(yield* Stream.runCollect(talk.messages)).toEqual([])
                yield* talk.end
                yield* talk.end
                expect(yield* ending(talk.send(3))).toBe("Ended")
                expect(yield* talk.result).toBe(2)
                expect(yield* ending(talk.send(3))).toBe("Ended")
              })
            )
          )
      ))

    it("CTX-13 CTX-14 a callee that ends its side at once: nothing comes, again and again; a message to it is no error", () =>
      play((player) =>
        Effect.gen(function* () {
          for (const sends of [false, true]) {
            yield* player.client
              .Play([{ do: "accept", value: 1 }, { do: "end" }, { do: "untilCancelled" }])
              .pipe(
                Dialog.use(
                  Effect.fnUntraced(function* (talk) {
                    if (sends) yield* talk.send(1)
                    expect(yield* Stream.runCollect(talk.messages)).toEqual([])
                    expect(yield* Stream.runCollect(talk.messages)).toEqual([])
                    yield* talk.end
                    expect(yield* ending(talk.send(2))).toBe("Ended")
                    yield* talk.cancel
                  })
                )
              )
          }
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // The annotations of a Cancelled that was not joined
    // -----------------------------------------------------------------------------------------------------------------

    it("D1 a block that is interrupted, and gives the join up, has NotJoined in its Interrupt", () =>
      play((player) =>
        Effect.gen(function* () {
          const block = yield* Effect.forkChild(
            player.client
              .Play([
                { do: "accept", value: 1 },
                { do: "firmly", script: [{ do: "sleep", millis: 3000 }] }
              ])
              .pipe(
                Dialog.use(() => Effect.never),
                Effect.provideService(Deadline.JoinBound, "200 millis")
              ),
            { startImmediately: true }
          )
          yield* roundTrip(player)
          block.interruptUnsafe()
          yield* elapse("200 millis")
          const exit = yield* Fiber.await(block)
          assert(Exit.isFailure(exit))
          const notes = exit.cause.reasons.flatMap((reason) => {
            assert(Cause.isInterruptReason(reason))
            return notJoined(reason) ?? []
          })
          expect(notes).toMatchObject([{ actor: player.actor, operation: "Play" }])
          // Nothing of it is left when the block ends.
          yield* elapse("3 seconds")
        })
      ))
  })
}
