/**
 * Clusters: some named copies of one actor, as one thing. Area CLU.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Dialog from "furrow/Dialog"
import type * as Actor from "furrow/Actor"
import * as LocalCluster from "furrow/LocalCluster"
import * as Nursery from "furrow/Nursery"
import { Disconnected, PortalError } from "furrow/PortalError"
import { ActorCrashed, SpawnError, StartFailed } from "furrow/TreeError"
import { Member, Unfit, Yard } from "./fixtures/Cluster.ts"
import * as Observer from "./Observer.ts"
import { events, only, reasonsOf } from "./Watching.ts"
import type { World } from "./World.ts"

type Ops = Actor.OperationsOf<typeof Member>

const names = ["a", "b", "c"] as const

/** A body's, or a member's, own error. */
class Own extends Error {
  readonly _tag = "Own"
}

export default (world: World): void => {
  const { crash, elapse, isGone, it, main, name } = world

  /** A cluster of a, b and c. */
  const open = (balance?: LocalCluster.Balance<Ops>) =>
    LocalCluster.open(Member, {
      ...main,
      names,
      balance,
      arguments: (_name, index) => ({ rank: index })
    })

  /** Asks the cluster's client so often, one after the other: who answered. */
  const asked = (client: Actor.Client<Ops>, keys: ReadonlyArray<string>) =>
    Effect.forEach(keys, (key) => Effect.map(client.Who({ key }), (who) => who.name))

  const times = (n: number) => Array.from({ length: n }, (_, index) => `${index}`)

  describe(`clusters (${name})`, () => {
    // -----------------------------------------------------------------------------------------------------------------
    // Coming and going
    // -----------------------------------------------------------------------------------------------------------------

    it("CLU-1 a dialog and a stream with each, gathered concurrently, echo; on exit all are gone", () =>
      Effect.gen(function* () {
        const { doors, echoes } = yield* Nursery.run(
          Effect.gen(function* () {
            const { forEach, portals } = yield* open()
            const there = new Set<string>()
            const all = yield* Deferred.make<void>()
            const echoes = yield* forEach(({ client }, name, index) =>
              client.Stay({ key: name }).pipe(
                Dialog.use(
                  Effect.fnUntraced(function* (dialog) {
                    // None goes on before all are there: they are open at one time.
                    there.add(name)
                    if (there.size === names.length) yield* Deferred.succeed(all, undefined)
                    yield* Deferred.await(all)
                    const items = yield* Stream.runCollect(client.Repeat({ key: name, times: 2 }))
                    yield* dialog.send(index * 10)
                    const [echo] = yield* Stream.runCollect(Stream.take(dialog.messages, 1))
                    yield* dialog.end
                    return [dialog.started, ...items, echo, yield* dialog.result]
                  })
                )
              )
            )
            return { doors: Object.values(portals), echoes }
          })
        )
        expect(echoes).toEqual({
          a: ["a", "a", "a", 0, 1],
          b: ["b", "b", "b", 10, 1],
          c: ["c", "c", "c", 20, 1]
        })
        expect(Object.keys(echoes)).toEqual(["a", "b", "c"])
        for (const door of doors) assert(yield* isGone(door))
      }))

    it("CLU-2 names and a count that do not agree, or make no cluster, are a defect that says so", () =>
      Nursery.run(
        Effect.gen(function* () {
          const refused = (members: LocalCluster.Members<string>) =>
            Effect.map(
              Effect.exit(
                LocalCluster.open(Member, { ...main, ...members, arguments: { rank: 0 } })
              ),
              (exit) => {
                const defect = only(exit)
                assert(defect instanceof RangeError, String(defect))
                return defect.message
              }
            )
          const seen = yield* events
          expect(yield* refused({ names: ["a", "b", "c"], count: 4 })).toBe(
            'A cluster of "Member" cannot be opened: "names" (a, b, c) has 3 names, and its "count" is 4.'
          )
          expect(yield* refused({ names: ["a", "b", "a"] })).toBe(
            'A cluster of "Member" cannot be opened: "names" (a, b, a) has "a" more than once.'
          )
          expect(yield* refused({ names: [] })).toContain('"names" () names no member')
          for (const count of [0, -1, 1.5, Number.NaN]) {
            expect(yield* refused({ count })).toBe(
              `A cluster of "Member" cannot be opened: its "count" must be a whole number of at least 1, and it is ${count}.`
            )
          }
          expect(seen.all, "nobody was started").toEqual([])
        }).pipe(Effect.scoped)
      ))

    it("names that agree with the count, or a count alone, make the members; one argument is for all", () =>
      Nursery.run(
        Effect.gen(function* () {
          const pair = yield* LocalCluster.open(Member, {
            ...main,
            names: ["x", "y"],
            count: 2,
            arguments: { rank: 7 }
          })
          expect(yield* pair.forEach(({ client }) => client.Who({ key: "" }))).toEqual({
            x: { name: "x", rank: 7 },
            y: { name: "y", rank: 7 }
          })
          const counted = yield* LocalCluster.open(Member, {
            ...main,
            count: 2,
            arguments: (name, index) => ({ rank: name.length * 10 + index })
          })
          expect(counted.names).toEqual(["Member-0", "Member-1"])
          const [, second] = Object.values(counted.portals)
          expect(yield* second!.client.Who({ key: "" })).toEqual({
            name: "Member-1",
            rank: 81
          })
        })
      ))

    it("members start at one time: each waits for all others", () =>
      Nursery.run(
        Effect.gen(function* () {
          const all = yield* Deferred.make<void>()
          let waiting = 0
          const YardLive = Yard.toLayer({
            Muster: () =>
              Effect.suspend(() => {
                waiting++
                return waiting === names.length
                  ? Effect.asVoid(Deferred.succeed(all, undefined))
                  : Deferred.await(all)
              })
          })
          const cluster = yield* LocalCluster.open(Member, {
            ...main,
            names,
            serve: Yard,
            arguments: { rank: 0, musters: true }
          }).pipe(Effect.provide(YardLive))
          expect(Object.keys(cluster.portals)).toEqual(["a", "b", "c"])
        })
      ))

    it("one that fails to start takes the others down, also those that are ready, and is the error", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const YardLive = Yard.toLayer({
            Muster: ({ who }) =>
              Effect.gen(function* () {
                if (who === "a") return
                if (who === "c") return yield* Effect.never
                // Only when a is ready, and c under way.
                yield* Observer.until(
                  world,
                  () => seen.of("Started").length === 1,
                  () => "a member that has started"
                )
                return yield* new Unfit({ who })
              })
          })
          const error = only(
            yield* Effect.exit(
              LocalCluster.open(Member, {
                ...main,
                names,
                serve: Yard,
                arguments: { rank: 0, musters: true }
              }).pipe(Effect.provide(YardLive))
            )
          )
          assert(error instanceof SpawnError && error.reason instanceof StartFailed, String(error))
          expect(error.actor).toBe("root/b")
          expect(only(Exit.failCause(error.reason.cause))).toEqual(new Unfit({ who: "b" }))
          const [a] = seen.of("Started")
          assert(a !== undefined)
          expect(a.actor.path).toBe("root/a")
          assert(yield* isGone(a))
          // The block itself goes on.
          const later = yield* open()
          expect(yield* later.portals.b.client.Who({ key: "" })).toEqual({ name: "b", rank: 1 })
        }).pipe(Effect.scoped)
      ))

    it("a member that crashes ends the block, as every daemon", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              const { client, portals } = yield* open()
              expect(yield* asked(client, times(1))).toEqual(["a"])
              yield* crash(portals.b)
              return yield* Effect.never
            })
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed, String(error))
        expect(error.actor.path).toBe("root/b")
      }))

    it("a cluster as a Layer ends with the Layer's scope, and so does one that is still being opened", () =>
      Nursery.run(
        Effect.gen(function* () {
          class Three extends Context.Service<Three, LocalCluster.Cluster<"a" | "b" | "c", Ops>>()(
            "test/Three"
          ) {}
          const seen = yield* events
          const live = (rank: number) =>
            Layer.fresh(LocalCluster.layer(Three, Member, { ...main, names, arguments: { rank } }))
          const who = yield* Effect.flatMap(Three, ({ forEach }) =>
            forEach(({ client }) => Effect.map(client.Who({ key: "" }), (who) => who.name))
          ).pipe(Effect.provide(live(1)))
          expect(who).toEqual({ a: "a", b: "b", c: "c" })
          expect(seen.of("Started")).toHaveLength(3)
          for (const door of seen.of("Started")) assert(yield* isGone(door))

          const opening = yield* Effect.forkChild(Effect.provide(Effect.never, live(2)))
          while (seen.of("Started").length === 3) yield* Effect.yieldNow
          yield* Fiber.interrupt(opening)
          for (const door of seen.of("Started")) assert(yield* isGone(door))
          return "the block goes on"
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // All of them
    // -----------------------------------------------------------------------------------------------------------------

    it("what is done with all is told in their order, whoever is first, and one by one if that is asked for", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { forEach } = yield* open()
          const order: Array<string> = []
          const cDone = yield* Deferred.make<void>()
          const results = yield* forEach((_portal, name, index) =>
            Effect.gen(function* () {
              if (name !== "c") yield* Deferred.await(cDone)
              order.push(name)
              if (name === "c") yield* Deferred.succeed(cDone, undefined)
              return index
            })
          )
          expect(order[0]).toBe("c")
          expect(Object.entries(results)).toEqual([
            ["a", 0],
            ["b", 1],
            ["c", 2]
          ])

          let inside = 0
          let most = 0
          yield* forEach(
            ({ client }, key) =>
              Effect.gen(function* () {
                most = Math.max(most, ++inside)
                yield* client.Who({ key })
                inside--
              }),
            { concurrency: 1 }
          )
          expect(most).toBe(1)
        })
      ))

    it("what fails with one ends it with the others, and nothing that fails is lost", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { forEach } = yield* open()
          const own = new Own()
          const defect = new Error("while it ended")
          const under = yield* Deferred.make<void>()
          const held = new Set<string>()
          const holds = (name: string) => {
            held.add(name)
            return held.size === 2 ? Deferred.succeed(under, undefined) : Effect.void
          }
          const exit = yield* Effect.exit(
            forEach(
              Effect.fnUntraced(function* ({ client }, name) {
                if (name === "b") {
                  yield* Deferred.await(under)
                  return yield* Effect.fail(own)
                }
                const ends = name === "a" ? Effect.die(defect) : Effect.void
                return yield* client.Stay({ key: "" }).pipe(
                  Dialog.use(() => Effect.andThen(holds(name), Effect.never)),
                  Effect.ensuring(ends)
                )
              })
            )
          )
          expect(reasonsOf(exit)).toEqual([own, defect])
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // Any of them
    // -----------------------------------------------------------------------------------------------------------------

    it("its client goes round, whatever the kind of operation", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* open()
          expect(yield* asked(client, times(5))).toEqual(["a", "b", "c", "a", "b"])
          expect(yield* Stream.runCollect(client.Repeat({ key: "", times: 1 }))).toEqual(["c"])
          const started = client
            .Stay({ key: "" })
            .pipe(Dialog.use(({ end, started }) => Effect.as(end, started)))
          expect(yield* started).toBe("a")
          expect(yield* started).toBe("b")
        })
      ))

    it("the least busy has the fewest operations in hand, and several of these have turns", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* open("least-busy")
          const left = yield* Deferred.make<void>()
          const held: Array<string> = []
          const hold = (until: Effect.Effect<void>) =>
            client.Stay({ key: "" }).pipe(
              Dialog.use(({ end, started }) => {
                held.push(started)
                return Effect.andThen(until, end)
              }),
              Effect.forkChild
            )
          const holding = function* (count: number) {
            yield* Observer.until(
              world,
              () => held.length === count,
              () => `${count} dialogs: ${held.join()}`
            )
          }
          const first = yield* hold(Deferred.await(left))
          yield* holding(1)
          const second = yield* hold(Effect.never)
          yield* holding(2)
          expect(new Set(held).size).toBe(2)
          const free = names.find((name) => !held.includes(name))
          expect(yield* asked(client, times(3))).toEqual([free, free, free])
          yield* Deferred.succeed(left, undefined)
          yield* Fiber.join(first)
          expect(new Set(yield* asked(client, times(2)))).toEqual(new Set([free, held[0]]))
          // Leaving by force lets go, too.
          yield* Fiber.interrupt(second)
          expect(new Set(yield* asked(client, times(3)))).toEqual(new Set(names))
        })
      ))

    it("what has one key goes to one member, and stays there when another has been stopped", () =>
      Nursery.run(
        Effect.gen(function* () {
          const keyed: Array<string> = []
          const { client, portals } = yield* open({
            by: (operation, payload) => {
              keyed.push(operation)
              return payload.key
            }
          })
          const before = yield* asked(client, times(60))
          expect(yield* asked(client, times(60)), "again").toEqual(before)
          expect(new Set(before), "nobody is left out").toEqual(new Set(names))
          const [first] = before
          expect(yield* Stream.runCollect(client.Repeat({ key: "0", times: 1 }))).toEqual([first])
          const started = client
            .Stay({ key: "0" })
            .pipe(Dialog.use(({ end, started }) => Effect.as(end, started)))
          expect(yield* started).toBe(first)
          expect(new Set(keyed)).toEqual(new Set(["Who", "Repeat", "Stay"]))

          yield* portals.a.stop
          const after = yield* asked(client, times(60))
          expect(after).not.toContain("a")
          for (const [index, who] of before.entries())
            if (who !== "a") expect(after[index]).toBe(who)
        })
      ))

    it("a member that was stopped is left out, and the last one says what has become of it", () =>
      Nursery.run(
        Effect.gen(function* () {
          for (const balance of ["round-robin", "least-busy", { by: () => "key" }] as const) {
            const { client, portals } = yield* open(balance)
            yield* portals.b.stop
            expect(yield* asked(client, times(4))).not.toContain("b")
            yield* portals.a.stop
            expect(yield* asked(client, times(2))).toEqual(["c", "c"])
            yield* portals.c.stop
            const error = only(yield* Effect.exit(client.Who({ key: "" })))
            assert(
              error instanceof PortalError && error.reason instanceof Disconnected,
              String(error)
            )
            expect(error.actor).toBe("root/c")
          }
        })
      ))

    it("a member that is on its way out is given nothing any more, however long that takes", () =>
      Nursery.run(
        Effect.gen(function* () {
          const balances: ReadonlyArray<LocalCluster.Balance<Ops>> = [
            "round-robin",
            "least-busy",
            { by: (_operation, { key }) => key }
          ]
          for (const balance of balances) {
            const { client, portals } = yield* LocalCluster.open(Member, {
              ...main,
              names,
              balance,
              arguments: (name) => ({ rank: 0, lingers: name === "b" ? 500 : 0 })
            })
            const stopping = yield* Effect.forkChild(portals.b.stop, { startImmediately: true })
            expect(new Set(yield* asked(client, times(20)))).toEqual(new Set(["a", "c"]))
            yield* elapse("500 millis")
            yield* Fiber.join(stopping)
          }
        })
      ))

    it("a key that cannot be found is the operation's defect, and the others go on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const own = new Own()
          const { client } = yield* open({
            by: (_operation, { key }) => {
              if (key === "none") throw own
              return key
            }
          })
          expect(only(yield* Effect.exit(client.Who({ key: "none" })))).toBe(own)
          expect(yield* asked(client, ["0"])).toHaveLength(1)
        })
      ))
  })
}
