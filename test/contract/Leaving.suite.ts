/**
 * Leaving early: a cancel is a join, its bound says so when it has passed, time left travels, and no failure of a callee
 * that was left is lost.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Ref from "effect/Ref"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Dialog from "furrow/Dialog"
import * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import { Reasons } from "furrow/protocol"
import { Above, account, perform, Player, Sent } from "./fixtures/Player.ts"
import type { Script } from "./fixtures/Player.ts"
import * as Observer from "./Observer.ts"
import type { World } from "./World.ts"

type Ops = Actor.OperationsOf<typeof Player>

const ending = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<string, never, R> =>
  Effect.map(Effect.exit(effect), account)

export default (world: World): void => {
  const { can, crash, elapse, it, main, name } = world

  /** A block with one player and an observer. */
  const play = <A, E, R>(
    body: (player: Actor.Portal<Ops>, observer: Observer.Observer) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(Observer.make(world), (observer) =>
      Nursery.run(
        Effect.flatMap(Nursery.spawn(Player, { ...main }), (player) => body(player, observer))
      )
    )

  /** The events of one kind from now on, as they come. */
  const watch = (tag: Events.Event["_tag"]) =>
    Effect.gen(function* () {
      const seen: Array<Events.Event> = []
      yield* Effect.forkChild(
        Stream.runForEach(Events.stream, (event) =>
          Effect.sync(() => {
            if (event._tag === tag) seen.push(event)
          })
        ),
        { startImmediately: true }
      )
      return seen
    })

  /** Says that it runs, and then for ever does not end; takes its time to let go, and says so. */
  const holding = (observer: Observer.Observer, millis: number): Script => [
    {
      do: "acquire",
      release: [
        { do: "sleep", millis },
        { do: "note", file: observer.file, text: "released" }
      ]
    },
    { do: "note", file: observer.file, text: "runs" },
    { do: "never" }
  ]

  describe(`${name}: leaving`, () => {
    // -----------------------------------------------------------------------------------------------------------------
    // The join
    // -----------------------------------------------------------------------------------------------------------------

    it("D1 a timeout around a call, a stream or a dialog returns late by as much as the finalizers take", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const ways: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            player.client.Run(holding(observer, 400)),
            Stream.runDrain(
              player.client.Emit([{ do: "ensuring", script: holding(observer, 400), last: [] }])
            ),
            player.client
              .Play([{ do: "accept", value: 1 }, ...holding(observer, 400)])
              .pipe(Dialog.use(() => Effect.never))
          ]
          for (const [index, way] of ways.entries()) {
            const call = yield* Effect.forkChild(
              Effect.flip(way.pipe(Effect.timeout("300 millis"))),
              { startImmediately: true }
            )
            yield* Observer.until(
              world,
              () => observer.lines().filter((line) => line === "runs").length === index + 1,
              () => "a handler that runs"
            )
            yield* elapse("300 millis")
            yield* elapse("399 millis")
            if (can.time) expect(call.pollUnsafe()).toBeUndefined()
            yield* elapse("1 millis")
            expect(yield* Fiber.join(call)).toBeInstanceOf(Cause.TimeoutError)
            expect(observer.lines().filter((line) => line === "released")).toHaveLength(index + 1)
          }
        })
      ))

    it("D1 a stream that is left by its consumer has ended when the consumer goes on", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const taking = yield* Effect.forkChild(
            Stream.runCollect(
              Stream.take(
                player.client.Numbers({
                  count: 1_000_000,
                  last: [
                    { do: "sleep", millis: 200 },
                    { do: "note", file: observer.file, text: "released" }
                  ]
                }),
                3
              )
            ),
            { startImmediately: true }
          )
          yield* elapse("200 millis")
          expect(yield* Fiber.join(taking)).toEqual([0, 1, 2])
          expect(observer.lines()).toEqual(["released"])
        })
      ))

    it("D1 when the bound has passed the caller goes on, and annotation, event and warning name what was left", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const events = yield* watch("NotJoined")
          const warnings: Array<string> = []
          const logger = Logger.make(({ message }) => void warnings.push(String(message)))
          // The default is 5 seconds; where time passes by itself it is made shorter.
          const bound = can.time ? undefined : "200 millis"
          const call = yield* Effect.forkChild(
            player.client
              .Run([
                { do: "note", file: observer.file, text: "runs" },
                { do: "firmly", script: [{ do: "sleep", millis: can.time ? 8000 : 1500 }] }
              ])
              .pipe(
                Effect.provideService(Deadline.JoinBound, bound),
                Effect.provide(Logger.layer([logger]))
              ),
            { startImmediately: true }
          )
          yield* observer.until("runs")
          call.interruptUnsafe()
          yield* elapse("4999 millis")
          if (can.time) expect(call.pollUnsafe()).toBeUndefined()
          yield* elapse("1 millis")
          const exit = yield* Fiber.await(call)
          assert(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
          const notes = exit.cause.reasons.flatMap(
            (reason) => Cause.reasonAnnotations(reason).mapUnsafe.get(Reasons.NotJoined.key) ?? []
          )
          expect(notes).toMatchObject([{ actor: player.actor, operation: "Run" }])
          if (can.time) expect(notes).toMatchObject([{ waited: 5000 }])
          yield* Observer.until(
            world,
            () => events.length > 0,
            () => "an event"
          )
          expect(events).toMatchObject([
            { actor: player.actor, operation: "Run", fiber: expect.any(Number) }
          ])
          expect(warnings).toHaveLength(1)
          expect(warnings[0]).toMatch(/Run of "root\/Player".*fiber #\d+/)
          yield* elapse("5 seconds")
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    it("D1 nothing interrupts a handler that must not be: its caller waits for it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(
            player.client.RunFirm([
              { do: "note", file: observer.file, text: "runs" },
              { do: "sleep", millis: 300 },
              { do: "note", file: observer.file, text: "done" },
              { do: "return", value: 7 }
            ]),
            { startImmediately: true }
          )
          yield* observer.until("runs")
          call.interruptUnsafe()
          yield* elapse("300 millis")
          // A value although the cancel was seen is no answer any more.
          expect(account(yield* Fiber.await(call))).toBe("interrupt")
          expect(observer.lines()).toEqual(["runs", "done"])
        })
      ))

    it("D1 an answer that comes later is waited for, and can be left", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const later = (...script: Script) =>
            Effect.forkChild(
              ending(player.client.RunLater([{ do: "sleep", millis: 50 }, ...script])),
              {
                startImmediately: true
              }
            )
          const value = yield* later({ do: "return", value: 7 })
          const failure = yield* later({ do: "fail", why: "no" })
          const defect = yield* later({ do: "die", why: "a bug" })
          yield* elapse("50 millis")
          expect(yield* Fiber.join(value)).toBe("value 7")
          expect(yield* Fiber.join(failure)).toMatch(/^error Refused/)
          expect(yield* Fiber.join(defect)).toMatch(/^defect Error: a bug/)

          const call = yield* Effect.forkChild(
            player.client.RunLater([
              { do: "note", file: observer.file, text: "runs" },
              { do: "never" }
            ]),
            { startImmediately: true }
          )
          yield* observer.until("runs")
          yield* Fiber.interrupt(call)
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // What the callee fails with on the way out
    // -----------------------------------------------------------------------------------------------------------------

    it("D5 finalizers that fail: Interrupt and their reasons; where those are dropped, an event and a warning", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const dying: Script = [
            { do: "acquire", release: [{ do: "die", why: "theirs" }] },
            { do: "note", file: observer.file, text: "runs" },
            { do: "never" }
          ]
          const call = yield* Effect.forkChild(player.client.Run(dying), { startImmediately: true })
          yield* observer.until("runs")
          yield* Fiber.interrupt(call)
          expect(account(yield* Fiber.await(call))).toBe(
            "interrupt, defect Error: theirs via root/Player"
          )

          const events = yield* watch("FailedWhileEnding")
          const warnings: Array<unknown> = []
          const logger = Logger.make(({ message }) => void warnings.push(message))
          const timed = yield* Effect.forkChild(
            Effect.flip(
              player.client
                .Run(dying)
                .pipe(Effect.timeout("100 millis"), Effect.provide(Logger.layer([logger])))
            ),
            { startImmediately: true }
          )
          yield* Observer.until(
            world,
            () => observer.lines().length === 2,
            () => "a handler"
          )
          yield* elapse("100 millis")
          expect(yield* Fiber.join(timed)).toBeInstanceOf(Cause.TimeoutError)
          yield* Observer.until(
            world,
            () => events.length > 0,
            () => "an event"
          )
          expect(events).toMatchObject([{ actor: player.actor, operation: "Run" }])
          expect(warnings).toHaveLength(1)
        })
      ))

    it("D16 a release that dies reaches the caller, beside the handler's own error", () =>
      play((player) =>
        Effect.gen(function* () {
          const dying: Script = [{ do: "acquire", release: [{ do: "die", why: "release" }] }]
          expect(yield* ending(player.client.Run([...dying, { do: "return", value: 1 }]))).toMatch(
            /^defect Error: release via root\/Player$/
          )
          expect(yield* ending(player.client.Run([...dying, { do: "fail", why: "no" }]))).toMatch(
            /^error Refused[^,]*, defect Error: release via root\/Player$/
          )
          expect(
            yield* ending(
              player.client
                .Play([...dying, { do: "accept", value: 1 }, { do: "return", value: 1 }])
                .pipe(Dialog.use((talk) => talk.result))
            )
          ).toMatch(/^defect Error: release via root\/Player$/)
        })
      ))

    it("RPC-6 a failure whose caller has gone is told of where it happened, and that actor lives on", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const events = yield* watch("FailedWhileEnding")
        const Served = Above.toLayer({
          Ask: (script) => perform(script, stage),
          Add: (n) => Effect.succeed(n + 1)
        })
        yield* Nursery.run(
          Effect.gen(function* () {
            const other = yield* Nursery.spawn(Player, { ...main, serve: Above })
            const asking = Nursery.run(
              Effect.gen(function* () {
                const player = yield* Nursery.spawn(Player, { ...main, serve: Above, name: "Gone" })
                const asked = player.client.Run([
                  {
                    do: "parent",
                    script: [
                      { do: "acquire", release: [{ do: "die", why: "unheard" }] },
                      { do: "note", file: observer.file, text: "runs" },
                      { do: "never" }
                    ]
                  }
                ])
                yield* Effect.forkChild(Effect.exit(asked), { startImmediately: true })
                yield* observer.until("runs")
                yield* crash(player)
                return yield* Effect.never
              })
            )
            expect(yield* ending(asking)).toMatch(/^error ActorCrashed/)
            yield* Observer.until(
              world,
              () => events.length > 0,
              () => "an event"
            )
            expect(events).toMatchObject([{ actor: { path: "root" }, operation: "Ask" }])
            expect(
              yield* other.client.Run([{ do: "parent", script: [{ do: "return", value: 5 }] }])
            ).toBe(5)
          })
        ).pipe(Effect.provide(Served))
      }))

    // -----------------------------------------------------------------------------------------------------------------
    // Callers that are gone
    // -----------------------------------------------------------------------------------------------------------------

    world
      .needing("orphans")
      .it(
        "RPC-13 D7 below an actor that was killed everything is cancelled, by who was left without a caller",
        () =>
          Effect.gen(function* () {
            const observer = yield* Observer.make(world)
            const ended = yield* ending(
              Nursery.run(
                Effect.gen(function* () {
                  const player = yield* Nursery.spawn(Player, { ...main })
                  yield* Effect.forkChild(
                    Effect.exit(
                      player.client.Run([
                        {
                          do: "child",
                          script: [
                            {
                              do: "acquire",
                              release: [{ do: "note", file: observer.file, text: "released" }]
                            },
                            {
                              do: "childTalk",
                              script: [{ do: "accept", value: 1 }, { do: "never" }],
                              file: observer.file
                            }
                          ]
                        }
                      ])
                    ),
                    { startImmediately: true }
                  )
                  yield* observer.until("talking")
                  yield* crash(player)
                  return yield* Effect.never
                })
              )
            )
            expect(ended).toMatch(/^error ActorCrashed/)
            yield* observer.until("released")
            expect(observer.lines()[1]).toMatch(/^Cancelled by root\/Player\/Player via /)
          })
      )

    // -----------------------------------------------------------------------------------------------------------------
    // Deadlines
    // -----------------------------------------------------------------------------------------------------------------

    it("D12 the time left goes along with every call, hop by hop, and each hop ends when it has passed", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(
            ending(
              player.client
                .Run([
                  { do: "sleep", millis: 100 },
                  {
                    do: "firmly",
                    script: [
                      {
                        do: "child",
                        script: [
                          {
                            do: "acquire",
                            release: [{ do: "note", file: observer.file, text: "released" }]
                          },
                          { do: "never" }
                        ],
                        file: observer.file
                      }
                    ]
                  }
                ])
                .pipe(Deadline.within(can.time ? "500 millis" : "3 seconds"))
            ),
            { startImmediately: true }
          )
          yield* elapse("100 millis")
          yield* elapse("399 millis")
          if (can.time) expect(call.pollUnsafe()).toBeUndefined()
          yield* elapse("1 millis")
          expect(yield* Fiber.join(call)).toMatch(/^(DeadlineExceeded|defect PortalError.*time)/)
          // The call in the middle cannot be interrupted, and ended by its own share of the time.
          expect(observer.lines()[0]).toBe("released")
          expect(observer.lines()[1]).toMatch(/^defect PortalError.*Deadline.within/)
        })
      ))

    it("D12 a block, a scope and a stream meet the end of their time, wherever they are", () =>
      play((player) =>
        Effect.gen(function* () {
          const blocked: Script = [{ do: "accept", value: 1 }, { do: "never" }]
          const ways: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            player.client.Play(blocked).pipe(Dialog.use(() => Effect.never)),
            player.client.Play(blocked).pipe(Dialog.use(() => Effect.void)),
            player.client.Play([{ do: "never" }]).pipe(Dialog.use(() => Effect.never)),
            Effect.scoped(Effect.flatMap(player.client.Play(blocked), (talk) => talk.result)),
            Effect.scoped(
              Effect.flatMap(player.client.Play(blocked), (talk) => Stream.runDrain(talk.messages))
            ),
            Stream.runDrain(player.client.Emit([{ do: "never" }]))
          ]
          const met: Array<string> = []
          for (const way of ways) {
            const ended = yield* Effect.forkChild(ending(way.pipe(Deadline.within("200 millis"))), {
              startImmediately: true
            })
            yield* elapse("200 millis")
            met.push((yield* Fiber.join(ended)).slice(0, 16))
          }
          expect(met).toEqual(ways.map(() => "DeadlineExceeded"))
          expect(yield* player.client.Echo(5)).toBe(5)
        })
      ))

    it("D12 messages that were not taken in time have no good end, also if the callee had said it", () => {
      const time = can.time ? "200 millis" : "2 seconds"
      return play((player) =>
        Effect.gen(function* () {
          const said: Script = [
            { do: "accept", value: 1 },
            { do: "send", count: 3 },
            { do: "end" },
            { do: "never" }
          ]
          const talk = yield* player.client.Play(said)
          expect(yield* Stream.runCollect(Stream.take(talk.messages, 1))).toEqual([0])
          yield* elapse(time)
          yield* Effect.exit(talk.result)
          expect(yield* ending(Stream.runCollect(talk.messages))).toMatch(/^DeadlineExceeded/)
        }).pipe(Effect.scoped, Deadline.within(time))
      )
    })

    it("D12 no time left is met before anything is sent, and an inner deadline only shortens", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const note: Script = [{ do: "note", file: observer.file, text: "ran" }]
          expect(yield* ending(player.client.Run(note).pipe(Deadline.within(0)))).toBe(
            "DeadlineExceeded"
          )
          expect(
            yield* ending(
              player.client.Run(note).pipe(Deadline.within("1 hour"), Deadline.within(0))
            )
          ).toBe("DeadlineExceeded")
          expect(observer.lines()).toEqual([])
          expect(yield* player.client.Run(note).pipe(Deadline.within("1 hour"))).toBe(0)
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // Both at once
    // -----------------------------------------------------------------------------------------------------------------

    it("RPC-14 both ends of one connection call each other at once, and in turns", () => {
      const Served = Above.toLayer({
        Ask: (script) => perform(script, stage),
        Add: (n) => Effect.succeed(n + 1)
      })
      return Nursery.run(
        Effect.gen(function* () {
          const player = yield* Nursery.spawn(Player, { ...main, serve: Above })
          const both = yield* Effect.all(
            Array.from({ length: 50 }, (_, n) =>
              n % 2 === 0
                ? player.client.Echo(n)
                : player.client.Run([{ do: "parent", script: [{ do: "return", value: n }] }])
            ),
            { concurrency: "unbounded" }
          )
          expect(both).toEqual([...Array.from({ length: 50 }).keys()])
        })
      ).pipe(Effect.provide(Served))
    })

    it("F17 a contract that differs is an event, a value that does not fit fails its call, and exact is refused", () =>
      Nursery.run(
        Effect.gen(function* () {
          const Other = Rpc.make("Echo", { payload: Schema.Int, success: Schema.String })
          const Missing = Rpc.make("Missing", { success: Schema.Int })
          class Newer extends Actor.make("Player", [Other, Sent, Missing]) {}
          const events = yield* watch("ContractDiffers")
          const newer = yield* Nursery.spawn(Newer, { ...main })
          yield* Observer.until(
            world,
            () => events.length > 0,
            () => "an event"
          )
          expect(events).toMatchObject([
            { actor: "root/Player", differing: [{ operation: "Echo" }], missing: ["Missing"] }
          ])
          expect(yield* ending(newer.client.Echo(5))).toMatch(
            /^defect DecodeError.*success.*Player.Echo/
          )
          expect(yield* ending(newer.client.Missing())).toMatch(/^Unimplemented/)
          expect(yield* newer.client.Sent()).toBe(0)

          const refused = yield* Effect.flip(
            Nursery.spawn(Newer, { ...main, contract: "exact", name: "Exact" })
          )
          expect(refused.reason._tag).toBe("HandshakeRefused")
          expect(refused.message).toMatch(/Echo.*Missing/)
        })
      ))

    it("RPC-8 who an actor is, is what its handshake says: the portal names the life that answers", () =>
      Nursery.run(
        Effect.gen(function* () {
          const [one, other] = [
            yield* Nursery.spawn(Player, { ...main }),
            yield* Nursery.spawn(Player, { ...main })
          ]
          for (const player of [one, other]) {
            expect(yield* player.client.Who()).toMatchObject(player.actor)
          }
          expect(one.actor.incarnation).not.toBe(other.actor.incarnation)
        })
      ))
  })
}

/** The root performs scripts for its children; it has no child or parent of its own to offer. */
const nobody = Effect.die(new Error("the root has nobody to ask"))
const stage = { child: nobody, above: nobody, sent: Ref.makeUnsafe(0) }
