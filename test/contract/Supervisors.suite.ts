/**
 * Supervisors: children that are started again when they crash. Fault F20, the strategies, what a supervised portal meets,
 * children added at run time, supervisors below supervisors; and that no crash is lost, whatever else happens meanwhile.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Actor from "furrow/Actor"
import * as ChildSpec from "furrow/ChildSpec"
import * as Deadline from "furrow/Deadline"
import * as Life from "furrow/Life"
import * as Nursery from "furrow/Nursery"
import { Cancelled, DeadlineExceeded, Disconnected, PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import * as Supervisor from "furrow/Supervisor"
import { TestWorld } from "furrow/testing"
import {
  ActorCrashed,
  ForkFailed,
  LimitReached,
  RestartIntensityExceeded,
  SpawnError
} from "furrow/TreeError"
import { Bed, Caller, Refused } from "./fixtures/Calls.ts"
import { Keeper, Kept } from "./fixtures/Kept.ts"
import type { Lives } from "./fixtures/Kept.ts"
import * as Observer from "./Observer.ts"
import { events, only, reasonsOf } from "./Watching.ts"
import type { Watch } from "./Watching.ts"
import { patience } from "./World.ts"
import type { World } from "./World.ts"

type KeptOperations = Actor.OperationsOf<typeof Kept>
type KeptPortal = Supervisor.SupervisedPortal<KeptOperations>

/** Restarts without a bound, a moment after each crash. */
const freely = {
  intensity: { maxRestarts: Infinity },
  backoff: Schedule.spaced("10 millis")
} as const

export default (world: World): void => {
  const { can, crash, elapse, isGone, it, main, name, needing } = world

  /** What every test has: somebody to be told, everything that happens, and children that tell. */
  interface Given {
    readonly seen: Watch
    readonly lines: () => ReadonlyArray<string>
    /** Waits until so many lives of this name have come. */
    readonly come: (name: string, times: number) => Effect.Effect<void>
    readonly kept: (
      lives?: Lives,
      keeping?: ChildSpec.Keeping
    ) => ChildSpec.ChildSpec<KeptOperations>
    readonly file: string
  }

  /** A test, after which nobody who was ever ready is there. */
  const test = (
    title: string,
    body: (
      given: Given
    ) => Effect.Effect<unknown, unknown, Spawner | TestWorld.TestWorld | Scope.Scope>,
    testing = it
  ) =>
    testing(title, () =>
      Effect.gen(function* () {
        const seen = yield* events
        const { file, lines } = yield* Observer.make(world)
        yield* body({
          seen,
          file,
          lines,
          come: (name, times) =>
            until(
              `${times} lives of ${name}`,
              () => lines().filter((line) => line === `${name} comes`).length === times
            ),
          kept: (lives = {}, keeping = {}) =>
            ChildSpec.make(Kept, {
              ...main,
              ...keeping,
              stderr: "pipe",
              arguments: { ...lives, file }
            })
        })
        for (const door of seen.of("Started")) {
          assert(yield* isGone(door), `${door.actor.path} is still there`)
        }
      })
    )

  /** Waits until something holds; in a world where the test owns the time, that goes on in small steps. */
  const until = (what: string, holds: () => boolean): Effect.Effect<void> => {
    const end = performance.now() + patience(2000)
    const look: Effect.Effect<void> = Effect.suspend(() => {
      if (holds()) return Effect.void
      if (performance.now() > end) return Effect.die(new Error(`it never came to this: ${what}`))
      return Effect.andThen(can.time ? elapse("5 millis") : Effect.sleep("5 millis"), look)
    })
    return look
  }

  /** Waits for the life of this number. */
  const life = ({ client }: KeptPortal, which: number) => {
    let now: number | undefined
    const ask = Effect.map(Effect.exit(client.Which()), (exit) => {
      now = Exit.isSuccess(exit) ? exit.value : undefined
    })
    const look: Effect.Effect<void> = Effect.andThen(ask, () =>
      now === which
        ? Effect.void
        : Effect.andThen(can.time ? elapse("5 millis") : Effect.sleep("5 millis"), look)
    )
    return look
  }

  const kill = (portal: KeptPortal) => Effect.flatMap(portal.current, (door) => crash(door))

  /** Lets a child end normally: its process exits with code 0. */
  const finish = (portal: KeptPortal) =>
    can.exits
      ? Effect.exit(portal.client.Leave(0))
      : Effect.flatMap(portal.current, (door) => TestWorld.crash(door, { code: 0 }))

  /** The reason of the one error that the machinery has told. */
  const reasonOf = (exit: Exit.Exit<unknown, unknown>) => {
    const error = only(exit)
    assert(error instanceof PortalError, String(error))
    return error.reason
  }

  const stateOf = (supervisor: Supervisor.Supervisor<Supervisor.Children>) =>
    Effect.map(supervisor.list, (list) => list.map(({ name, state }) => `${name} ${state}`))

  /** Waits until the children are in these states. */
  const states = (
    supervisor: { readonly list: Effect.Effect<ReadonlyArray<Supervisor.ChildState>> },
    wanted: ReadonlyArray<string>
  ) => {
    const look: Effect.Effect<void> = Effect.flatMap(supervisor.list, (list) => {
      const now = list.map(({ name, state }) => `${name} ${state}`)
      return JSON.stringify(now) === JSON.stringify(wanted)
        ? Effect.void
        : Effect.andThen(can.time ? elapse("5 millis") : Effect.sleep("5 millis"), look)
    })
    return look
  }

  describe(`a supervisor (${name})`, () => {
    test("children are started in the order they are written in, and stopped in reverse", ({
      kept,
      lines
    }) =>
      Effect.gen(function* () {
        const value = yield* Supervisor.run(
          { children: { zoe: kept(), adam: kept(), mia: kept() } },
          (supervisor) =>
            Effect.gen(function* () {
              expect(lines()).toEqual(["zoe comes", "adam comes", "mia comes"])
              expect(yield* supervisor.portal("adam").client.Which()).toBe(1)
              return yield* stateOf(supervisor)
            })
        )
        expect(value).toEqual(["zoe up", "adam up", "mia up"])
        expect(lines().slice(3)).toEqual(["mia goes", "adam goes", "zoe goes"])
      }))

    test("a child that is killed is started again, and a call in flight is told so", ({
      kept,
      seen
    }) =>
      Supervisor.run({ ...freely, children: { one: kept(), two: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          const one = supervisor.portal("one")
          const before = yield* one.current
          const hanging = yield* Effect.forkChild(one.client.Hang())
          yield* one.client.Which()
          yield* crash(before)
          const reason = reasonOf(yield* Fiber.await(hanging))
          assert(reason instanceof Disconnected)
          expect(reason.crash).toMatchObject({ signal: "SIGKILL" })
          yield* life(one, 2)
          const after = yield* one.current
          expect(after.actor.path).toBe("root/one")
          expect(after.actor.incarnation).not.toBe(before.actor.incarnation)
          expect(yield* supervisor.portal("two").client.Which(), "its sibling lives on").toBe(1)
          const [restarting, ...others] = seen.of("Restarting")
          expect(others).toEqual([])
          expect(restarting).toMatchObject({
            child: "one",
            actor: "root/one",
            restarts: 1,
            wait: 10
          })
          assert(restarting!.cause instanceof ActorCrashed)
          expect(restarting!.cause.cause.exit).toMatchObject({ signal: "SIGKILL" })
          const list = yield* supervisor.list
          expect(list).toMatchObject([
            { name: "one", state: "up", actor: after.actor, restarts: 1 },
            { name: "two", state: "up", restarts: 0 }
          ])
        })
      ))

    test("F20 a child that dies at once is given up after as many restarts as are allowed", ({
      kept,
      lines,
      seen
    }) =>
      Effect.gen(function* () {
        let interrupted = false
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              children: { well: kept(), loop: kept({ lives: ["brief"] }) },
              intensity: { maxRestarts: 3, within: "1 minute" },
              backoff: Schedule.spaced("10 millis")
            },
            () =>
              Effect.onInterrupt(Effect.never, () =>
                Effect.sync(() => {
                  interrupted = true
                })
              )
          )
        )
        yield* until("it gave up", () => seen.of("GaveUp").length > 0)
        const error = only(yield* Fiber.await(block))
        assert(error instanceof RestartIntensityExceeded, String(error))
        expect(error).toMatchObject({
          child: "loop",
          limit: "intensity",
          restarts: 3,
          within: 60_000
        })
        const last = only(Exit.failCause(error.cause))
        assert(last instanceof ActorCrashed)
        expect(last.message).toContain("loop was brief")
        expect(interrupted, "the body was interrupted").toBe(true)
        expect(lines().filter((line) => line === "loop comes").length).toBe(4)
        expect(seen.of("Restarting").map(({ restarts }) => restarts)).toEqual([1, 2, 3])
        expect(seen.of("GaveUp").map(({ error }) => error)).toEqual([error])
        expect(lines().at(-1), "its sibling is stopped then").toBe("well goes")
      }))

    test(
      "F20 the times between the restarts are those of the schedule",
      ({ kept, lines, seen }) =>
        Effect.gen(function* () {
          const comes = () => lines().filter((line) => line === "loop comes").length
          const block = yield* Effect.forkChild(
            Supervisor.run(
              {
                children: { loop: kept({ lives: ["brief"] }) },
                intensity: { maxRestarts: 4, within: "1 hour" },
                backoff: Schedule.exponential("1 second")
              },
              () => Effect.never
            )
          )
          for (const [n, wait] of [1000, 2000, 4000, 8000].entries()) {
            yield* elapse(0)
            expect(seen.of("Restarting").at(-1)).toMatchObject({ wait, restarts: n + 1 })
            yield* elapse(wait - 1)
            expect(comes()).toBe(n + 1)
            yield* elapse(1)
            expect(comes()).toBe(n + 2)
          }
          expect(only(yield* Fiber.await(block))).toBeInstanceOf(RestartIntensityExceeded)
        }),
      needing("time").it
    )

    test(
      "F20 by default the waits grow from 50 ms, a fifth more or less by chance, which a seed decides",
      ({ kept, seen }) =>
        Effect.gen(function* () {
          const waits = Effect.gen(function* () {
            const from = seen.of("Restarting").length
            const block = yield* Effect.forkChild(
              Supervisor.run({ children: { loop: kept({ lives: ["brief"] }) } }, () => Effect.never)
            )
            yield* until("it gave up", () => block.pollUnsafe() !== undefined)
            const error = only(yield* Fiber.await(block))
            expect(error).toMatchObject({ restarts: 3, within: 5000 })
            return seen
              .of("Restarting")
              .slice(from)
              .map(({ wait }) => wait)
          })
          const once = yield* Random.withSeed(waits, "one")
          expect(once.length).toBe(3)
          for (const [n, wait] of once.entries()) {
            expect(wait).toBeGreaterThanOrEqual(40 * 2 ** n)
            expect(wait).toBeLessThanOrEqual(60 * 2 ** n)
          }
          expect(yield* Random.withSeed(waits, "one")).toEqual(once)
          expect(yield* Random.withSeed(waits, "two")).not.toEqual(once)
        }),
      needing("time").it
    )

    test(
      "a child that has been up for as long as the window begins its backoff anew, and what is past counts no more",
      ({ kept, seen }) =>
        Supervisor.run(
          {
            children: { one: kept() },
            intensity: { maxRestarts: 2, within: "10 seconds" },
            backoff: Schedule.exponential("1 second")
          },
          (supervisor) =>
            Effect.gen(function* () {
              const one = supervisor.portal("one")
              const killed = Effect.gen(function* () {
                yield* kill(one)
                yield* elapse(0)
                yield* elapse(seen.of("Restarting").at(-1)!.wait)
                const { restarts, wait } = seen.of("Restarting").at(-1)!
                return [restarts, wait]
              })
              expect(yield* killed).toEqual([1, 1000])
              expect(yield* killed).toEqual([2, 2000])
              yield* elapse("9999 millis")
              expect(yield* killed, "not quite").toEqual([1, 4000])
              yield* elapse("10 seconds")
              expect(yield* killed).toEqual([1, 1000])
            })
        ),
      needing("time").it
    )

    test("a restart that does not come up counts as another crash", ({ kept, seen }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              children: { one: kept({ lives: ["brief", "unable", "unable"] }) },
              intensity: { maxRestarts: 2, within: "1 minute" },
              backoff: Schedule.spaced("10 millis")
            },
            () => Effect.never
          )
        )
        yield* until("it gave up", () => seen.of("GaveUp").length > 0)
        const error = only(yield* Fiber.await(block))
        assert(error instanceof RestartIntensityExceeded)
        expect(error.restarts).toBe(2)
        const last = only(Exit.failCause(error.cause))
        assert(last instanceof SpawnError)
        expect(last.message).toContain("one is unable")
        const told = seen.of("Restarting").map(({ cause }) => cause._tag)
        expect(told).toEqual(["ActorCrashed", "SpawnError"])
      }))

    test("a budget is for all time", ({ kept, seen }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              children: { one: kept() },
              intensity: { maxRestarts: 5, within: "1 milli", budget: 2 }
            },
            (supervisor) =>
              Effect.gen(function* () {
                const one = supervisor.portal("one")
                for (const next of [2, 3]) {
                  yield* kill(one)
                  yield* life(one, next)
                }
                yield* kill(one)
                return yield* Effect.never
              })
          )
        )
        yield* until("it gave up", () => seen.of("GaveUp").length > 0)
        const error = only(yield* Fiber.await(block))
        assert(error instanceof RestartIntensityExceeded)
        const { limit, restarts, within } = error
        expect({ limit, restarts, within }).toEqual({
          limit: "budget",
          restarts: 2,
          within: undefined
        })
      }))

    test("a backoff that ends means giving up; it is told what ended the child", ({ kept, seen }) =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              children: { one: kept({ lives: ["brief", "unable"] }) },
              intensity: { maxRestarts: 100 },
              backoff: Schedule.spaced("10 millis").pipe(
                Schedule.setInputType<{ readonly _tag: string }>(),
                Schedule.passthrough,
                Schedule.tap(({ input }) => Effect.sync(() => told.push(input._tag))),
                Schedule.upTo({ times: 1 })
              )
            },
            () => Effect.never
          )
        )
        yield* until("it gave up", () => seen.of("GaveUp").length > 0)
        expect(only(yield* Fiber.await(block))).toMatchObject({
          _tag: "RestartIntensityExceeded",
          limit: "backoff",
          restarts: 1
        })
        expect(told[0]).toBe("ActorCrashed")
        expect(seen.of("Restarting").length).toBe(1)
      }))

    test("a child that does not come up at first is a SpawnError, and those before it are ended", ({
      kept,
      lines
    }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Supervisor.run(
            {
              ...freely,
              children: { one: kept(), two: kept({ lives: ["unable"] }), three: kept() }
            },
            () => Effect.die("the body must not run")
          )
        )
        const error = only(exit)
        assert(error instanceof SpawnError, String(error))
        expect(error.actor).toBe("root/two")
        expect(lines()).toEqual(["one comes", "two comes", "one goes"])
      }))

    test("one that crashes too often while others come up for the first time ends it all", ({
      kept,
      seen
    }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Supervisor.run(
            {
              intensity: { maxRestarts: 0 },
              children: { one: kept({ lives: ["brief"] }), two: kept({ lives: ["hangs"] }) }
            },
            () => Effect.die("the body must not run")
          )
        )
        expect(only(exit)).toMatchObject({ _tag: "RestartIntensityExceeded", child: "one" })
        expect(seen.of("GaveUp").length).toBe(1)
      }))

    test("one that crashes while others come up for the first time is started again", ({
      come,
      kept,
      lines,
      seen
    }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              strategy: "one-for-all",
              children: { one: kept(), two: kept({ lives: ["hangs", "well"] }) }
            },
            () => Effect.sync(lines)
          )
        )
        yield* come("two", 1)
        yield* crash(seen.of("Started")[0]!)
        yield* until("it is there", () => block.pollUnsafe() !== undefined)
        const comes = (yield* Fiber.join(block)).filter((line) => line.endsWith("comes"))
        expect(comes).toEqual(["one comes", "two comes", "one comes", "two comes"])
      }))

    test("a block that is interrupted while a child comes up for the first time leaves nothing", ({
      come,
      kept,
      lines
    }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            { children: { one: kept(), two: kept({ lives: ["hangs"] }) } },
            () => Effect.void
          )
        )
        yield* come("two", 1)
        yield* Fiber.interrupt(block)
        const exit = yield* Fiber.await(block)
        assert(Exit.isFailure(exit))
        expect(Cause.hasInterruptsOnly(exit.cause)).toBe(true)
        expect(lines()).toEqual(["one comes", "two comes", "one goes"])
      }))

    test("what a child fails with while it ends with its block is told", ({ kept, lines }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Supervisor.run(
            { ...freely, children: { one: kept({ dies: "it would not go" }), two: kept() } },
            () => Effect.succeed(1)
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed, String(error))
        expect(error.message).toContain("it would not go")
        expect(lines().at(-1)).toBe("one goes")
      }))

    test("a key that JavaScript puts first is a defect that names it", ({ kept }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Supervisor.run({ children: { first: kept(), "1": kept() } }, () => Effect.void)
        )
        const error = only(exit)
        assert(error instanceof Error)
        expect(error.message).toContain('a child called "1"')
        const large = yield* Effect.exit(
          Supervisor.run({ children: { first: kept(), "3000000000": kept() } }, () => Effect.void)
        )
        expect(String(only(large))).toContain('a child called "3000000000"')
      }))

    test("one without children is there at once, and children may be added to it", ({ kept }) =>
      Supervisor.run({ children: {} }, (supervisor) =>
        Effect.gen(function* () {
          const one = yield* supervisor.start("one", kept())
          expect(yield* one.client.Which()).toBe(1)
        })
      ))

    test("a bug in what a child is started with ends it all, and is told as one", ({
      file,
      kept
    }) =>
      Effect.gen(function* () {
        const unfit = ChildSpec.make(Kept, { ...main, arguments: { file, lingers: 0.5 } })
        const exit = yield* Effect.exit(
          Supervisor.run({ children: { one: kept(), two: unfit } }, () => Effect.void)
        )
        assert(Exit.isFailure(exit))
        expect(exit.cause.reasons.map(({ _tag }) => _tag)).toEqual(["Die"])
        expect(only(exit)).toMatchObject({ _tag: "EncodeError" })
      }))

    test("two that crash at once, where the backoff has ended, are one giving up", ({
      kept,
      seen
    }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              children: { one: kept(), two: kept() },
              backoff: Schedule.spaced("1 hour").pipe(Schedule.upTo({ times: 0 }))
            },
            (supervisor) =>
              Effect.gen(function* () {
                const doors = yield* Effect.all([
                  supervisor.portal("one").current,
                  supervisor.portal("two").current
                ])
                yield* Effect.forEach(doors, (door) => crash(door), { concurrency: "unbounded" })
                return yield* Effect.never
              })
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        // The other one's death may come to light only as it is ended.
        const told = reasonsOf(yield* Fiber.await(block))
        const escalations = told.filter((error) => !(error instanceof ActorCrashed))
        expect(escalations).toMatchObject([{ limit: "backoff", restarts: 0 }])
        expect(seen.of("GaveUp").length).toBe(1)
        expect(seen.of("Restarting")).toEqual([])
      }))

    test("a crash of a child that is to be ended anyway is no failure", ({ kept, seen }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              intensity: { maxRestarts: 0 },
              children: { one: kept(), slow: kept({ lingers: 500 }) }
            },
            () => Effect.succeed(seen.of("Started")[0]!)
          )
        )
        yield* until("the last is asked to end", () => seen.of("Stage").length > 0)
        yield* crash(seen.of("Started")[0]!)
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        assert(Exit.isSuccess(yield* Fiber.await(block)))
        expect(seen.of("GaveUp")).toEqual([])
      }))
  })

  describe(`when a child is started again (${name})`, () => {
    test("a transient child is after a crash, and is not when it has ended normally", ({
      kept,
      lines
    }) =>
      Supervisor.run(
        { ...freely, children: { one: kept({}, { restart: "transient" }), other: kept() } },
        (supervisor) =>
          Effect.gen(function* () {
            const one = supervisor.portal("one")
            yield* kill(one)
            yield* life(one, 2)
            yield* finish(one)
            yield* states(supervisor, ["one ended", "other up"])
            const reason = reasonOf(yield* Effect.exit(one.client.Which()))
            assert(reason instanceof Disconnected)
            expect(reason.crash).toMatchObject({ code: 0 })
            yield* kill(supervisor.portal("other"))
            yield* life(supervisor.portal("other"), 2)
            expect(lines().filter((line) => line === "one comes").length).toBe(2)
            yield* supervisor.restart("one")
            expect(yield* one.client.Which(), "an order brings it back").toBe(3)
          })
      ))

    test("a permanent child is also when it has ended normally, a temporary one is not, however it ended", ({
      kept
    }) =>
      Supervisor.run(
        { ...freely, children: { one: kept(), other: kept({}, { restart: "temporary" }) } },
        (supervisor) =>
          Effect.gen(function* () {
            yield* finish(supervisor.portal("one"))
            yield* life(supervisor.portal("one"), 2)
            yield* kill(supervisor.portal("other"))
            yield* states(supervisor, ["one up", "other ended"])
          })
      ))

    test("a child that is stopped, by its supervisor or by its portal, stays so, and its callers let go", ({
      kept,
      seen
    }) =>
      Supervisor.run({ ...freely, children: { one: kept(), two: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          const one = supervisor.portal("one")
          const two = supervisor.portal("two", { whenDown: "wait" })
          yield* supervisor.stop("one")
          yield* Effect.flatMap(two.current, ({ stop }) => stop)
          yield* states(supervisor, ["one stopped", "two stopped"])
          for (const { client } of [one, two]) {
            expect(reasonOf(yield* Effect.exit(client.Which()))).toBeInstanceOf(Cancelled)
          }
          expect(seen.of("Restarting")).toEqual([])
          yield* supervisor.stop("one")
          yield* supervisor.restart("one")
          expect(yield* one.client.Which()).toBe(2)
          expect(seen.of("Crashed")).toEqual([])
        })
      ))

    test("whoever stops a child meets what it failed with as it ended", ({ kept }) =>
      Supervisor.run(
        { ...freely, children: { one: kept({ dies: "it would not go" }) } },
        (supervisor) =>
          Effect.gen(function* () {
            const error = only(yield* Effect.exit(supervisor.stop("one")))
            assert(error instanceof ActorCrashed)
            expect(error.message).toContain("it would not go")
            expect(yield* stateOf(supervisor)).toEqual(["one stopped"])
          })
      ))

    test("one that fails as it is stopped by its portal stays stopped all the same", ({
      kept,
      seen
    }) =>
      Supervisor.run(
        { ...freely, children: { one: kept({ dies: "it would not go" }) } },
        (supervisor) =>
          Effect.gen(function* () {
            yield* Effect.flatMap(supervisor.portal("one").current, ({ stop }) => stop)
            yield* states(supervisor, ["one stopped"])
            expect(seen.of("Crashed").length).toBe(1)
            expect(seen.of("Restarting")).toEqual([])
          })
      ))

    test("one that is stopped while it comes up, and fails as it goes, harms nobody: whoever stops it is told", ({
      come,
      kept,
      seen
    }) =>
      Supervisor.run(
        {
          ...freely,
          children: {
            one: kept({ lives: ["well", "stuck"], dies: "it would not go" }),
            two: kept()
          }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("one"))
            yield* come("one", 2)
            const error = only(yield* Effect.exit(supervisor.stop("one")))
            assert(error instanceof ActorCrashed, String(error))
            expect(error.message).toContain("it would not go")
            expect(seen.of("Crashed").at(-1)!.actor).toEqual(error.actor)
            expect(yield* stateOf(supervisor)).toEqual(["one stopped", "two up"])
            yield* supervisor.stop("one")
            expect(yield* supervisor.portal("two").client.Which()).toBe(1)
          })
      ))

    test("an end for good stays one, also if somebody stops the child later", ({ kept }) =>
      Supervisor.run(
        { ...freely, children: { one: kept({}, { restart: "temporary" }) } },
        (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("one"))
            yield* states(supervisor, ["one ended"])
            yield* supervisor.stop("one")
            expect(yield* stateOf(supervisor)).toEqual(["one ended"])
          })
      ))

    test("a temporary child that somebody restarts, and that does not come up, has ended for good", ({
      kept
    }) =>
      Supervisor.run(
        {
          ...freely,
          children: { one: kept({ lives: ["well", "unable"] }, { restart: "temporary" }) }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* supervisor.restart("one")
            expect(yield* stateOf(supervisor)).toEqual(["one ended"])
          })
      ))

    test("a backoff that dies ends the supervisor with what it died of", ({ kept }) =>
      Effect.gen(function* () {
        const bug = new Error("a bug in the schedule")
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              children: { one: kept({ lives: ["brief"] }) },
              backoff: Schedule.spaced("1 milli").pipe(Schedule.tap(() => Effect.die(bug)))
            },
            () => Effect.never
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(only(yield* Fiber.await(block))).toBe(bug)
      }))

    test("a step of the backoff that takes its time holds up neither an order nor the end, and no crash goes untold", ({
      kept,
      seen
    }) =>
      Effect.gen(function* () {
        let steps = 0
        const mayStep = Deferred.makeUnsafe<void>()
        const thinking = Effect.andThen(
          Effect.sync(() => steps++),
          Deferred.await(mayStep)
        )
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              strategy: "rest-for-one",
              backoff: Schedule.spaced("1 hour").pipe(Schedule.tap(() => thinking)),
              children: { one: kept(), two: kept() }
            },
            (supervisor) =>
              Effect.gen(function* () {
                const { client } = supervisor.portal("two")
                yield* kill(supervisor.portal("two"))
                yield* until("a step", () => steps === 1)
                yield* kill(supervisor.portal("one"))
                yield* until("a step that begins anew", () => steps === 2)
                yield* supervisor.restart("one")
                yield* supervisor.restart("two")
                expect(yield* client.Which()).toBeGreaterThan(1)
                expect(
                  seen.of("Restarting").map(({ actor, wait }) => [actor, wait]),
                  "both crashes are told, and what is asked for waits for nothing"
                ).toEqual([
                  ["root/two", 0],
                  ["root/one", 0]
                ])
                yield* kill(supervisor.portal("two"))
                yield* until("a third step", () => steps === 3)
                yield* supervisor.stop("two")
                yield* Deferred.succeed(mayStep, undefined)
                yield* supervisor.restart("one")
              })
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        yield* Fiber.join(block)
        expect(seen.of("Restarting").length, "nobody restarts what was stopped").toBe(2)
      }))

    test("whoever waits for a child that waits for its restart is told at once that the supervisor ends", ({
      kept
    }) =>
      Supervisor.run(
        { ...freely, backoff: Schedule.spaced("1 hour"), children: { one: kept() } },
        (supervisor) =>
          Effect.gen(function* () {
            const { client } = supervisor.portal("one", { whenDown: "wait" })
            yield* kill(supervisor.portal("one"))
            yield* states(supervisor, ["one waiting"])
            const patient = yield* Effect.forkChild(client.Which(), { startImmediately: true })
            yield* supervisor.shutDown
            yield* until("it is told", () => patient.pollUnsafe() !== undefined)
            expect(reasonOf(yield* Fiber.await(patient))).toBeInstanceOf(Cancelled)
          })
      ))

    test("while a child is being ended it is not there for anybody, and who waits gets the next life", ({
      kept
    }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run({ ...freely, children: { one: kept({ lingers: 200 }) } }, (supervisor) =>
            Effect.gen(function* () {
              const one = supervisor.portal("one")
              const restarting = yield* Effect.forkChild(supervisor.restart("one"))
              yield* states(supervisor, ["one stopping"])
              expect(reasonOf(yield* Effect.exit(one.client.Which()))).toBeInstanceOf(Disconnected)
              const { client } = supervisor.portal("one", { whenDown: "wait" })
              const patient = yield* Effect.forkChild(client.Which())
              yield* until("it has restarted", () => restarting.pollUnsafe() !== undefined)
              expect(yield* one.client.Which()).toBe(2)
              expect(yield* Fiber.join(patient)).toBe(2)
            })
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        yield* Fiber.join(block)
      }))

    test("whoever waits for a restart is told when the supervisor is shut down, and nothing is started later", ({
      come,
      kept
    }) =>
      Supervisor.run(
        { ...freely, children: { one: kept({ lives: ["well", "hangs"] }) } },
        (supervisor) =>
          Effect.gen(function* () {
            const restarting = yield* Effect.forkChild(supervisor.restart("one"))
            const adding = yield* Effect.forkChild(
              supervisor.start("two", kept({ lives: ["hangs"] }))
            )
            yield* come("one", 2)
            yield* supervisor.shutDown
            for (const waiting of [restarting, adding]) {
              const error = only(yield* Fiber.await<unknown, unknown>(waiting))
              assert(error instanceof SpawnError)
              expect(error.reason._tag).toBe("NurseryClosed")
            }
            const late = only(yield* Effect.exit(supervisor.restart("one")))
            assert(late instanceof SpawnError)
            expect(late.reason._tag).toBe("NurseryClosed")
          })
      ))

    test("an order begins a child's backoff anew", ({ kept, seen }) =>
      Supervisor.run(
        {
          intensity: { maxRestarts: 10, within: "1 hour" },
          backoff: Schedule.exponential("10 millis"),
          children: { one: kept() }
        },
        (supervisor) =>
          Effect.gen(function* () {
            const one = supervisor.portal("one")
            let lives = 1
            const killed = Effect.suspend(() => Effect.andThen(kill(one), life(one, ++lives)))
            yield* killed
            yield* killed
            yield* supervisor.restart("one")
            lives++
            yield* killed
            yield* killed
            yield* supervisor.stop("one")
            yield* supervisor.restart("one")
            lives++
            yield* killed
            expect(seen.of("Restarting").map(({ wait }) => wait)).toEqual([10, 20, 10, 20, 10])
          })
      ))

    test("a restart that is asked for ends the present life, and is no crash", ({
      kept,
      lines,
      seen
    }) =>
      Supervisor.run({ ...freely, children: { one: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          yield* supervisor.restart("one")
          expect(lines()).toEqual(["one comes", "one goes", "one comes"])
          expect(yield* supervisor.portal("one").client.Which()).toBe(2)
          expect([...seen.of("Restarting"), ...seen.of("Crashed")]).toEqual([])
          const error = only(yield* Effect.exit(supervisor.restart("nobody")))
          assert(error instanceof SpawnError)
          expect(error.message).toContain('no child called "nobody"')
        })
      ))
  })

  describe(`strategies (${name})`, () => {
    test("one-for-all stops the others, the last first, and starts all in order", ({
      kept,
      lines,
      seen
    }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "one-for-all",
          children: {
            one: kept(),
            two: kept(),
            three: kept({}, { restart: "temporary" }),
            four: kept()
          }
        },
        (supervisor) =>
          Effect.gen(function* () {
            const from = lines().length
            yield* kill(supervisor.portal("two"))
            yield* life(supervisor.portal("four"), 2)
            const said = lines().slice(from)
            // One that is killed in the test world cannot be kept from its last words.
            expect(said.filter((line) => line !== "two goes")).toEqual([
              "four goes",
              "three goes",
              "one goes",
              "one comes",
              "two comes",
              "four comes"
            ])
            expect(seen.of("Restarting").map(({ child }) => child)).toEqual(["two"])
            expect(yield* stateOf(supervisor), "a temporary one does not come back").toEqual([
              "one up",
              "two up",
              "three ended",
              "four up"
            ])
          })
      ))

    test("rest-for-one leaves those before alone, and one that was stopped stays so", ({
      kept,
      lines
    }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "rest-for-one",
          children: { one: kept(), two: kept(), three: kept(), four: kept() }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* supervisor.stop("three")
            const from = lines().length
            yield* kill(supervisor.portal("two"))
            yield* life(supervisor.portal("four"), 2)
            expect(
              lines()
                .slice(from)
                .filter((line) => line !== "two goes")
            ).toEqual(["four goes", "two comes", "four comes"])
            expect(yield* supervisor.portal("one").client.Which()).toBe(1)
            expect(yield* stateOf(supervisor)).toContain("three stopped")
          })
      ))

    test("a transient child that had ended is started again with its group", ({ kept }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "one-for-all",
          children: { one: kept(), two: kept({}, { restart: "transient" }) }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* finish(supervisor.portal("two"))
            yield* states(supervisor, ["one up", "two ended"])
            yield* kill(supervisor.portal("one"))
            yield* life(supervisor.portal("two"), 2)
            expect(yield* stateOf(supervisor)).toEqual(["one up", "two up"])
          })
      ))

    test("a restart that is asked for while the group waits takes the others along, and waits for nothing", ({
      kept
    }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "rest-for-one",
          backoff: Schedule.spaced("1 hour"),
          children: { one: kept(), two: kept(), three: kept() }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("two"))
            yield* states(supervisor, ["one up", "two waiting", "three waiting"])
            yield* supervisor.restart("three")
            expect(yield* stateOf(supervisor)).toEqual(["one up", "two up", "three up"])
            expect(yield* supervisor.portal("one").client.Which()).toBe(1)
          })
      ))

    test(
      "a crash that takes a group over waits as long as the one before",
      ({ kept }) =>
        Supervisor.run(
          {
            intensity: { maxRestarts: 10, within: "1 hour" },
            strategy: "rest-for-one",
            backoff: Schedule.exponential("1 second"),
            children: { one: kept(), two: kept() }
          },
          (supervisor) =>
            Effect.gen(function* () {
              const two = supervisor.portal("two")
              yield* kill(two)
              yield* elapse(0)
              yield* elapse("1 second")
              yield* kill(two)
              yield* elapse("100 millis")
              yield* kill(supervisor.portal("one"))
              yield* elapse(0)
              yield* elapse("1850 millis")
              expect(yield* stateOf(supervisor)).toEqual(["one waiting", "two waiting"])
              yield* elapse("100 millis")
              yield* states(supervisor, ["one up", "two up"])
            })
        ),
      needing("time").it
    )

    test("two children that crash at once both come back", ({ kept, seen }) =>
      Supervisor.run({ ...freely, children: { one: kept(), two: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          const doors = yield* Effect.all([
            supervisor.portal("one").current,
            supervisor.portal("two").current
          ])
          yield* Effect.forEach(doors, (door) => crash(door), { concurrency: "unbounded" })
          yield* life(supervisor.portal("one"), 2)
          yield* life(supervisor.portal("two"), 2)
          expect(
            seen
              .of("Restarting")
              .map(({ child }) => child)
              .toSorted()
          ).toEqual(["one", "two"])
        })
      ))

    test("two of a group that crash at once are one restart, and both come back", ({
      kept,
      seen
    }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "one-for-all",
          children: { one: kept(), two: kept(), three: kept() }
        },
        (supervisor) =>
          Effect.gen(function* () {
            const doors = yield* Effect.all([
              supervisor.portal("one").current,
              supervisor.portal("three").current
            ])
            yield* Effect.forEach(doors, (door) => crash(door), { concurrency: "unbounded" })
            for (const name of ["one", "two", "three"] as const)
              yield* life(supervisor.portal(name), 2)
            expect(seen.of("Restarting").length).toBe(1)
            expect(seen.of("Crashed").length).toBe(2)
          })
      ))

    test("one that crashes while its group is being restarted begins that anew", ({
      come,
      kept,
      seen
    }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "one-for-all",
          children: {
            one: kept(),
            two: kept({ lives: ["well", "hangs", "well"] })
          }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("two"))
            // `one` is there again, and `two` is coming up.
            yield* come("two", 2)
            yield* kill(supervisor.portal("one"))
            yield* life(supervisor.portal("two"), 3)
            expect(yield* supervisor.portal("one").client.Which()).toBe(3)
            expect(seen.of("Restarting").map(({ child }) => child)).toEqual(["two", "one"])
          })
      ))

    test("one that crashes before the rest of the rest has come up takes over", ({
      come,
      kept,
      seen
    }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "rest-for-one",
          children: { one: kept(), two: kept(), three: kept({ lives: ["well", "hangs", "well"] }) }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("two"))
            yield* come("three", 2)
            yield* kill(supervisor.portal("one"))
            yield* life(supervisor.portal("three"), 3)
            expect(yield* supervisor.portal("one").client.Which()).toBe(2)
            expect(yield* supervisor.portal("two").client.Which()).toBe(3)
            expect(seen.of("Restarting").map(({ child }) => child)).toEqual(["two", "one"])
          })
      ))
  })

  describe(`what comes in between (${name})`, () => {
    test("a block that is interrupted while a child waits for its restart ends at once", ({
      kept,
      lines,
      seen
    }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              backoff: Schedule.spaced("1 hour"),
              children: { one: kept(), two: kept() }
            },
            (supervisor) =>
              Effect.gen(function* () {
                yield* kill(supervisor.portal("two"))
                return yield* Effect.never
              })
          )
        )
        yield* until("it waits", () => seen.of("Restarting").length > 0)
        yield* Fiber.interrupt(block)
        const exit = yield* Fiber.await(block)
        assert(Exit.isFailure(exit))
        expect(Cause.hasInterruptsOnly(exit.cause)).toBe(true)
        expect(lines().filter((line) => line.endsWith("comes")).length).toBe(2)
      }))

    test("a block that is interrupted while a child comes up again leaves nothing of it", ({
      kept,
      lines
    }) =>
      Effect.gen(function* () {
        const comes = () => lines().filter((line) => line === "one comes").length
        const block = yield* Effect.forkChild(
          Supervisor.run(
            { ...freely, children: { one: kept({ lives: ["well", "hangs"] }) } },
            (supervisor) => Effect.andThen(kill(supervisor.portal("one")), Effect.never)
          )
        )
        yield* until("it comes up again", () => comes() === 2)
        yield* Fiber.interrupt(block)
        const exit = yield* Fiber.await(block)
        assert(Exit.isFailure(exit))
        expect(Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      }))

    test("a child that is stopped while it waits for its restart, or comes up, stays so", ({
      come,
      kept,
      lines
    }) =>
      Supervisor.run(
        {
          ...freely,
          backoff: Schedule.spaced("50 millis"),
          children: {
            waits: kept(),
            comes: kept({ lives: ["well", "hangs", "well"] }),
            other: kept()
          }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("comes"))
            yield* come("comes", 2)
            yield* supervisor.stop("comes")
            yield* kill(supervisor.portal("waits"))
            yield* states(supervisor, ["waits waiting", "comes stopped", "other up"])
            yield* supervisor.stop("waits")
            expect(yield* stateOf(supervisor)).toEqual([
              "waits stopped",
              "comes stopped",
              "other up"
            ])
            yield* kill(supervisor.portal("other"))
            yield* life(supervisor.portal("other"), 2)
            expect(lines().filter((line) => line.endsWith("comes")).length).toBe(5)
            yield* Effect.all([supervisor.restart("comes"), supervisor.restart("waits")], {
              concurrency: "unbounded"
            })
            expect(yield* supervisor.portal("comes").client.Which()).toBe(3)
          })
      ))

    test("a child of a group that is stopped while it comes up holds up nobody", ({ kept }) =>
      Supervisor.run(
        {
          ...freely,
          strategy: "one-for-all",
          children: { one: kept(), two: kept({ lives: ["well", "hangs"] }), three: kept() }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("one"))
            yield* states(supervisor, ["one up", "two starting", "three waiting"])
            yield* supervisor.stop("two")
            yield* life(supervisor.portal("three"), 2)
            expect(yield* stateOf(supervisor)).toEqual(["one up", "two stopped", "three up"])
          })
      ))

    test("two that ask for a restart at once, and one that stops meanwhile, all go on", ({
      kept
    }) =>
      Supervisor.run({ ...freely, children: { one: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          yield* Effect.all([supervisor.restart("one"), supervisor.restart("one")], {
            concurrency: "unbounded"
          })
          yield* supervisor.portal("one").client.Which()
          yield* Effect.all([supervisor.restart("one"), supervisor.stop("one")], {
            concurrency: "unbounded"
          })
          expect(yield* stateOf(supervisor)).toEqual(["one stopped"])
        })
      ))

    test("the body is interrupted as soon as the supervisor gives up, however long its children take to end", ({
      kept,
      seen
    }) =>
      Effect.gen(function* () {
        let toldAt = -1
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              children: { slow: kept({ lingers: 500 }), one: kept() },
              intensity: { maxRestarts: 0 }
            },
            (supervisor) =>
              Effect.andThen(kill(supervisor.portal("one")), Effect.never).pipe(
                Effect.onInterrupt(() =>
                  Effect.sync(() => {
                    toldAt = seen.of("Stopped").length
                  })
                )
              )
          )
        )
        yield* until("the body is told", () => toldAt === 0)
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(only(yield* Fiber.await(block))).toMatchObject({ restarts: 0, child: "one" })
        expect(seen.of("Stopped").length).toBe(1)
      }))
  })

  describe(`the portal of a supervised child (${name})`, () => {
    test("while the child is down it fails at once, or waits for the next life", ({ kept }) =>
      Supervisor.run(
        { ...freely, backoff: Schedule.spaced("200 millis"), children: { one: kept() } },
        (supervisor) =>
          Effect.gen(function* () {
            const failing = supervisor.portal("one")
            const patient = supervisor.portal("one", { whenDown: "wait" })
            const hanging = yield* Effect.forkChild(patient.client.Hang())
            yield* failing.client.Which()
            yield* kill(failing)
            expect(reasonOf(yield* Fiber.await(hanging))).toBeInstanceOf(Disconnected)
            // Its supervisor may not know of its end yet: who comes now waits all the same.
            const calls = [yield* Effect.forkChild(patient.client.Which())]
            yield* states(supervisor, ["one waiting"])
            const reason = reasonOf(yield* Effect.exit(failing.client.Which()))
            assert(reason instanceof Disconnected)
            expect(reasonOf(yield* Effect.exit(failing.current))).toBeInstanceOf(Disconnected)
            calls.push(yield* Effect.forkChild(patient.client.Which()))
            const bounded = yield* Effect.forkChild(
              patient.client.Which().pipe(Deadline.within("20 millis"))
            )
            const left = yield* Effect.forkChild(patient.client.Which())
            yield* elapse("20 millis")
            expect(reasonOf(yield* Fiber.await(bounded))).toBeInstanceOf(DeadlineExceeded)
            yield* Fiber.interrupt(left)
            yield* life(failing, 2)
            expect(yield* Effect.forEach(calls, (call) => Fiber.join(call))).toEqual([2, 2])
          })
      ))

    test("whoever waits is told when the child is stopped, and when the supervisor has given up", ({
      kept,
      seen
    }) =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              children: { one: kept(), two: kept() },
              intensity: { maxRestarts: 2 },
              backoff: Schedule.spaced("1 hour")
            },
            (supervisor) =>
              Effect.gen(function* () {
                const one = supervisor.portal("one", { whenDown: "wait" })
                const two = supervisor.portal("two", { whenDown: "wait" })
                yield* kill(two)
                yield* until("it waits", () => seen.of("Restarting").length === 1)
                const stopped = yield* Effect.forkChild(two.client.Which())
                yield* Effect.yieldNow
                yield* supervisor.stop("two")
                expect(reasonOf(yield* Fiber.await(stopped))).toBeInstanceOf(Cancelled)
                yield* kill(one)
                yield* until("it waits, too", () => seen.of("Restarting").length === 2)
                yield* one.client.Which().pipe(
                  Effect.tapError((error) => Effect.sync(() => told.push(error.message))),
                  Effect.exit,
                  Effect.forkChild({ startImmediately: true, uninterruptible: true })
                )
                yield* supervisor.restart("two")
                yield* kill(two)
                return yield* Effect.never
              })
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(only(yield* Fiber.await(block))).toMatchObject({ child: "two", restarts: 2 })
        expect(told.join()).toContain("its supervisor has given up")
      }))
  })

  describe(`children added at run time (${name})`, () => {
    test("one is added, kept, stopped and forgotten, and there is a cap on them", ({ kept }) =>
      Supervisor.run({ ...freely, children: { one: kept() }, maxChildren: 1 }, (supervisor) =>
        Effect.gen(function* () {
          const two = yield* supervisor.start("two", kept())
          expect(yield* two.client.Which()).toBe(1)
          yield* kill(two)
          yield* life(two, 2)
          const refused = only(yield* Effect.exit(supervisor.start("three", kept())))
          assert(refused instanceof SpawnError)
          assert(refused.reason instanceof LimitReached)
          expect(refused.reason).toMatchObject({ limit: "maxChildren", most: 1 })
          const taken = only(yield* Effect.exit(supervisor.start("one", kept())))
          assert(taken instanceof SpawnError)
          expect(taken.message).toContain('has a child called "one" already')
          yield* supervisor.stop("two")
          expect(yield* stateOf(supervisor)).toEqual(["one up"])
          expect(reasonOf(yield* Effect.exit(two.client.Which()))).toBeInstanceOf(Cancelled)
          const again = yield* supervisor.start("two", kept({}, { restart: "temporary" }))
          yield* kill(again)
          yield* states(supervisor, ["one up"])
          expect(reasonOf(yield* Effect.exit(again.client.Which()))).toBeInstanceOf(Disconnected)
        })
      ))

    test("one that does not come up is its adder's error, leaves nothing, and ends nobody", ({
      kept,
      seen
    }) =>
      Supervisor.run({ ...freely, children: { one: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          const error = only(
            yield* Effect.exit(supervisor.start("two", kept({ lives: ["unable"] })))
          )
          assert(error instanceof SpawnError)
          expect(error.message).toContain("two is unable")
          expect(yield* stateOf(supervisor)).toEqual(["one up"])
          const adding = yield* Effect.forkChild(
            supervisor.start("three", kept({ lives: ["hangs"] }))
          )
          yield* states(supervisor, ["one up", "three starting"])
          yield* Fiber.interrupt(adding)
          expect(yield* stateOf(supervisor), "one whose adder has left").toEqual(["one up"])
          expect(seen.of("Restarting")).toEqual([])
        })
      ))

    test("a bug in what one is started with is its adder's, leaves nothing, and ends nobody", ({
      file,
      kept
    }) =>
      Supervisor.run({ ...freely, children: { one: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          const unfit = ChildSpec.make(Kept, { ...main, arguments: { file, lingers: 0.5 } })
          const exit = yield* Effect.exit(supervisor.start("two", unfit))
          assert(Exit.isFailure(exit))
          expect(exit.cause.reasons.map(({ _tag }) => _tag)).toEqual(["Die"])
          expect(only(exit)).toMatchObject({ _tag: "EncodeError" })
          expect(yield* stateOf(supervisor)).toEqual(["one up"])
        })
      ))

    test("one is served by whoever adds it, in each of its lives, and lives in its supervisor's block and time", ({
      seen
    }) =>
      Supervisor.run({ ...freely, children: {} }, (supervisor) =>
        Effect.gen(function* () {
          const over = new Life.Grace()
          over.shorten(-1)
          const adding = yield* supervisor
            .start("late", ChildSpec.make(Caller, { ...main, serve: Bed }))
            .pipe(
              Nursery.run(),
              Effect.provideService(Life.CurrentGrace, over),
              Effect.provide(
                Bed.toLayer({ Nap: () => Effect.fail(new Refused({ why: "woken" })) })
              ),
              Effect.forkChild
            )
          yield* until(
            "the block it was added in has ended",
            () => adding.pollUnsafe() !== undefined
          )
          const late = yield* Fiber.join(adding)
          expect(only(yield* Effect.exit(late.client.SleepBack()))).toBeInstanceOf(Refused)
          yield* Effect.flatMap(late.current, (door) => crash(door))
          yield* states(supervisor, ["late waiting"])
          yield* states(supervisor, ["late up"])
          expect(only(yield* Effect.exit(late.client.SleepBack()))).toBeInstanceOf(Refused)
          yield* supervisor.stop("late")
          expect(seen.of("Stage").map(({ stage }) => stage)).toEqual(["asked"])
        })
      ))

    test("whoever restarts, or stops, one that has not come up yet, is answered, and so is its adder", ({
      come,
      kept
    }) =>
      Supervisor.run({ ...freely, children: { one: kept() } }, (supervisor) =>
        Effect.gen(function* () {
          const adding = yield* Effect.forkChild(
            supervisor.start("two", kept({ lives: ["hangs", "unable"] }))
          )
          yield* come("two", 1)
          const again = only(yield* Effect.exit(supervisor.restart("two")))
          assert(again instanceof SpawnError)
          expect(again.message).toContain("two is unable")
          expect(only(yield* Fiber.await(adding))).toBe(again)
          const other = yield* Effect.forkChild(
            supervisor.start("three", kept({ lives: ["hangs"] }))
          )
          yield* come("three", 1)
          yield* supervisor.stop("three")
          const stopped = only(yield* Fiber.await(other))
          assert(stopped instanceof SpawnError)
          expect(stopped.message).toContain("somebody has stopped it")
          expect(yield* stateOf(supervisor)).toEqual(["one up"])
        })
      ))

    test("one of a group is restarted with it", ({ kept }) =>
      Supervisor.run(
        { ...freely, strategy: "one-for-all", children: { one: kept() } },
        (supervisor) =>
          Effect.gen(function* () {
            const two = yield* supervisor.start("two", kept())
            yield* kill(supervisor.portal("one"))
            yield* life(two, 2)
          })
      ))
  })

  describe(`significant children (${name})`, () => {
    const ending = (autoShutdown: "never" | "anySignificant" | "allSignificant", { kept }: Given) =>
      ({
        ...freely,
        autoShutdown,
        children: {
          plain: kept(),
          one: kept({}, { restart: "transient", significant: true }),
          two: kept({}, { restart: "temporary", significant: true })
        }
      }) as const

    test("the first that ends by itself ends the supervisor, and the body goes on", (given) =>
      Effect.gen(function* () {
        const value = yield* Supervisor.run(ending("anySignificant", given), (supervisor) =>
          Effect.gen(function* () {
            yield* kill(supervisor.portal("one"))
            yield* life(supervisor.portal("one"), 2)
            yield* supervisor.stop("two")
            expect(yield* stateOf(supervisor), "neither counts").toEqual([
              "plain up",
              "one up",
              "two stopped"
            ])
            yield* finish(supervisor.portal("one"))
            yield* supervisor.ended
            const exit = yield* Effect.exit(supervisor.portal("plain").client.Which())
            expect(reasonOf(exit)).toBeInstanceOf(Cancelled)
            expect(given.lines().at(-1)).toBe("plain goes")
            return "the body's"
          })
        )
        expect(value).toBe("the body's")
      }))

    test("only the last ends it where all are asked for", (given) =>
      Supervisor.run(ending("allSignificant", given), (supervisor) =>
        Effect.gen(function* () {
          yield* kill(supervisor.portal("two"))
          yield* states(supervisor, ["plain up", "one up", "two ended"])
          yield* finish(supervisor.portal("one"))
          yield* supervisor.ended
        })
      ))

    test("neither one that is stopped by its portal ends it, nor one that is not significant", (given) =>
      Supervisor.run(
        {
          ...freely,
          autoShutdown: "anySignificant",
          children: {
            one: given.kept({}, { restart: "transient", significant: true }),
            two: given.kept({}, { restart: "transient" })
          }
        },
        (supervisor) =>
          Effect.gen(function* () {
            yield* finish(supervisor.portal("two"))
            yield* states(supervisor, ["one up", "two ended"])
            yield* Effect.flatMap(supervisor.portal("one").current, ({ stop }) => stop)
            yield* states(supervisor, ["one stopped", "two ended"])
            yield* supervisor.restart("two")
          })
      ))

    test("one that was stopped does not keep the last from ending it", (given) =>
      Supervisor.run(ending("allSignificant", given), (supervisor) =>
        Effect.gen(function* () {
          yield* supervisor.stop("two")
          yield* finish(supervisor.portal("one"))
          yield* supervisor.ended
        })
      ))

    test("one that ends before the others have come up ends it, and the body runs", (given) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              autoShutdown: "anySignificant",
              children: {
                one: given.kept({}, { restart: "temporary", significant: true }),
                two: given.kept({ lives: ["hangs"] })
              }
            },
            (supervisor) => Effect.as(supervisor.ended, "the body's")
          )
        )
        yield* given.come("two", 1)
        yield* crash(given.seen.of("Started")[0]!)
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(yield* Fiber.join(block)).toBe("the body's")
      }))

    test("a supervisor below that shuts itself down cannot be permanent, and has ended normally", (given) =>
      Effect.gen(function* () {
        const options = {
          ...freely,
          autoShutdown: "anySignificant",
          children: {
            one: given.kept({}, { restart: "temporary", significant: true }),
            two: given.kept({ lives: ["well", "hangs"] })
          }
        } as const
        expect(() => Supervisor.child(options)).toThrow("cannot be a permanent child")
        yield* Supervisor.run(
          { ...freely, children: { group: Supervisor.child(options, { restart: "transient" }) } },
          (supervisor) =>
            Effect.gen(function* () {
              yield* kill(supervisor.below("group").portal("one"))
              yield* states(supervisor, ["group ended"])
              const restarting = yield* Effect.forkChild(supervisor.restart("group"))
              yield* given.come("two", 2)
              yield* crash(given.seen.of("Started").at(-1)!)
              yield* until("it had its life", () => restarting.pollUnsafe() !== undefined)
              yield* states(supervisor, ["group ended"])
            })
        )
        expect(given.seen.of("Restarting")).toEqual([])
      }))

    test("they end nothing where nothing is said", (given) =>
      Supervisor.run(ending("never", given), (supervisor) =>
        Effect.gen(function* () {
          yield* kill(supervisor.portal("two"))
          yield* finish(supervisor.portal("one"))
          yield* states(supervisor, ["plain up", "one ended", "two ended"])
        })
      ))
  })

  describe(`supervisors below supervisors (${name})`, () => {
    test("one that gives up is its own supervisor's crash, and is started again, its children with it", ({
      kept,
      lines,
      seen
    }) =>
      Supervisor.run(
        {
          ...freely,
          children: {
            one: kept(),
            group: Supervisor.child({
              intensity: { maxRestarts: 0 },
              children: { two: kept(), three: kept() }
            })
          }
        },
        (supervisor) =>
          Effect.gen(function* () {
            const group = supervisor.below("group")
            const two = group.portal("two")
            expect(yield* two.client.Which()).toBe(1)
            const from = lines().length
            yield* kill(two)
            yield* life(group.portal("three"), 2)
            yield* life(two, 2)
            expect(
              lines()
                .slice(from)
                .filter((line) => line !== "two goes")
            ).toEqual(["three goes", "two comes", "three comes"])
            expect(yield* supervisor.portal("one").client.Which()).toBe(1)
            expect(seen.of("GaveUp").map(({ child }) => child)).toEqual(["two"])
            const [restarting] = seen.of("Restarting")
            expect(restarting).toMatchObject({ child: "group" })
            expect(restarting!.cause).toBeInstanceOf(RestartIntensityExceeded)
            const four = yield* group.start("four", kept())
            expect(yield* four.client.Which()).toBe(1)
            expect(yield* stateOf(group)).toEqual(["two up", "three up", "four up"])
            yield* supervisor.stop("group")
            expect(yield* stateOf(supervisor)).toEqual(["one up", "group stopped"])
            expect(reasonOf(yield* Effect.exit(two.client.Which()))).toBeInstanceOf(Cancelled)
          })
      ))

    test("whoever waits for a child of one that has given up gets the next life of both", ({
      kept
    }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              children: {
                group: Supervisor.child({
                  intensity: { maxRestarts: 0 },
                  children: { two: kept(), slow: kept({ lingers: 200 }) }
                })
              }
            },
            (supervisor) =>
              Effect.gen(function* () {
                const group = supervisor.below("group")
                const { client } = group.portal("slow", { whenDown: "wait" })
                yield* kill(group.portal("two"))
                yield* states(group, ["two stopped", "slow stopping"])
                const patient = yield* Effect.forkChild(client.Which())
                const failing = yield* Effect.exit(group.portal("two").client.Which())
                expect(reasonOf(failing)).toBeInstanceOf(Disconnected)
                yield* until("it is answered", () => patient.pollUnsafe() !== undefined)
                expect(yield* Fiber.join(patient)).toBe(2)
              })
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        yield* Fiber.join(block)
      }))

    test("one that is shut down is stopped, and what is asked of its children is refused", ({
      kept
    }) =>
      Supervisor.run(
        { ...freely, children: { group: Supervisor.child({ children: { two: kept() } }) } },
        (supervisor) =>
          Effect.gen(function* () {
            const group = supervisor.below("group")
            yield* group.shutDown
            yield* states(supervisor, ["group stopped"])
            const error = only(yield* Effect.exit(group.restart("two")))
            assert(error instanceof SpawnError)
            expect(error.reason._tag).toBe("NurseryClosed")
            expect(yield* group.list).toEqual([])
            yield* group.stop("two")
            yield* supervisor.restart("group")
            expect(yield* group.portal("two").client.Which()).toBe(2)
          })
      ))

    test("that one had given up is nothing to whoever stops it, nor to its block that ends", ({
      kept,
      seen
    }) =>
      Effect.gen(function* () {
        const options = {
          ...freely,
          children: {
            group: Supervisor.child({
              intensity: { maxRestarts: 0 },
              children: { two: kept(), slow: kept({ lingers: 200 }) }
            })
          }
        } as const
        const givenUp = (supervisor: Supervisor.Supervisor<(typeof options)["children"]>) =>
          Effect.gen(function* () {
            const before = seen.of("GaveUp").length
            yield* kill(supervisor.below("group").portal("two"))
            yield* until("it has given up", () => seen.of("GaveUp").length > before)
          })
        const block = yield* Effect.forkChild(
          Supervisor.run(options, (supervisor) =>
            Effect.gen(function* () {
              yield* givenUp(supervisor)
              yield* supervisor.stop("group")
              yield* supervisor.restart("group")
              yield* givenUp(supervisor)
            })
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(yield* Fiber.await(block)).toEqual(Exit.void)
      }))

    test("a bug in one below ends those above with it", ({ kept }) =>
      Effect.gen(function* () {
        const bug = new Error("a bug in the schedule")
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              children: {
                group: Supervisor.child({
                  children: { loop: kept({ lives: ["brief"] }) },
                  backoff: Schedule.spaced("1 milli").pipe(Schedule.tap(() => Effect.die(bug)))
                })
              }
            },
            () => Effect.never
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(only(yield* Fiber.await(block))).toBe(bug)
      }))

    test("a bug in one below that is being ended with its group ends those above, too", ({
      kept
    }) =>
      Effect.gen(function* () {
        const bug = new Error("a bug in the schedule")
        let isThinking = false
        const thinking = Effect.suspend(() => {
          isThinking = true
          return Effect.onInterrupt(Effect.never, () => Effect.die(bug))
        })
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              ...freely,
              strategy: "one-for-all",
              children: {
                one: kept(),
                group: Supervisor.child({
                  children: { two: kept() },
                  backoff: Schedule.spaced("1 milli").pipe(Schedule.tap(() => thinking))
                })
              }
            },
            (supervisor) =>
              Effect.gen(function* () {
                yield* kill(supervisor.below("group").portal("two"))
                yield* until("its backoff is asked", () => isThinking)
                yield* kill(supervisor.portal("one"))
                return yield* Effect.never
              })
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(only(yield* Fiber.await(block))).toBe(bug)
      }))

    test("a bug in what one below is made of ends those above with it", ({ kept }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            { children: { one: kept(), group: Supervisor.child({ children: { "1": kept() } }) } },
            () => Effect.void
          )
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        expect(String(only(yield* Fiber.await(block)))).toContain('a child called "1"')
      }))

    test("one whose child does not come up at first is a SpawnError, and nobody is left", ({
      kept,
      lines
    }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Supervisor.run(
            {
              ...freely,
              children: {
                one: kept(),
                group: Supervisor.child({
                  children: {
                    two: kept({ dies: "it would not go" }),
                    three: kept({ lives: ["unable"] })
                  }
                })
              }
            },
            () => Effect.void
          )
        )
        const [first, second, ...others] = reasonsOf(exit)
        assert(first instanceof SpawnError)
        expect(first.actor).toBe("root/three")
        assert(second instanceof ActorCrashed)
        expect(second.message).toContain("it would not go")
        expect(others).toEqual([])
        expect(lines().slice(-2)).toEqual(["two goes", "one goes"])
      }))

    test("escalation climbs level by level, and says why", ({ kept, seen }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Supervisor.run(
            {
              intensity: { maxRestarts: 1 },
              backoff: Schedule.spaced("10 millis"),
              children: {
                group: Supervisor.child({
                  intensity: { maxRestarts: 0 },
                  children: { loop: kept({ lives: ["brief"] }) }
                })
              }
            },
            () => Effect.never
          )
        )
        yield* until("it gave up", () => seen.of("GaveUp").some(({ child }) => child === "group"))
        const error = only(yield* Fiber.await(block))
        assert(error instanceof RestartIntensityExceeded)
        expect(error.child).toBe("group")
        const below = only(Exit.failCause(error.cause))
        assert(below instanceof RestartIntensityExceeded)
        expect(below.child).toBe("loop")
        expect(only(Exit.failCause(below.cause))).toBeInstanceOf(ActorCrashed)
      }))

    test("a supervisor in an actor's Layer makes a subtree: its escalation is the actor's crash, which is repaired", ({
      file,
      lines,
      seen
    }) =>
      Supervisor.run(
        {
          ...freely,
          children: {
            keeper: ChildSpec.make(Keeper, {
              ...main,
              arguments: { file, lives: ["brief", "brief", "well"] }
            })
          }
        },
        (supervisor) =>
          Effect.gen(function* () {
            const { client } = supervisor.portal("keeper", { whenDown: "wait" })
            yield* until(
              "the third life below",
              () => lines().filter((line) => line === "below comes").length === 3
            )
            const which = yield* client
              .WhichBelow()
              .pipe(Effect.retry(Schedule.spaced("10 millis")), Effect.forkChild)
            yield* until("it is there", () => which.pollUnsafe() !== undefined)
            expect(yield* Fiber.join(which)).toBe(3)
            const restarting = seen.of("Restarting").find(({ child }) => child === "keeper")
            expect(restarting!.cause.message).toContain("gave up after 1 restart within 60000 ms")
          })
      ))
  })

  describe(`a supervisor as a daemon (${name})`, () => {
    test("its escalation ends the block it was started in, with its reason", ({ kept, seen }) =>
      Effect.gen(function* () {
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.gen(function* () {
              yield* Supervisor.start({
                intensity: { maxRestarts: 1 },
                backoff: Schedule.spaced("10 millis"),
                children: { loop: kept({ lives: ["brief"] }) }
              })
              return yield* Effect.never
            })
          )
        )
        yield* until("it gave up", () => seen.of("GaveUp").length > 0)
        const error = only(yield* Fiber.await(block))
        assert(error instanceof ForkFailed)
        expect(only(Exit.failCause(error.cause))).toMatchObject({ child: "loop", restarts: 1 })
      }))

    test("its block ends it in its turn, the last started first, and it can be shut down before", ({
      kept,
      lines
    }) =>
      Effect.gen(function* () {
        yield* Nursery.run(
          Effect.gen(function* () {
            const first = yield* Supervisor.start({ children: { one: kept() } })
            yield* Supervisor.start({ children: { two: kept(), three: kept() } })
            const last = yield* Supervisor.start({ children: { four: kept() } })
            yield* last.shutDown
            yield* last.shutDown
            expect(lines().at(-1)).toBe("four goes")
            expect(yield* stateOf(last)).toEqual(["four stopped"])
            const error = only(yield* Effect.exit(last.start("five", kept())))
            assert(error instanceof SpawnError)
            expect(error.reason._tag).toBe("NurseryClosed")
            expect(yield* first.portal("one").client.Which()).toBe(1)
          })
        )
        expect(lines().slice(-3)).toEqual(["three goes", "two goes", "one goes"])
      }))

    test("what the body of a block spawns is not supervised: it is its own block's, and outlives it", ({
      file,
      kept
    }) =>
      Effect.gen(function* () {
        const options = { ...main, name: "plain", arguments: { file } }
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              const plain = yield* Supervisor.run({ ...freely, children: { one: kept() } }, () =>
                Nursery.spawn(Kept, options)
              )
              expect(yield* plain.client.Which()).toBe(1)
              yield* crash(plain)
              return yield* Effect.never
            })
          )
        )
        expect(only(exit)).toBeInstanceOf(ActorCrashed)
      }))

    test("everything that went wrong is told: the body's own, and what the children failed with", ({
      kept
    }) =>
      Effect.gen(function* () {
        const own = new Error("the body's")
        const exit = yield* Effect.exit(
          Supervisor.run({ children: { one: kept({ dies: "it would not go" }) } }, () =>
            Effect.fail(own)
          )
        )
        const [first, second, ...others] = reasonsOf(exit)
        expect(first).toBe(own)
        expect(second).toBeInstanceOf(ActorCrashed)
        expect(others).toEqual([])
      }))
  })

  describe(`a supervisor as a Layer (${name})`, () => {
    const one = { one: ChildSpec.make(Kept, { arguments: { file: "" } }) }
    class Keeping extends Context.Service<Keeping, Supervisor.Supervisor<typeof one>>()(
      "test/Keeping"
    ) {}

    test("it is up when the Layer is built, repairs, and is gone when the scope of the Layer closes", ({
      kept,
      lines
    }) =>
      Nursery.run(
        Effect.gen(function* () {
          yield* Effect.gen(function* () {
            expect(lines()).toEqual(["one comes"])
            const portal = (yield* Keeping).portal("one")
            yield* kill(portal)
            yield* life(portal, 2)
          }).pipe(
            Effect.provide(Supervisor.layer(Keeping, { ...freely, children: { one: kept() } }))
          )
          expect(lines().at(-1)).toBe("one goes")
          expect(lines().filter((line) => line === "one comes").length).toBe(2)
        })
      ))

    test("when it gives up, it ends the block that it is a Layer in, and the body of that", ({
      kept,
      seen
    }) =>
      Effect.gen(function* () {
        const options = { intensity: { maxRestarts: 0 }, children: { one: kept() } }
        const block = yield* Effect.forkChild(
          Effect.flatMap(Keeping, ({ portal }) =>
            Effect.andThen(kill(portal("one")), Effect.never)
          ).pipe(Effect.provide(Supervisor.layer(Keeping, options)), Nursery.run())
        )
        yield* until("it is over", () => block.pollUnsafe() !== undefined)
        const error = only(yield* Fiber.await(block))
        assert(error instanceof ForkFailed, String(error))
        expect(only(Exit.failCause(error.cause))).toMatchObject({ child: "one", restarts: 0 })
        expect(seen.of("GaveUp").length).toBe(1)
      }))

    test("a child that does not come up fails the Layer with SpawnError, beside what others failed with", ({
      kept
    }) =>
      Effect.gen(function* () {
        const children = {
          one: kept({ dies: "it would not go" }),
          two: kept({ lives: ["unable"] })
        }
        class Both extends Context.Service<Both, Supervisor.Supervisor<typeof children>>()(
          "test/Both"
        ) {}
        const exit = yield* Effect.exit(
          Both.pipe(Effect.provide(Supervisor.layer(Both, { ...freely, children })), Nursery.run())
        )
        const [first, second, ...others] = reasonsOf(exit)
        assert(first instanceof SpawnError)
        expect(first.message).toContain("two is unable")
        assert(second instanceof ActorCrashed)
        expect(second.message).toContain("it would not go")
        expect(others).toEqual([])
      }))

    test("one that is being built can be interrupted, and leaves nothing", ({ come, kept }) =>
      Effect.gen(function* () {
        const options = { ...freely, children: { one: kept({ lives: ["hangs"] }) } }
        const block = yield* Effect.forkChild(
          Keeping.pipe(Effect.provide(Supervisor.layer(Keeping, options)), Nursery.run())
        )
        yield* come("one", 1)
        yield* Fiber.interrupt(block)
        const exit = yield* Fiber.await(block)
        assert(Exit.isFailure(exit))
        expect(Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      }))
  })
}
