/**
 * What is opened once for many, and many things that are opened at once: areas RES and TRI.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import type * as Dialog from "furrow/Dialog"
import * as Gather from "furrow/Gather"
import * as Nursery from "furrow/Nursery"
import type { PortalError } from "furrow/PortalError"
import * as Shared from "furrow/Shared"
import { Player, Refused } from "./fixtures/Player.ts"
import type { Script } from "./fixtures/Player.ts"
import * as Observer from "./Observer.ts"
import { only, reasonsOf } from "./Watching.ts"
import type { World } from "./World.ts"

type Ops = Actor.OperationsOf<typeof Player>

/** A dialog with a player, as a resource. */
type Talk = Dialog.Caller<number, number, number, number, Refused | PortalError>

/** What a resource is opened for. */
interface Seat {
  readonly room: string
  readonly seats: ReadonlyArray<number>
}

export default (world: World): void => {
  const { can, elapse, it, main, name, needing } = world

  /** A block with one player and an observer. */
  const play = <A, E, R>(
    body: (player: Actor.Portal<Ops>, observer: Observer.Observer) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(Observer.make(world), (observer) =>
      Nursery.run(
        Effect.flatMap(Nursery.spawn(Player, { ...main }), (player) => body(player, observer))
      ).pipe(Effect.scoped)
    )

  /** Is opened, held until it is let go of, and takes its time to end; says each of it. */
  const held = (observer: Observer.Observer, what: string, last: Script = []): Script => [
    { do: "note", file: observer.file, text: `${what} opens` },
    {
      do: "acquire",
      release: [
        { do: "note", file: observer.file, text: `${what} closes` },
        { do: "sleep", millis: 200 },
        { do: "note", file: observer.file, text: `${what} is closed` },
        ...last
      ]
    },
    { do: "accept", value: 1 },
    { do: "never" }
  ]

  const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.forkChild(effect, { startImmediately: true })

  /** Waits for a fiber, while time passes. */
  const joined = <A, E>(fiber: Fiber.Fiber<A, E>) =>
    Effect.andThen(elapse("200 millis"), Fiber.join(fiber))

  /** A user: takes the resource, and uses it until it is told to leave. */
  const user = Effect.fnUntraced(function* <K, A, E>(shared: Shared.Shared<K, A, E>, key: K) {
    const scope = yield* Scope.make()
    const use = yield* Scope.provide(shared.get(key), scope)
    return { ...use, leave: Effect.exit(Scope.close(scope, Exit.void)) }
  })

  describe(`${name}: a resource that is shared`, () => {
    const talks = (player: Actor.Portal<Ops>, observer: Observer.Observer, last?: Script) =>
      Shared.make({ open: (what: string) => player.client.Play(held(observer, what, last)) })

    it("RES-1 is opened once for all who ask for the same key, compared by value, and all but one hit", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* Shared.make({
            open: ({ room, seats }: Seat) =>
              player.client.Play(held(observer, `${room} for ${seats.length}`))
          })
          const uses = yield* Effect.forEach(
            [1, 2, 3, 4, 5],
            () => shared.get({ room: "tea", seats: [1, 2] }),
            { concurrency: "unbounded" }
          ).pipe(
            Effect.tap(() => observer.until("tea for 2 opens")),
            Effect.scoped,
            fork,
            Effect.flatMap(joined)
          )
          expect(uses.filter(({ hit }) => hit)).toHaveLength(4)
          expect(new Set(uses.map(({ value }) => value)).size).toBe(1)
          expect(observer.lines()).toEqual([
            "tea for 2 opens",
            "tea for 2 closes",
            "tea for 2 is closed"
          ])
        })
      ))

    it("RES-2 is closed when the last user has left, who goes on when it is closed, and not before", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* talks(player, observer)
          const [first, second] = [yield* user(shared, "a"), yield* user(shared, "a")]
          yield* first.leave
          expect(observer.lines()).toEqual(["a opens"])
          const leaving = yield* fork(second.leave)
          yield* observer.until("a closes")
          yield* elapse("199 millis")
          if (can.time) expect(leaving.pollUnsafe()).toBeUndefined()
          yield* elapse("1 millis")
          assert(Exit.isSuccess(yield* Fiber.join(leaving)))
          expect(observer.lines()).toEqual(["a opens", "a closes", "a is closed"])
        })
      ))

    it("RES-3 tells its last user, and nobody else, what it dies of when it is closed", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* talks(player, observer, [{ do: "die", why: "on the way out" }])
          const [first, second] = [yield* user(shared, "a"), yield* user(shared, "a")]
          assert(Exit.isSuccess(yield* first.leave))
          const error = only(yield* joined(yield* fork(second.leave)))
          assert(error instanceof Error)
          expect(error.message).toBe("on the way out")
        })
      ))

    it("RES-3 keeps the error of a block, and beside it what it dies of", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* talks(player, observer, [{ do: "die", why: "on the way out" }])
          const block = yield* fork(Effect.exit(shared.use("a", () => Effect.fail("mine"))))
          expect(reasonsOf(yield* joined(block))).toEqual([
            "mine",
            expect.objectContaining({ message: "on the way out" })
          ])
        })
      ))

    it("RES-5 is closed with the scope that it is shared in: nobody who waits, leaves or asks is stranded", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const service = yield* Scope.make()
          const shared = yield* Scope.provide(
            Shared.make({
              open: (what: string) =>
                player.client.Play(
                  what === "slow"
                    ? [{ do: "note", file: observer.file, text: "slow opens" }, { do: "never" }]
                    : held(observer, what)
                )
            }),
            service
          )
          const [one, other] = [yield* user(shared, "a"), yield* user(shared, "b")]
          const waiting = yield* fork(Effect.exit(Effect.scoped(shared.get("slow"))))
          yield* observer.until("slow opens")
          const leaving = yield* fork(one.leave)
          yield* observer.until("a closes")
          const closing = yield* fork(Scope.close(service, Exit.void))
          yield* observer.until("b closes")
          const late = yield* fork(other.leave)
          yield* elapse("200 millis")
          for (const fiber of [leaving, late]) assert(Exit.isSuccess(yield* Fiber.join(fiber)))
          expect(observer.lines().filter((line) => line.endsWith("is closed"))).toHaveLength(2)
          yield* Fiber.join(closing)
          expect(reasonsOf(yield* Fiber.join(waiting))).toEqual(["interrupt"])
          expect(
            reasonsOf(yield* Fiber.await(yield* fork(Effect.scoped(shared.get("c")))))
          ).toEqual(["interrupt"])
        })
      ))

    it("RES-6 lives as long as its own key is used, whatever becomes of others", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* talks(player, observer)
          const [a, b] = [yield* user(shared, "a"), yield* user(shared, "b")]
          expect([a.hit, b.hit]).toEqual([false, false])
          yield* joined(yield* fork(a.leave))
          expect(observer.lines()).toEqual(["a opens", "b opens", "a closes", "a is closed"])
          const again = yield* user(shared, "b")
          expect(again.hit).toBe(true)
          expect(again.value).toBe(b.value)
          yield* again.leave
          yield* joined(yield* fork(b.leave))
        })
      ))

    it("RES-7 is opened afresh by whoever asks while it is being closed, when it is closed", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* talks(player, observer)
          const first = yield* user(shared, "a")
          const leaving = yield* fork(first.leave)
          yield* observer.until("a closes")
          const asking = yield* fork(
            Effect.forEach([1, 2], () => user(shared, "a"), { concurrency: 2 })
          )
          // Somebody who does not want to wait any more takes nothing along.
          const impatient = yield* fork(user(shared, "a"))
          yield* Fiber.interrupt(impatient)
          yield* elapse("199 millis")
          if (can.time) expect(observer.lines()).toEqual(["a opens", "a closes"])
          yield* elapse("1 millis")
          const uses = yield* Fiber.join(asking)
          yield* Fiber.join(leaving)
          expect(uses.map(({ hit }) => hit)).toEqual([false, true])
          expect(observer.lines()).toEqual(["a opens", "a closes", "a is closed", "a opens"])
          for (const { leave } of uses) yield* joined(yield* fork(leave))
        })
      ))

    it("that cannot be opened fails all who wait for it, and is tried again by the next", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          let times = 0
          const shared = yield* Shared.make({
            open: (what: string) =>
              player.client.Play(
                ++times === 1
                  ? [{ do: "fail", why: "not yet" }]
                  : held(observer, `${what} ${times}`)
              ),
            idleTimeToLive: "1 hour"
          })
          const refused = yield* Effect.forEach([1, 2], () => Effect.flip(shared.get("a")), {
            concurrency: 2
          })
          expect(refused.map((error) => error instanceof Refused && error.why)).toEqual([
            "not yet",
            "not yet"
          ])
          expect(times).toBe(1)
          // In the same scope, which still lasts.
          const { hit } = yield* shared.get("a")
          expect([times, hit]).toEqual([2, false])
        }).pipe(Effect.scoped, fork, Effect.flatMap(joined))
      ))

    it("is not opened any more when nobody waits for it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* Shared.make({
            open: (what: string) =>
              player.client.Play([
                { do: "note", file: observer.file, text: `${what} opens` },
                {
                  do: "ensuring",
                  script: [{ do: "never" }],
                  last: [{ do: "note", file: observer.file, text: `${what} was left` }]
                }
              ])
          })
          const asking = yield* Effect.forEach([1, 2], () => fork(user(shared, "a")))
          yield* observer.until("a opens")
          yield* Fiber.interrupt(asking[0]!)
          expect(observer.lines()).toEqual(["a opens"])
          yield* Fiber.interrupt(asking[1]!)
          expect(observer.lines()).toEqual(["a opens", "a was left"])
        })
      ))

    it("belongs to whoever shares it, not to the one who happened to be first", () =>
      Nursery.run(
        Effect.gen(function* () {
          class Players extends Context.Service<
            Players,
            Shared.Shared<string, Actor.Portal<Ops>, unknown>
          >()("test/Players") {}
          const layer = Shared.layer(Players, {
            open: (called: string) => Nursery.spawnScoped(Player, { ...main, name: called })
          })
          yield* Effect.gen(function* () {
            const players = yield* Players
            const asked = yield* Scope.make()
            // The first asks inside of a block of its own, and has no time.
            const { actor } = yield* players.get("ada").pipe(
              Effect.map(({ value }) => value),
              Scope.provide(asked),
              Nursery.run(),
              Deadline.within("1 minute")
            )
            yield* elapse("2 minutes")
            const path = yield* players.use("ada", ({ client }, hit) =>
              Effect.map(client.Who(), (who) => [who.path, hit])
            )
            expect(path).toEqual([actor.path, true])
            const { pid } = yield* players.use("ada", Effect.succeed)
            yield* Scope.close(asked, Exit.void)
            assert(yield* world.isGone({ actor, pid }))
          }).pipe(Effect.provide(layer))
        })
      ))

    const { it: timed } = needing("time")

    timed("is kept for its idle time, and closed when that is over", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const shared = yield* Shared.make({
            open: (what: string) => player.client.Play(held(observer, what)),
            idleTimeToLive: "1 minute"
          })
          yield* (yield* user(shared, "a")).leave
          yield* elapse("59 seconds")
          const again = yield* user(shared, "a")
          expect(again.hit).toBe(true)
          yield* again.leave
          yield* elapse("59 seconds")
          expect(observer.lines()).toEqual(["a opens"])
          yield* elapse("1 seconds")
          yield* observer.until("a closes")
          yield* elapse("200 millis")
          expect(observer.lines()).toEqual(["a opens", "a closes", "a is closed"])
        })
      )
    )

    timed("RES-3 tells whoever shares it what it dies of, if its last user has long left", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const service = yield* Scope.make()
          const shared = yield* Shared.make({
            open: (what: string) =>
              player.client.Play(held(observer, what, [{ do: "die", why: "too late" }])),
            idleTimeToLive: "1 minute"
          }).pipe(Scope.provide(service))
          assert(Exit.isSuccess(yield* (yield* user(shared, "a")).leave))
          yield* elapse("1 minute")
          yield* observer.until("a closes")
          yield* elapse("200 millis")
          const error = only(yield* Effect.exit(Scope.close(service, Exit.void)))
          assert(error instanceof Error)
          expect(error.message).toBe("too late")
        })
      )
    )
  })

  describe(`${name}: several that are opened at once`, () => {
    /** Says a number, after so many milliseconds. */
    const after = (millis: number, value: number): Script => [
      { do: "sleep", millis },
      { do: "accept", value },
      { do: "never" }
    ]

    it("TRI-1 must be some: none is a defect that says so", () =>
      Effect.gen(function* () {
        const none: ReadonlyArray<Effect.Effect<number>> = []
        const error = only(yield* Effect.exit(Effect.scoped(Gather.all(none))))
        assert(error instanceof Error)
        expect(error.message).toContain("Gather.all was given nothing to open")
      }))

    it("TRI-2 are given in the order in which they were asked for, whoever was first", () =>
      play(({ client }) =>
        Effect.gen(function* () {
          const gathering = yield* fork(
            Gather.all([
              client.Play(after(200, 1)),
              client.Play(after(0, 2)),
              client.Play(after(100, 3))
            ]).pipe(
              Effect.map((talks) => talks.map(({ started }) => started)),
              Effect.scoped
            )
          )
          expect(yield* joined(gathering)).toEqual([1, 2, 3])
          const named = yield* fork(
            Gather.all({ slow: client.Play(after(200, 1)), fast: client.Play(after(0, 2)) }).pipe(
              Effect.map(({ fast, slow }: { readonly fast: Talk; readonly slow: Talk }) => [
                slow.started,
                fast.started
              ]),
              Effect.scoped
            )
          )
          expect(yield* joined(named)).toEqual([1, 2])
        })
      ))

    it("TRI-3 are none if one cannot be opened: the others are closed, those that are coming up too, then it fails", () =>
      play(({ client }, observer) =>
        Effect.gen(function* () {
          const comingUp: Script = [
            { do: "note", file: observer.file, text: "b opens" },
            {
              do: "ensuring",
              script: [{ do: "never" }],
              last: [{ do: "note", file: observer.file, text: "b was left" }]
            }
          ]
          const scope = yield* Scope.make()
          const gathering = yield* Gather.all([
            client.Play(held(observer, "a")),
            client.Play(comingUp),
            Effect.andThen(
              Effect.andThen(observer.until("a opens"), observer.until("b opens")),
              client.Play([{ do: "fail", why: "no" }])
            )
          ]).pipe(Scope.provide(scope), Effect.exit, fork)
          yield* observer.until("a closes")
          const error = only(yield* joined(gathering))
          assert(error instanceof Refused)
          expect(error.why).toBe("no")
          // Although the scope lasts.
          expect(observer.lines()).toEqual(expect.arrayContaining(["a is closed", "b was left"]))
          yield* Scope.close(scope, Exit.void)
        })
      ))

    it("TRI-3 that fail in several ways tell all of them, the first failure first", () =>
      play(({ client }, observer) =>
        Effect.gen(function* () {
          const gathering = yield* Gather.all([
            client.Play(held(observer, "a", [{ do: "die", why: "on the way out" }])),
            Effect.andThen(observer.until("a opens"), Effect.fail("no")),
            Effect.onInterrupt(Effect.never, () => Effect.die("nor I"))
          ]).pipe(Effect.scoped, Effect.exit, fork)
          yield* observer.until("a closes")
          expect(reasonsOf(yield* joined(gathering))).toEqual([
            "no",
            "nor I",
            expect.objectContaining({ message: "on the way out" })
          ])
        })
      ))

    it("are closed together when their scope is, or when nobody waits for them any more", () =>
      play(({ client }, observer) =>
        Effect.gen(function* () {
          const talks = () =>
            Gather.all([client.Play(held(observer, "a")), client.Play(held(observer, "b"))])
          const using = yield* fork(Effect.scoped(talks()))
          yield* observer.until("a closes")
          yield* observer.until("b closes")
          yield* joined(using)
          const waiting = yield* fork(
            Effect.scoped(Gather.all([talks(), Effect.never])).pipe(Effect.exit)
          )
          yield* Observer.until(
            world,
            () => observer.lines().filter((line) => line.endsWith("opens")).length === 4,
            () => "four that are open"
          )
          const left = yield* fork(Fiber.interrupt(waiting))
          yield* joined(left)
          expect(observer.lines().filter((line) => line.endsWith("is closed"))).toHaveLength(4)
        })
      ))
  })
}
