/**
 * Supervisors under fire: children that come slowly, fail to come, crash, and crash once more as they go, while several
 * fibers give orders and are interrupted. A seed decides all of it, so that a round can be had again.
 *
 * Whatever comes first, every order is answered, with an error that its type names, everybody who is to be there comes
 * back, and nobody is left. `STORM_FROM` and `STORM_TO` name the seeds, for a round again, or a longer storm.
 *
 * And a root with supervisors three deep that has little time to end.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Schedule from "effect/Schedule"
import * as Scheduler from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import * as Actor from "furrow/Actor"
import * as ChildSpec from "furrow/ChildSpec"
import * as Life from "furrow/Life"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import * as Supervisor from "furrow/Supervisor"
import { TestWorld } from "furrow/testing"
import { ActorCrashed, RestartIntensityExceeded, SpawnError } from "furrow/TreeError"
import { events } from "../contract/Watching.ts"

/** How one life goes. */
interface Course {
  readonly comesAfter: number
  readonly isUnable: boolean
  /** When it crashes by itself, if it does. */
  readonly crashesAfter: number | undefined
  readonly goesAfter: number
  readonly diesAsItGoes: boolean
}

const well: Course = {
  comesAfter: 0,
  isUnable: false,
  crashesAfter: undefined,
  goesAfter: 0,
  diesAsItGoes: false
}

/** How the next life goes: actors of the test world are in this process. */
let next: (name: string) => Course = () => well

/** Whose finalizers have run, in order. */
let gone: Array<string> = []

class Frail extends Actor.make("Frail", [Rpc.make("Ping"), Rpc.make("Hang")]) {}

const FrailLive = Frail.toLayer(
  Effect.gen(function* () {
    const { name } = yield* Actor.Self
    const { comesAfter, crashesAfter, diesAsItGoes, goesAfter, isUnable } = next(name)
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        yield* Effect.sleep(goesAfter)
        gone.push(name)
        if (diesAsItGoes) return yield* Effect.die(new Error("it would not go"))
      })
    )
    yield* Effect.sleep(comesAfter)
    if (isUnable) return yield* Effect.die(new Error("it is unable"))
    if (crashesAfter !== undefined) {
      yield* Nursery.fork(
        Effect.andThen(Effect.sleep(crashesAfter), Effect.die(new Error("brief")))
      )
    }
    return Frail.of({ Ping: () => Effect.void, Hang: () => Effect.never })
  })
)

/** Numbers from 0 up to a bound, by chance; the same for the same seed. */
const dice = (seed: number) => {
  let state = (seed * 2_654_435_761) >>> 0
  return (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

const strategies = ["one-for-one", "one-for-all", "rest-for-one"] as const

const isOf =
  (...classes: ReadonlyArray<new (...given: never) => unknown>) =>
  (error: unknown): boolean =>
    classes.some((known) => error instanceof known)

/** What of a failure is not an error of these kinds, nor an interruption. */
const others = (exit: Exit.Exit<unknown, unknown>, isAllowed: (error: unknown) => boolean) =>
  Exit.isSuccess(exit)
    ? []
    : exit.cause.reasons.filter(
        (reason) =>
          !Cause.isInterruptReason(reason) &&
          !(Cause.isFailReason(reason) && isAllowed(reason.error))
      )

const round = (seed: number) =>
  Effect.gen(function* () {
    const draw = dice(seed)
    const oneOf = <A>(those: ReadonlyArray<A>): A => those[draw(those.length)]!
    let quiet = false
    next = () =>
      quiet
        ? well
        : {
            comesAfter: draw(30),
            isUnable: draw(8) === 0,
            crashesAfter: draw(6) === 0 ? draw(30) : undefined,
            goesAfter: draw(40),
            diesAsItGoes: draw(8) === 0
          }
    const behaviour = () => ({
      strategy: oneOf(strategies),
      intensity: { maxRestarts: oneOf([Infinity, Infinity, 4]), within: "100 millis" } as const,
      backoff: Schedule.spaced(oneOf([0, 5, 50]))
    })
    const plain = ChildSpec.make(Frail)
    const wrong: Array<unknown> = []
    /** What is asked has to be answered with one of these errors at most. */
    const asked = (
      what: string,
      order: Effect.Effect<unknown, unknown, Spawner>,
      isAllowed: (error: unknown) => boolean
    ) =>
      Effect.map(Effect.exit(order), (exit) => {
        for (const reason of others(exit, isAllowed)) wrong.push([what, reason])
      })
    const crashed = Effect.gen(function* () {
      const lives = yield* TestWorld.lives
      if (lives.length > 0) yield* TestWorld.crash({ actor: oneOf(lives) })
    })

    let shutDown = false
    const block = Supervisor.run(
      {
        ...behaviour(),
        maxChildren: 2,
        children: {
          one: plain,
          two: ChildSpec.make(Frail, { restart: "transient" }),
          group: Supervisor.child({ ...behaviour(), children: { three: plain, four: plain } }),
          five: ChildSpec.make(Frail, { restart: "temporary" })
        }
      },
      (supervisor) =>
        Effect.gen(function* () {
          const group = supervisor.below("group")
          const order = Effect.suspend(
            (): Effect.Effect<unknown, never, TestWorld.TestWorld | Spawner> => {
              const name = oneOf(["one", "two", "group", "five", "six", "seven"])
              const below = oneOf(["three", "four", "eight"])
              const dynamic = oneOf(["six", "seven"])
              const whenDown = oneOf(["fail", "wait"] as const)
              switch (draw(11)) {
                case 0:
                case 1:
                  return crashed
                case 2:
                  return asked("restart", supervisor.restart(name), isOf(SpawnError))
                case 3:
                  return asked("stop", supervisor.stop(name), isOf(ActorCrashed))
                case 4:
                  return asked("start", supervisor.start(dynamic, plain), isOf(SpawnError))
                case 5:
                  return asked("restart below", group.restart(below), isOf(SpawnError))
                case 6:
                  return asked("stop below", group.stop(below), isOf(ActorCrashed))
                case 7:
                  return asked("start below", group.start("eight", plain), isOf(SpawnError))
                case 8:
                  return asked(
                    "call",
                    supervisor
                      .portal(oneOf(["one", "two", "five"] as const), { whenDown })
                      .client.Ping(),
                    isOf(PortalError)
                  )
                case 9:
                  return asked(
                    "call below",
                    group.portal(oneOf(["three", "four"] as const), { whenDown }).client.Hang(),
                    isOf(PortalError)
                  )
                default:
                  if (draw(30) > 0) return Effect.sleep(draw(60))
                  shutDown = true
                  return asked("shut down", oneOf([supervisor, group]).shutDown, () => false)
              }
            }
          )
          /** Gives orders, and does not wait for the answer of each. */
          const commander = Effect.repeat(
            Effect.suspend(() =>
              draw(2) === 0
                ? order
                : Effect.gen(function* () {
                    const giving = yield* Effect.forkChild(order)
                    yield* Effect.sleep(draw(40))
                    yield* Fiber.interrupt(giving)
                  })
            ).pipe(Effect.timeoutOption("2 seconds")),
            { times: 15 }
          )
          yield* Effect.all([commander, commander, commander], { concurrency: "unbounded" })
          quiet = true
          // All that is under way is a crash, or an order, of before.
          yield* Effect.sleep("1 second")
          if (!shutDown) {
            for (const name of ["one", "two", "five", "group"]) yield* supervisor.restart(name)
            for (const name of ["three", "four"]) yield* group.restart(name)
          }
          const list = [...(yield* supervisor.list), ...(yield* group.list)]
          for (const { name, state } of list) {
            const isFine = shutDown
              ? !["starting", "waiting", "stopping"].includes(state)
              : state === "up" || !["one", "two", "three", "four", "five", "group"].includes(name)
            if (!isFine) wrong.push(["in the end", name, state])
          }
        })
    )

    const running = yield* Effect.forkChild(
      Effect.provideService(block, Scheduler.MaxOpsBeforeYield, oneOf([3, 20, 2048])),
      { startImmediately: true }
    )
    const cutAt = draw(3) === 0 ? draw(100) : Infinity
    for (let n = 0; n < 20_000 && running.pollUnsafe() === undefined; n++) {
      if (n === cutAt) {
        quiet = true
        running.interruptUnsafe()
      }
      yield* TestClock.adjust("7 millis")
    }
    assert(running.pollUnsafe() !== undefined, `seed ${seed}: it does not end`)
    const ended = yield* Fiber.await(running)
    const allowed = isOf(RestartIntensityExceeded, SpawnError, ActorCrashed)
    expect([...wrong, ...others(ended, allowed)], `seed ${seed}`).toEqual([])
    // In the test world one that was killed still runs its finalizers.
    yield* TestClock.adjust("1 second")
    expect(yield* TestWorld.lives, `seed ${seed}`).toEqual([])
    return Exit.isSuccess(ended)
  }).pipe(Effect.provide(TestWorld.layer([Frail.program(FrailLive)])))

describe("a supervisor under fire", () => {
  it.effect("answers every order, brings back who is to be there, and leaves nobody (S1)", () =>
    Effect.gen(function* () {
      let well = 0
      const first = Number(process.env["STORM_FROM"] ?? 1)
      const last = Number(process.env["STORM_TO"] ?? 60)
      for (let seed = first; seed <= last; seed++) if (yield* round(seed)) well++
      expect(well).toBeGreaterThan((last - first) / 6)
    })
  )
})

/** Ends a root with supervisors three deep, in so many milliseconds; `slow` are those whose finalizers take an hour. */
const endedWithin = (grace: number, slow: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    gone = []
    next = (name) => ({ ...well, goesAfter: slow.includes(name) ? 3_600_000 : 1 })
    const seen = yield* events
    const plain = ChildSpec.make(Frail)
    const third = Supervisor.child({ children: { three: plain, four: plain } })
    const second = Supervisor.child({ children: { two: plain, third, five: plain } })
    const incarnation = crypto.randomUUID()
    const life = Life.make({ name: "root", path: "root", incarnation, ancestors: [] })
    const block = yield* Effect.forkChild(
      Nursery.runIn(
        life,
        Effect.andThen(
          Supervisor.start({ children: { one: plain, second, six: plain } }),
          Effect.never
        )
      )
    )
    yield* TestClock.adjust("1 second")
    expect(seen.of("Started").length).toBe(6)
    const at = yield* Life.now
    Life.stop(life, { by: { path: "root", incarnation }, hops: [], at }, grace)
    block.interruptUnsafe()
    let took = 0
    for (; block.pollUnsafe() === undefined && took < 2 * grace; took += 10) {
      yield* TestClock.adjust("10 millis")
    }
    const asked = seen
      .of("Stage")
      .filter(({ stage }) => stage === "asked")
      .map(({ actor }) => actor.path.replace("root/", ""))
    // Those that were killed still run their finalizers here, unlike processes.
    const went = [...gone]
    yield* TestClock.adjust("2 hours")
    expect(yield* TestWorld.lives).toEqual([])
    return { took, asked, went }
  }).pipe(Effect.provide(TestWorld.layer([Frail.program(FrailLive)])))

const everybody = ["one", "two", "three", "four", "five", "six"]

describe("supervisors three deep, of a root that is asked to end (S5)", () => {
  it.effect("all are ended in order in the time that is left, however long each would take", () =>
    Effect.gen(function* () {
      const { asked, took, went } = yield* endedWithin(10_000, everybody)
      expect(asked).toEqual(everybody.toReversed())
      expect(went).toEqual([])
      expect(took).toBeLessThanOrEqual(10_000)
    })
  )

  it.effect("slow ones at the bottom take no time from those that come after them", () =>
    Effect.gen(function* () {
      const { asked, took, went } = yield* endedWithin(3000, ["three", "four"])
      expect(asked).toEqual(everybody.toReversed())
      expect(went).toEqual(["six", "five", "two", "one"])
      expect(took).toBeLessThanOrEqual(3000)
    })
  )

  it.effect(
    "where there is no time for an order, they are ended together, and within the bound",
    () =>
      Effect.gen(function* () {
        const { asked, took, went } = yield* endedWithin(300, ["three", "four"])
        expect(asked.toSorted()).toEqual(everybody.toSorted())
        expect(went.toSorted()).toEqual(["one", "two", "five", "six"].toSorted())
        expect(took).toBeLessThanOrEqual(300)
      })
  )
})
