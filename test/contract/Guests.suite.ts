/**
 * Guests: promise code under supervision, in an actor and in the root. Area AIO.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Guest from "furrow/Guest"
import * as Nursery from "furrow/Nursery"
import { Cancelled, PortalError } from "furrow/PortalError"
import { Reasons } from "furrow/protocol"
import * as Waits from "furrow/Waits"
import { behave, echoing, Inn, Unkind, unkind } from "./fixtures/Guests.ts"
import * as Observer from "./Observer.ts"
import { events, only, reasonsOf } from "./Watching.ts"
import type { World } from "./World.ts"

type Portal = Actor.Portal<Actor.OperationsOf<typeof Inn>>

/** Sends numbers from 0 to below `count`, and gives what comes back. */
const echoed = <E, A>(
  talk: {
    readonly send: (n: number) => Effect.Effect<void, E>
    readonly end: Effect.Effect<void>
    readonly messages: Stream.Stream<number, E>
    readonly result: Effect.Effect<A, E>
  },
  count: number
) =>
  Effect.gen(function* () {
    const sending = Effect.forEach(Array.from({ length: count }).keys(), talk.send, {
      discard: true
    })
    const [back] = yield* Effect.all(
      [Stream.runCollect(talk.messages), Effect.andThen(sending, talk.end)],
      { concurrency: "unbounded" }
    )
    return { back, result: yield* talk.result }
  })

export default (world: World): void => {
  const { can, elapse, it, main, name } = world

  /** On a machine that is busy there is to be time enough beside what a guest takes. */
  const grace = can.time ? "3 seconds" : "30 seconds"

  /** A block with one inn and an observer. */
  const inn = <A, E, R>(
    body: (inn: Portal, observer: Observer.Observer) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(Observer.make(world), (observer) =>
      Nursery.run(
        Effect.flatMap(Nursery.spawn(Inn, { ...main, grace }), (inn) => body(inn, observer))
      )
    )

  describe(`guests (${name})`, () => {
    it("AIO-1 a guest in an actor ends when its caller leaves, and before the caller goes on", () =>
      inn(({ client }, { file, lines, until }) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(client.Visit({ manner: "sleeps", file }))
          yield* until("runs")
          yield* Fiber.interrupt(call)
          expect(lines()).toEqual(["runs", "woken"])
          expect(yield* client.Visit({ manner: "returns" })).toBe(7)
        })
      ))

    it("AIO-2 what a guest throws arrives as its class, or as a defect with its fields", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const typed = only(yield* Effect.exit(client.Visit({ manner: "throws" })))
          assert(typed instanceof Unkind)
          expect(typed.why).toBe("a guest")
          const defect = only(yield* Effect.exit(client.Visit({ manner: "breaks" })))
          expect(defect).toMatchObject({ name: "TypeError", message: "a bug", code: 3 })
        })
      ))

    it("AIO-3 an actor that is stopped while a guest sleeps ends as asked, and the guest before it", () =>
      inn((portal, { file, lines, until }) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(
            Effect.exit(portal.client.Visit({ manner: "sleeps", file }))
          )
          yield* until("runs")
          yield* portal.stop
          expect(yield* portal.exit).toMatchObject({ _tag: "Stopped", stage: "asked" })
          expect(lines()).toEqual(["runs", "woken"])
          const cancelled = only(yield* Fiber.join(call))
          assert(cancelled instanceof PortalError)
          assert(cancelled.reason instanceof Cancelled)
        })
      ))

    it("AIO-3 a timeout around the call of a guest ends it, and comes when that has ended", () =>
      inn(({ client }, { file, lines, until }) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(
            Effect.timeoutOption(client.Visit({ manner: "sleeps", file }), "1 second")
          )
          yield* until("runs")
          yield* elapse("1 second")
          expect((yield* Fiber.join(call))._tag).toBe("None")
          expect(lines()).toEqual(["runs", "woken"])
        })
      ))

    it("AIO-4 a dialog whose guest waits is cancelled by its caller, which absorbs it", () =>
      inn(({ client }, { file, lines, until }) =>
        Effect.gen(function* () {
          const sit = client.Sit({ manner: "sleeps", when: "after", file })
          const exit = yield* sit.pipe(
            Dialog.use(
              Effect.fnUntraced(function* (talk) {
                expect(talk.started).toBe("welcome")
                yield* until("runs")
                yield* talk.cancel
                return yield* talk.exit
              })
            )
          )
          assert.strictEqual(lines().at(-1), "woken")
          assert(only(exit) instanceof PortalError)
        })
      ))

    it("AIO-4 a dialog whose guest waits is raised as cancelled by the root when its actor is stopped", () =>
      inn((portal, { file, lines, until }) =>
        Effect.gen(function* () {
          const exit = yield* portal.client.Sit({ manner: "sleeps", when: "after", file }).pipe(
            Dialog.use((talk) =>
              Effect.andThen(until("runs"), Effect.andThen(portal.stop, talk.result))
            ),
            Effect.exit
          )
          assert.strictEqual(lines().at(-1), "woken")
          const cancelled = only(exit)
          assert(cancelled instanceof PortalError && cancelled.reason instanceof Cancelled)
          expect(cancelled.reason.by.path).toBe("root")
        })
      ))

    it("AIO-4 a dialog whose guest fails fails with the guest's error, also in the middle of its body", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const sit = client.Sit({ manner: "throws", when: "after" })
          const exit = yield* sit.pipe(
            Dialog.use(() => Effect.never),
            Effect.exit
          )
          expect(only(exit)).toMatchObject({
            _tag: "Unkind",
            why: "a guest"
          })
        })
      ))

    it("AIO-5 a guest that cancels itself is a typed error at whoever called", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const failed = only(yield* Effect.exit(client.Visit({ manner: "cancels itself" })))
          assert(failed instanceof Guest.GuestCancelled)
          expect(failed).toMatchObject({
            guest: "cancels itself",
            cause: { name: "AbortError" }
          })
        })
      ))

    it("AIO-6 a hundred values of an async generator arrive, in order", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const all = yield* Stream.runCollect(client.Count({ fanOut: false }))
          expect(all).toEqual([...Array.from({ length: 100 }).keys()])
        })
      ))

    it("AIO-6 a hundred values of an async generator that two read arrive twice", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const all = yield* Stream.runCollect(client.Count({ fanOut: true }))
          expect(all.toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: 200 }, (_, n) => Math.floor(n / 2))
          )
        })
      ))

    it("AIO-8 a hundred messages go to a guest and come back, in order", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const talked = yield* client
            .Echo({ how: "well" })
            .pipe(Dialog.use((talk) => echoed(talk, 100)))
          expect(talked).toEqual({ back: [...Array.from({ length: 100 }).keys()], result: 100 })
        })
      ))

    it("AIO-8 a guest that fails in the middle of a dialog fails it with its error", () =>
      inn(({ client }, { file, lines }) =>
        Effect.gen(function* () {
          const talked = yield* client.Echo({ how: "throws", file }).pipe(
            Dialog.use((talk) => echoed(talk, 100)),
            Effect.exit
          )
          expect(only(talked)).toMatchObject({ _tag: "Unkind", why: "fifty" })
          expect(lines()).toEqual(["left"])
        })
      ))

    it("AIO-8 a dialog that is interrupted in the middle leaves no guest behind", () =>
      inn(({ client }, { file, lines }) =>
        Effect.gen(function* () {
          const half = Deferred.makeUnsafe<void>()
          const talking = yield* client.Echo({ how: "well", file }).pipe(
            Dialog.use((talk) =>
              Effect.all(
                [
                  Effect.forEach(Array.from({ length: 51 }).keys(), talk.send, { discard: true }),
                  Stream.runForEach(talk.messages, (n) =>
                    n === 50 ? Deferred.succeed(half, undefined) : Effect.void
                  )
                ],
                { concurrency: "unbounded" }
              )
            ),
            Effect.forkChild
          )
          yield* Deferred.await(half)
          yield* Fiber.interrupt(talking)
          expect(reasonsOf(yield* Fiber.await(talking))).toEqual(["interrupt"])
          expect(lines()).toEqual(["left"])
        })
      ))

    it("AIO-10 what a guest throws before its first word is raised where its dialog is opened", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          let opened = false
          const sit = client.Sit({ manner: "throws", when: "before" }).pipe(
            Dialog.use(() =>
              Effect.sync(() => {
                opened = true
              })
            )
          )
          expect(only(yield* Effect.exit(sit))).toMatchObject({ _tag: "Unkind", why: "a guest" })
          expect(opened).toBe(false)
          const silent = client
            .Sit({ manner: "returns", when: "before" })
            .pipe(Dialog.use(() => Effect.void))
          expect(only(yield* Effect.exit(silent))).toMatchObject({
            message: expect.stringMatching(/guest "returns".*first word/)
          })
        })
      ))

    for (const how of ["well", "throws", "is interrupted"] as const) {
      it(`AIO-11 a root talks to its guest a thousand times, which ${how}`, () =>
        Nursery.run(
          Effect.gen(function* () {
            const half = Deferred.makeUnsafe<void>()
            const talking = yield* Guest.use(
              "echo",
              echoing(how === "throws" ? "throws" : "well"),
              (guest) =>
                echoed(
                  {
                    ...guest,
                    messages:
                      how === "is interrupted"
                        ? Stream.tap(guest.messages, (n) =>
                            n === 500
                              ? Effect.andThen(Deferred.succeed(half, undefined), Effect.never)
                              : Effect.void
                          )
                        : guest.messages
                  },
                  1000
                ),
              { catch: unkind }
            ).pipe(Effect.forkChild)
            if (how === "is interrupted") {
              yield* Deferred.await(half)
              yield* Fiber.interrupt(talking)
            }
            const exit = yield* Fiber.await(talking)
            if (how === "well") {
              expect(exit).toEqual(
                Exit.succeed({ back: [...Array.from({ length: 1000 }).keys()], result: 1000 })
              )
            } else if (how === "throws") expect(only(exit)).toMatchObject({ why: "fifty" })
            else expect(reasonsOf(exit)).toEqual(["interrupt"])
          })
        ))
    }

    for (const native of ["before", "after"] as const) {
      it(`AIO-12 a task that fails ${native} the first word of a guest is told alone, the guest's abort does not mask it`, () =>
        inn(({ client }) =>
          Effect.gen(function* () {
            const clash = yield* Effect.exit(client.Clash({ native, manner: "sleeps" }))
            expect(only(clash)).toMatchObject({ _tag: "Unkind", why: "native" })
          })
        ))
    }

    it("AIO-12 a guest that fails is told alone, the end of the task beside it does not mask it", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const clash = yield* Effect.exit(client.Clash({ native: "never", manner: "throws" }))
          expect(only(clash)).toMatchObject({ _tag: "Unkind", why: "a guest" })
        })
      ))

    it("AIO-12 D4 if both fail both are kept, the task's error first", () =>
      inn(({ client }) =>
        Effect.gen(function* () {
          const clash = yield* Effect.exit(client.Clash({ native: "after", manner: "fails late" }))
          expect(reasonsOf(clash)).toMatchObject([{ why: "native" }, { message: "while waking" }])
        })
      ))

    for (const guests of [true, false]) {
      it(`AIO-13 of three ${guests ? "guests" : "tasks"} in an actor one fails, and the others are cancelled`, () =>
        inn(({ client }, { file, lines }) =>
          Effect.gen(function* () {
            const group = yield* Effect.exit(client.Group({ guests, file }))
            expect(only(group)).toMatchObject({ _tag: "Unkind", why: "a guest" })
            expect(lines()).toEqual(["runs", "runs", "woken", "woken"])
          })
        ))
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Those that do not listen
    // -----------------------------------------------------------------------------------------------------------------

    it("AIO-1 S1 a guest that ignores its signal holds nobody longer than the bound, and the report names it", () =>
      Effect.gen(function* () {
        const said: Array<string> = []
        const logger = Logger.make(({ message }) => void said.push(String(message)))
        const watch = yield* events
        const patience = can.time ? "3 seconds" : "100 millis"
        const deaf = Guest.run("deaf", (signal) => behave("is deaf", signal), { patience })
        const block = yield* Nursery.run(deaf).pipe(
          Effect.provide(Logger.layer([logger])),
          Effect.forkChild({ startImmediately: true })
        )
        block.interruptUnsafe()
        if (can.time) {
          yield* elapse("2999 millis")
          expect(block.pollUnsafe()).toBeUndefined()
          yield* elapse("1 millis")
        }
        const exit = yield* Fiber.await(block)
        assert(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        const [note, ...others] = exit.cause.reasons.flatMap(
          (reason) =>
            Context.getOrUndefined(Cause.reasonAnnotations(reason), Reasons.GuestLeft) ?? []
        )
        expect(others).toEqual([])
        expect(note).toMatchObject({ actor: { path: "root" }, guest: "deaf" })
        expect(watch.of("GuestLeft")).toMatchObject([{ actor: { path: "root" }, guest: "deaf" }])
        if (can.time) expect(note?.waited).toBe(3000)
        expect(said).toEqual([expect.stringMatching(/The guest "deaf" of "root" has not ended/)])
      }))

    it("AIO-3 S5 an actor with a guest that ignores its signal ends as asked, within its grace", () =>
      inn((portal, { file, until }) =>
        Effect.gen(function* () {
          yield* Effect.forkChild(Effect.exit(portal.client.Visit({ manner: "is deaf", file })))
          yield* until("runs")
          const stopping = yield* Effect.forkChild(portal.stop, { startImmediately: true })
          if (can.time) {
            yield* elapse("1499 millis")
            expect(stopping.pollUnsafe()).toBeUndefined()
            yield* elapse("1 millis")
          }
          yield* Fiber.join(stopping)
          expect(yield* portal.exit).toMatchObject({ _tag: "Stopped", stage: "asked" })
        })
      ))

    it("S5 an actor that waits for a guest says so to whoever stops it", () =>
      inn((portal, { file, until }) =>
        Effect.gen(function* () {
          const watch = yield* events
          yield* Effect.forkChild(Effect.exit(portal.client.Visit({ manner: "is deaf", file })))
          yield* until("runs")
          const stopping = yield* Effect.forkChild(portal.stop, { startImmediately: true })
          if (can.time) yield* elapse("1500 millis")
          yield* Fiber.join(stopping)
          const told = watch.of("Waiting").flatMap(({ waits }) => waits)
          const wait = told.find((wait) => wait.for === "guest")
          expect(wait).toMatchObject({ actor: "root/Inn", operation: "is deaf" })
          expect(Waits.describe({ waits: [wait!], more: 0 })).toMatch(
            /^the guest "is deaf" in "root\/Inn" \(\d\.\d s\)$/
          )
        })
      ))
  })
}
