/**
 * How actors are brought to their end: rule S5. Each stage is bounded and told of, time is handed down the tree, and
 * whoever does not end is killed.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import type * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Nursery from "furrow/Nursery"
import { Cancelled, PortalError } from "furrow/PortalError"
import { ActorCrashed, NurseryClosed, SpawnError } from "furrow/TreeError"
import * as Waits from "furrow/Waits"
import { Boss, Worker } from "./fixtures/Worker.ts"
import type { Plan } from "./fixtures/Worker.ts"
import * as Observer from "./Observer.ts"
import { events, only } from "./Watching.ts"
import type { Watch } from "./Watching.ts"
import { patience } from "./World.ts"
import type { World } from "./World.ts"

const hour = 3_600_000

/** Short waits, so that all stages are passed quickly. */
const hasty = { grace: "300 millis", terminateGrace: "200 millis" } as const

export default (world: World): void => {
  const { can, crash, elapse, isGone, it, main, name, needing } = world

  const spawn = (
    name: string,
    plan: Plan,
    options?: { readonly grace?: Duration.Input; readonly terminateGrace?: Duration.Input }
  ) => Nursery.spawn(Worker, { ...main, ...options, name, arguments: plan })

  /** The stages that were reached, in order. */
  const stagesOf = (seen: Watch) =>
    seen.of("Stage").map(({ actor, patience, stage }) => [actor.path, stage, patience])

  /** The patience of a stage, as a worker has written it down: exact where the test owns the time, else what is left. */
  const about = (line: string, stage: string, millis: number) => {
    expect(line).toMatch(stage)
    const told = Number(line.split(" ").at(-1))
    expect(told).toBeLessThanOrEqual(millis)
    expect(told).toBeGreaterThanOrEqual(can.time ? millis : 100)
  }

  /** It was done before its time was over: exact where the test owns the time, else a busy machine may cost it that. */
  const endedInTime = ({ exit }: { readonly exit: Effect.Effect<Actor.ActorExit> }) =>
    Effect.map(exit, (how) => {
      if (can.time) expect(how).toMatchObject({ stage: "asked" })
    })

  /** The stages that somebody has written down of one actor below it. */
  const stagesBelow = (observer: Observer.Observer, path: string) =>
    observer.lines().filter((line) => line.includes(` sees ${path}: `))

  describe(`the ladder (${name})`, () => {
    it("S5 an actor that does not end is asked, terminated and killed, in that order, and each stage is an event", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const worker = yield* spawn("stubborn", { lingers: hour }, hasty)
          const stop = yield* Effect.forkChild(worker.stop, { startImmediately: true })
          expect(seen.of("Stage")).toMatchObject([
            { stage: "asked", patience: 300, actor: worker.actor, by: { path: "root" } }
          ])
          yield* elapse("299 millis")
          if (can.time) expect(seen.of("Stage")).toHaveLength(1)
          yield* elapse("1 millis")
          if (can.time) expect(seen.of("Stage")).toHaveLength(2)
          yield* elapse("200 millis")
          yield* Fiber.join(stop)
          expect(seen.of("Stage").map(({ patience, stage }) => [stage, patience])).toEqual([
            ["asked", 300],
            ["terminated", 200],
            ["killed", 0]
          ])
          expect(yield* worker.exit).toEqual({
            _tag: "Stopped",
            stage: "killed",
            exit: { signal: "SIGKILL" }
          })
        })
      ))

    it("S5 the default patience is three seconds, and two", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const worker = yield* spawn("stubborn", { lingers: hour })
          const stop = yield* Effect.forkChild(worker.stop, { startImmediately: true })
          yield* elapse("3 seconds")
          yield* elapse("2 seconds")
          yield* Fiber.join(stop)
          expect(seen.of("Stage").map(({ patience, stage }) => [stage, patience])).toEqual([
            ["asked", 3000],
            ["terminated", 2000],
            ["killed", 0]
          ])
        })
      ))

    it("S5 grace travels: each level gives half and three tenths of what it was given, and is done in time", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn("a", {
            file,
            children: { b: { file, children: { c: { file, lingers: hour } } } }
          })
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          yield* observer.until("c ends")
          yield* elapse("750 millis")
          yield* elapse("450 millis")
          yield* Fiber.join(stop)
          const [one, ...others] = stagesBelow(observer, "root/a/b")
          const [two, three, four] = stagesBelow(observer, "root/a/b/c")
          about(one!, "a sees root/a/b: asked", 1500)
          about(two!, "b sees root/a/b/c: asked", 750)
          if (!can.time) return
          about(three!, "b sees root/a/b/c: terminated", 450)
          expect(four).toBe("b sees root/a/b/c: killed 0")
          expect(others).toEqual([])
          // Everybody above it has ended when asked.
          expect(seen.of("Stage").map(({ patience, stage }) => [stage, patience])).toEqual([
            ["asked", 3000]
          ])
          yield* endedInTime(a)
        })
      ))

    it("S5 no stage is shorter than 100 ms, however little time is left", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn(
            "a",
            { file, children: { b: { lingers: hour } } },
            { grace: "100 millis", terminateGrace: "10 seconds" }
          )
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          yield* elapse("100 millis")
          yield* elapse("100 millis")
          yield* Fiber.join(stop)
          const sees = observer.lines().filter((line) => line.includes(" sees "))
          expect(sees).toEqual([
            "a sees root/a/b: asked 100",
            "a sees root/a/b: terminated 100",
            "a sees root/a/b: killed 0"
          ])
        })
      ))

    it("S5 an actor that ends a child patiently hurries when it is told to end itself", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn("a", {
            file,
            grace: hour,
            children: { b: { file, lingers: hour } }
          })
          yield* Effect.forkChild(Effect.exit(a.client.StopChildren()))
          yield* observer.until("b ends")
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          yield* elapse("1500 millis")
          yield* elapse("900 millis")
          yield* Fiber.join(stop)
          yield* endedInTime(a)
          const [asked, terminated, killed] = observer
            .lines()
            .filter((line) => line.includes(" sees "))
          expect(asked).toBe(`a sees root/a/b: asked ${hour}`)
          about(terminated!, "a sees root/a/b: terminated", 900)
          expect(killed).toBe("a sees root/a/b: killed 0")
        })
      ))

    it("S5 who has less time than it had hurries everybody below, down four levels", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn("a", {
            file,
            grace: hour,
            children: {
              b: {
                file,
                grace: hour,
                children: { c: { file, grace: hour, children: { d: { file, lingers: hour } } } }
              }
            }
          })
          yield* Effect.forkChild(Effect.exit(a.client.StopChildren()))
          yield* observer.until("d ends")
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          yield* elapse("375 millis")
          yield* elapse("225 millis")
          yield* Fiber.join(stop)
          yield* endedInTime(a)
          const [one] = stagesBelow(observer, "root/a/b")
          const [two, ...others] = stagesBelow(observer, "root/a/b/c")
          const [three, four, five] = stagesBelow(observer, "root/a/b/c/d")
          expect(one).toBe(`a sees root/a/b: asked ${hour}`)
          about(two!, "b sees root/a/b/c: asked", hour / 2)
          about(three!, "c sees root/a/b/c/d: asked", hour / 4)
          // The rest is a matter of tenths of a second; that it comes to an end is shown everywhere.
          if (!can.time) return
          about(four!, "c sees root/a/b/c/d: terminated", 225)
          expect(five).toBe("c sees root/a/b/c/d: killed 0")
          expect(others).toEqual([])
        })
      ))

    it("S5 D1 a cancel carries the time left: what the callee ends is ended in half of it, and three tenths", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn("a", { file, children: {} })
          const call = yield* Effect.forkChild(
            Effect.provideService(a.client.Below(hour), Deadline.JoinBound, "2 seconds")
          )
          yield* observer.until("below hangs")
          const left = yield* Effect.forkChild(Fiber.interrupt(call), { startImmediately: true })
          yield* elapse("1 second")
          yield* elapse("600 millis")
          yield* Fiber.join(left)
          // A join has a bound, and on a slow machine it may be shorter than all that.
          yield* observer.until("a sees root/a/below: killed 0")
          const [asked, terminated, killed] = observer
            .lines()
            .filter((line) => line.includes(" sees "))
          about(asked!, "a sees root/a/below: asked", 1000)
          about(terminated!, "a sees root/a/below: terminated", 600)
          expect(killed).toBe("a sees root/a/below: killed 0")
          if (can.time) expect(seen.of("NotJoined")).toEqual([])
        })
      ))

    it("S5 D1 a callee that is joined is hurried when its caller has less time", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn(
            "a",
            { file, children: { b: { file, children: {} } } },
            { grace: "4 seconds" }
          )
          const call = yield* Effect.forkChild(
            Effect.provideService(a.client.FarBelow(hour), Deadline.JoinBound, "1 hour")
          )
          yield* observer.until("below hangs")
          // It joins for 5 s, unless it is told to hurry.
          yield* Effect.forkChild(Fiber.interrupt(call), { startImmediately: true })
          yield* observer.until("below ends")
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          yield* elapse("1 second")
          yield* elapse("600 millis")
          yield* Fiber.join(stop)
          yield* endedInTime(a)
          const [asked, terminated, killed] = observer
            .lines()
            .filter((line) => line.includes(" sees "))
          about(asked!, "b sees root/a/b/below: asked", 2500)
          about(terminated!, "b sees root/a/b/below: terminated", 600)
          expect(killed).toBe("b sees root/a/b/below: killed 0")
        })
      ))

    it("S5 daemons that go one after the other share the time that is left", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn("a", { file, children: {} })
          yield* Effect.forkChild(Effect.exit(a.client.Two(hour)))
          yield* observer.until("a sees root/a/y: asked 3000")
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          for (const wait of [750, 450, 900, 540]) yield* elapse(wait)
          yield* Fiber.join(stop)
          yield* endedInTime(a)
          const [, y, , x1, x2] = observer.lines().filter((line) => line.includes(" sees "))
          about(y!, "a sees root/a/y: terminated", 450)
          about(x1!, "a sees root/a/x: asked", 900)
          about(x2!, "a sees root/a/x: terminated", 540)
        })
      ))

    it("S5 where there is no time for one after the other, the rest is stopped together", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn("a", { file, children: {} }, { grace: "300 millis" })
          yield* Effect.forkChild(Effect.exit(a.client.Two(hour)))
          yield* observer.until("a sees root/a/y: asked 3000")
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          yield* elapse("100 millis")
          yield* elapse("100 millis")
          yield* elapse("100 millis")
          yield* elapse("100 millis")
          yield* Fiber.join(stop)
          const sees = observer.lines().filter((line) => line.includes(" sees "))
          expect(sees.slice(1)).toEqual([
            "a sees root/a/y: terminated 100",
            "a sees root/a/y: killed 0",
            "a sees root/a/x: asked 100",
            "a sees root/a/x: terminated 100",
            "a sees root/a/x: killed 0"
          ])
        })
      ))

    it("S5 no grace at all is none: every stage is passed at once", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const worker = yield* spawn(
            "hopeless",
            { lingers: hour },
            { grace: 0, terminateGrace: 0 }
          )
          yield* worker.stop
          expect(stagesOf(seen)).toEqual([
            ["root/hopeless", "asked", 0],
            ["root/hopeless", "terminated", 0],
            ["root/hopeless", "killed", 0]
          ])
          expect(yield* worker.exit).toMatchObject({ stage: "killed" })
          // The fiber that stands for a killed process still sleeps in its finalizer.
          if (!can.time) assert(yield* isGone(worker))
        })
      ))

    it("S5 an actor whose grace has no end is waited for, until whoever waits has to end itself", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const a = yield* spawn("a", {
            file,
            grace: "forever",
            children: { b: { file, lingers: 2_000_000_000 } }
          })
          yield* Effect.forkChild(Effect.exit(a.client.StopChildren()))
          yield* observer.until("b ends")
          yield* elapse("20 days")
          expect(observer.lines().filter((line) => line.includes(" sees "))).toHaveLength(1)
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          yield* elapse("1500 millis")
          yield* elapse("900 millis")
          yield* Fiber.join(stop)
          yield* endedInTime(a)
        })
      ))

    it("S5 an actor that is kept from its end while it is asked to has crashed", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("slow", { file: observer.file, lingers: hour })
              const stop = yield* Effect.forkChild(worker.stop, { startImmediately: true })
              yield* observer.until("slow ends")
              yield* crash(worker)
              yield* Fiber.join(stop)
              expect(yield* worker.exit).toMatchObject({ _tag: "Crashed" })
            })
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.cause).toMatchObject({ stage: "asked", exit: { signal: "SIGKILL" } })
      }))

    it("F6 who ends says what it waits for, down to the last level, a moment after it was asked to and then each second", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const observer = yield* Observer.make(world)
          const { file } = observer
          const grace = can.time ? "3 seconds" : "1 minute"
          const a = yield* spawn("a", { file, children: { b: { file } } }, { grace })
          // Where the time is real, it takes not so long, and has all the time that it may need.
          yield* Effect.forkChild(Effect.exit(a.client.FarCling(can.time ? hour : 2000)))
          yield* observer.until("b clings")
          const stop = yield* Effect.forkChild(a.stop, { startImmediately: true })
          for (const wait of [250, 1000, 250, 750, 450]) yield* elapse(wait)
          yield* Fiber.join(stop)
          expect(yield* a.exit).toMatchObject({ stage: "asked" })
          const told = seen.of("Waiting").map(({ actor, more, waits }) => {
            expect(actor).toEqual(a.actor)
            expect(more).toBe(0)
            return waits
          })
          // It joins what its handler called for half of its grace, and then ends the child.
          const handler = { actor: "root/a", for: "operation", operation: "FarCling" }
          const callee = { actor: "root/a/b", for: "callee", operation: "Cling" }
          const below = { actor: "root/a/b", for: "operation", operation: "Cling" }
          if (can.time) {
            expect(told).toEqual([
              [
                { ...handler, millis: 250 },
                { ...callee, millis: 250 }
              ],
              [
                { ...handler, millis: 1250 },
                { ...callee, millis: 1250 }
              ],
              [{ ...below, millis: 2250 }]
            ])
          } else expect(told[0]).toMatchObject([handler, callee])
          expect(Waits.describe({ waits: told[0]!, more: 2 })).toMatch(
            /^a finalizer of FarCling in "root\/a" \(\d\.\d s\), and the end of Cling, which it has left, in "root\/a\/b" \(\d\.\d s\), and 2 more$/
          )
        })
      ))

    it("F5 F6 each stage that is needed is warned of, with what is waited for", () =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const logger = Logger.make(({ message }) => void told.push(String(message)))
        yield* Nursery.run(
          Effect.gen(function* () {
            const worker = yield* spawn("stubborn", { lingers: hour }, hasty)
            const stop = yield* Effect.forkChild(worker.stop, { startImmediately: true })
            yield* elapse("150 millis")
            yield* elapse("150 millis")
            yield* elapse("200 millis")
            yield* Fiber.join(stop)
          })
        ).pipe(Effect.provide(Logger.layer([logger])))
        if (can.time) {
          expect(told).toEqual([
            'The actor "root/stubborn" has not ended 0.3 s after it was asked to, and waits for a finalizer of "root/stubborn" itself (0.3 s). It gets SIGTERM.',
            'The actor "root/stubborn" has not ended 0.2 s after SIGTERM, and waits for a finalizer of "root/stubborn" itself (0.5 s). It gets SIGKILL.'
          ])
        } else {
          expect(told).toEqual(
            [
              / after it was asked to, .* It gets SIGTERM.$/,
              / after SIGTERM, .* It gets SIGKILL.$/
            ].map((pattern) => expect.stringMatching(pattern))
          )
        }
      }))

    it("F6 stop asked for by three parties at once, and by the block, resolves once for all, after exit and reap", () =>
      Nursery.run(
        Effect.gen(function* () {
          const seen = yield* events
          const worker = yield* spawn("wanted", { lingers: 300 })
          const told: Array<boolean> = []
          const party = (ask: Effect.Effect<void, never, Nursery.Nursery>) =>
            Effect.flatMap(ask, () =>
              Effect.map(isGone(worker), (gone) => void told.push(gone))
            ).pipe(Effect.forkChild({ startImmediately: true }))
          const parties = [
            yield* party(worker.stop),
            yield* party(worker.stop),
            yield* party(Effect.uninterruptible(worker.stop)),
            yield* party(Nursery.cancel)
          ]
          yield* elapse("300 millis")
          yield* Effect.forEach(parties, Fiber.join)
          yield* worker.stop
          expect(told).toEqual([true, true, true, true])
          expect(stagesOf(seen)).toEqual([["root/wanted", "asked", 3000]])
          expect(seen.of("Stopped")).toHaveLength(1)
        })
      ))

    it("F6 stop asked for while the actor comes up ends it, and the spawn, after its finalizers", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const late = yield* Effect.forkChild(
            Effect.exit(spawn("late", { file: observer.file, build: "hang", lingers: 200 }))
          )
          yield* observer.until("late is being built")
          const cancel = yield* Effect.forkChild(Nursery.cancel, { startImmediately: true })
          const again = yield* Effect.forkChild(Effect.uninterruptible(Nursery.cancel))
          yield* observer.until("late ends")
          yield* elapse("200 millis")
          yield* Fiber.join(cancel)
          yield* Fiber.join(again)
          expect(observer.lines().at(-1)).toBe("late has ended")
          const error = only(yield* Fiber.join(late))
          assert(error instanceof SpawnError && error.reason instanceof NurseryClosed)
        })
      ))

    it("F6 stop asked for from a finalizer of who calls the actor resolves, bounded", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const seen = yield* events
          const worker = yield* spawn("called", { file: observer.file, lingers: hour }, hasty)
          const call = yield* Effect.forkChild(
            Effect.ensuring(worker.client.Hang(), Effect.andThen(worker.stop, worker.stop))
          )
          yield* observer.until("called hangs")
          const left = yield* Effect.forkChild(Fiber.interrupt(call), { startImmediately: true })
          yield* observer.until("called ends")
          yield* elapse("300 millis")
          yield* elapse("200 millis")
          yield* Fiber.join(left)
          expect(stagesOf(seen)).toEqual([
            ["root/called", "asked", 300],
            ["root/called", "terminated", 200],
            ["root/called", "killed", 0]
          ])
        })
      ))

    it("F6 stop asked for of an actor that is just crashing waits for that, and is no second end", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("doomed", {})
              yield* crash(worker)
              yield* worker.stop
              expect(yield* worker.exit).toMatchObject({ cause: { exit: { signal: "SIGKILL" } } })
              assert(yield* isGone(worker))
              yield* worker.stop
            }).pipe(Effect.uninterruptible)
          )
        )
        assert(only(exit) instanceof ActorCrashed)
        expect(seen.of("Crashed").length + seen.of("Stopped").length).toBe(1)
      }))

    it("F6 a child may ask its parent to end everything: neither waits for the other", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        yield* Nursery.run(
          Effect.gen(function* () {
            const nursery = yield* Nursery.Nursery
            const asked = yield* Deferred.make<void>()
            // A handler that cannot be interrupted, and that the end of the child waits for.
            const handlers = Boss.toLayer({
              EndAll: () =>
                Effect.uninterruptible(
                  Effect.andThen(nursery.cancel, Effect.asVoid(Deferred.succeed(asked, undefined)))
                )
            })
            const worker = yield* Nursery.spawn(Worker, {
              ...main,
              name: "asking",
              serve: Boss,
              arguments: { file: observer.file }
            }).pipe(Effect.provide(handlers))
            yield* Effect.forkChild(Effect.exit(worker.client.AskParent()))
            // The child leaves its call before it ends, and joins it for half of its grace.
            yield* observer.until("asking asks")
            yield* elapse("1500 millis")
            yield* Deferred.await(asked)
            expect(yield* worker.exit).toMatchObject({ _tag: "Stopped", stage: "asked" })
          })
        )
      }))

    const blocking = needing("blocking")
    const leaving = needing("exits")
    const signalled = needing("signals")

    blocking.it(
      "S5 F5 a process that ignores SIGTERM and blocks its thread is killed, and nothing was heard of it",
      () =>
        Effect.gen(function* () {
          const told: Array<string> = []
          const logger = Logger.make(({ message }) => void told.push(String(message)))
          const observer = yield* Observer.make(world)
          yield* Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("deaf", { file: observer.file }, hasty)
              yield* worker.client.OnTerminate("ignore")
              const block = yield* Effect.forkChild(Effect.exit(worker.client.Block(60_000)))
              yield* observer.until("deaf blocks")
              yield* worker.stop
              expect(yield* worker.exit).toEqual({
                _tag: "Stopped",
                stage: "killed",
                exit: { signal: "SIGKILL" }
              })
              const error = only(yield* Fiber.join(block))
              assert(error instanceof PortalError && error.reason instanceof Cancelled)
              assert(yield* isGone(worker))
            })
          ).pipe(Effect.provide(Logger.layer([logger])))
          expect(told).toMatchObject(
            [
              /^The actor "root\/deaf" has not ended \d+\.\d s after it was asked to, and has said nothing since it was asked to: its thread may be blocked. It gets SIGTERM.$/,
              /It gets SIGKILL.$/
            ].map((pattern) => expect.stringMatching(pattern))
          )
        })
    )

    blocking.it(
      "S5 F5 a great-grandchild that ignores everything is killed in time, and nobody above it with it",
      () =>
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          let begun = 0
          yield* Nursery.run(
            Effect.gen(function* () {
              const seen = yield* events
              // The last one gets little time, so that everybody above has enough, however busy the machine is.
              const d = { file, blocks: 600_000 }
              const c = { file, grace: 300, terminateGrace: 200, children: { d } }
              const b = { file, grace: "forever", children: { c } } as const
              const a = yield* spawn(
                "a",
                { file, grace: "forever", children: { b } },
                { grace: "2 minutes" }
              )
              yield* observer.until("d blocks")
              begun = performance.now()
              yield* a.stop
              expect(yield* a.exit).toEqual({ _tag: "Stopped", stage: "asked", exit: { code: 0 } })
              expect(stagesOf(seen)).toEqual([["root/a", "asked", 120_000]])
            })
          )
          expect(performance.now() - begun).toBeLessThan(patience(500))
          const [one, two, ...others] = observer.lines().filter((line) => line.includes(" sees "))
          about(one!, "a sees root/a/b: asked", 60_000)
          about(two!, "b sees root/a/b/c: asked", 30_000)
          expect(others).toEqual([
            "c sees root/a/b/c/d: asked 300",
            "c sees root/a/b/c/d: terminated 200",
            "c sees root/a/b/c/d: killed 0"
          ])
        })
    )

    needing("blocking", "signals").it(
      "S5 a process that blocks its thread ends at SIGTERM, if it leaves that signal to the system",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const observer = yield* Observer.make(world)
            const worker = yield* spawn(
              "blocked",
              { file: observer.file },
              {
                grace: "300 millis"
              }
            )
            yield* worker.client.OnTerminate("die")
            yield* Effect.forkChild(Effect.exit(worker.client.Block(60_000)))
            yield* observer.until("blocked blocks")
            yield* worker.stop
            expect(yield* worker.exit).toEqual({
              _tag: "Stopped",
              stage: "terminated",
              exit: { signal: "SIGTERM" }
            })
          })
        )
    )

    blocking.it(
      "CANC-16 a blocked grandchild is killed in time, and its parent ends by itself",
      () =>
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const { file } = observer
          const seen = yield* events
          let begun = 0
          const exit = yield* Effect.exit(
            Nursery.run(
              Effect.gen(function* () {
                // A part of the time that it could give, so that it is done in time on a busy machine, too.
                const b = { file, blocks: 60_000 }
                const plan = { file, grace: 600, terminateGrace: 400, children: { b } }
                yield* spawn("a", plan, { grace: "1 minute" })
                yield* observer.until("b blocks")
                begun = performance.now()
                return yield* Effect.fail("the body's")
              })
            )
          )
          expect(only(exit)).toBe("the body's")
          expect(performance.now() - begun).toBeGreaterThan(1000)
          expect(performance.now() - begun).toBeLessThan(patience(1500))
          const sees = observer.lines().filter((line) => line.includes(" sees "))
          expect(sees.map((line) => line.split(" ").at(-2))).toEqual([
            "asked",
            "terminated",
            "killed"
          ])
          expect(seen.of("Stopped")).toMatchObject([{ stage: "asked", exit: { code: 0 } }])
        })
    )

    leaving.it("CANC-22 a process that has said its last word and does not exit is ended", () =>
      Nursery.run(
        Effect.gen(function* () {
          const worker = yield* spawn("lasting", {}, hasty)
          yield* worker.client.Persist()
          yield* worker.stop
          expect(yield* worker.exit).toMatchObject({ _tag: "Stopped", stage: "killed" })
          assert(yield* isGone(worker))
        })
      )
    )

    blocking.it(
      "ONE-16 a process that takes no more bytes is ended, and so is what was being said to it",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const observer = yield* Observer.make(world)
            const worker = yield* spawn("full", { file: observer.file }, hasty)
            yield* Effect.forkChild(Effect.exit(worker.client.Block(60_000)))
            yield* observer.until("full blocks")
            const long = yield* Effect.forkChild(
              Effect.exit(worker.client.Length("x".repeat(20_000_000)))
            )
            yield* Effect.yieldNow
            yield* worker.stop
            const error = only(yield* Fiber.join(long))
            assert(error instanceof PortalError && error.reason instanceof Cancelled)
            expect(yield* worker.exit).toMatchObject({ stage: "killed" })
            assert(yield* isGone(worker))
          })
        )
    )

    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129]
    ] as const) {
      signalled.it(
        `BOOT-20 a daemon that gets ${signal} ends in order, which is a crash with code ${code}`,
        () =>
          Effect.gen(function* () {
            const observer = yield* Observer.make(world)
            const { file } = observer
            let begun = 0
            const exit = yield* Effect.exit(
              Nursery.run(
                Effect.gen(function* () {
                  const worker = yield* spawn("signalled", { file, children: { below: { file } } })
                  begun = performance.now()
                  yield* Effect.sync(() => process.kill(worker.pid!, signal))
                  return yield* worker.client.Hang()
                })
              )
            )
            const error = only(exit)
            assert(error instanceof ActorCrashed)
            expect(error.cause.exit).toEqual({ code })
            expect(error.message).toContain(`code ${code}`)
            expect(observer.lines().filter((line) => line.endsWith("has ended"))).toEqual([
              "signalled has ended",
              "below has ended"
            ])
            expect(performance.now() - begun).toBeLessThan(patience(600))
          })
      )
    }
  })
}
