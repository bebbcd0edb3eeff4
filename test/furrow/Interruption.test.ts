/**
 * Blocks that are interrupted, and whose actors are killed, between any two steps that they take: they end, nobody is
 * left, and they fail with nothing else.
 *
 * The fibers of the block give way after every few operations, so that each run is cut one step later than the last.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as ChildSpec from "furrow/ChildSpec"
import * as Dialog from "furrow/Dialog"
import * as Gather from "furrow/Gather"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import * as Shared from "furrow/Shared"
import type { Spawner } from "furrow/Spawner"
import * as Supervisor from "furrow/Supervisor"
import { TestWorld } from "furrow/testing"
import * as Topics from "furrow/Topics"
import { ActorCrashed, ForkFailed, SpawnError } from "furrow/TreeError"
import { Player } from "../contract/fixtures/Player.ts"
import { programs } from "../contract/fixtures/programs.ts"
import { Market } from "../contract/fixtures/Topics.ts"
import { Worker } from "../contract/fixtures/Worker.ts"

const plain = { arguments: {} }

const blocks: Record<string, Effect.Effect<unknown, unknown, Nursery.Nursery | Spawner>> = {
  "a tree": Nursery.spawn(Worker, { arguments: { children: { below: {} } } }),
  "a one-shot": Nursery.call(Worker, ({ Echo }) => Echo("once"), plain),
  "a Layer": Effect.provide(
    Effect.flatMap(Worker.Portal, ({ client }) => client.Echo("in a Layer")),
    Nursery.layer(Worker, plain)
  ),
  "a dialog": Effect.gen(function* () {
    const player = yield* Nursery.spawn(Player)
    return yield* player.client.Play([{ do: "echo" }]).pipe(
      Dialog.use(
        Effect.fnUntraced(function* (talk) {
          yield* talk.send(1)
          yield* talk.end
          return yield* talk.result
        })
      )
    )
  }),
  "a feed": Effect.gen(function* () {
    const { client } = yield* Nursery.spawn(Market)
    yield* Effect.gen(function* () {
      const feed = yield* Topics.open(client.Quotes())
      const { stream } = yield* feed.subscribe(["short"])
      yield* Stream.runDrain(Stream.take(stream, 2))
    }).pipe(Effect.scoped)
  }),
  "a supervisor": Supervisor.run(
    { children: { one: ChildSpec.make(Worker, plain) } },
    ({ portal, restart }) =>
      Effect.andThen(restart("one"), Effect.exit(portal("one").client.Echo("kept")))
  ),
  "a resource that two share": Effect.gen(function* () {
    const workers = yield* Shared.make({
      open: (name: string) => Nursery.spawnScoped(Worker, { ...plain, name })
    })
    const use = workers.use("shared", ({ client }) => client.Echo("used"))
    yield* Effect.all([use, use], { concurrency: "unbounded" })
  }).pipe(Effect.scoped),
  "dialogs, gathered": Effect.gen(function* () {
    const { client } = yield* Nursery.spawn(Player)
    const talk = client.Play([{ do: "echo" }])
    const talks = yield* Gather.all([talk, talk])
    for (const { end, result } of talks) yield* Effect.andThen(end, result)
  }).pipe(Effect.scoped),
  "forks, cancelled": Effect.gen(function* () {
    yield* Nursery.fork(Nursery.call(Worker, ({ Echo }) => Echo("forked"), plain))
    const worker = yield* Nursery.spawn(Worker, plain)
    yield* Nursery.fork(worker.client.Hang())
    yield* Nursery.cancel
  })
}

/** A block that is cut after so many turns of the scheduler; `undefined` if it had ended by then. */
const cutAfter = (
  turns: number,
  block: Effect.Effect<unknown, unknown, Nursery.Nursery | Spawner>,
  cut: (fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<void, never, TestWorld.TestWorld>
) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(
      Effect.provideService(Nursery.run(block), Scheduler.MaxOpsBeforeYield, 3),
      { startImmediately: true }
    )
    for (let n = 0; n < turns; n++) yield* Effect.yieldNow
    const inTime = fiber.pollUnsafe() === undefined
    if (inTime) yield* cut(fiber)
    for (let n = 0; n < 50 && fiber.pollUnsafe() === undefined; n++) {
      yield* TestClock.adjust("200 millis")
    }
    assert(fiber.pollUnsafe() !== undefined, `it does not end when it is cut after ${turns} turns`)
    expect(yield* TestWorld.lives, `after ${turns} turns`).toEqual([])
    return inTime ? yield* Fiber.await(fiber) : undefined
  })

const unexpected = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause.reasons.flatMap((reason) => {
    if (Cause.isInterruptReason(reason)) return []
    const error = Cause.isFailReason(reason) ? reason.error : reason.defect
    if (error instanceof ForkFailed) return unexpected(error.cause)
    return error instanceof SpawnError ||
      error instanceof ActorCrashed ||
      (error instanceof PortalError && Cause.isFailReason(reason))
      ? []
      : [error]
  })

describe("wherever", () => {
  for (const [name, block] of Object.entries(blocks)) {
    it.effect(`${name} is interrupted, it ends with that, and nobody is left (S1)`, () =>
      Effect.gen(function* () {
        for (let turns = 0; ; turns++) {
          const exit = yield* cutAfter(turns, block, (fiber) =>
            Effect.sync(() => fiber.interruptUnsafe())
          )
          if (exit === undefined) return expect(turns).toBeGreaterThan(50)
          if (Exit.isSuccess(exit)) continue
          const others = exit.cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
          expect(others, `after ${turns} turns`).toEqual([])
        }
      }).pipe(Effect.provide(TestWorld.layer(programs)))
    )

    it.effect(`${name} loses an actor, it ends with that, and nobody is left (S2)`, () =>
      Effect.gen(function* () {
        let crashes = 0
        for (let turns = 0; ; turns++) {
          const exit = yield* cutAfter(turns, block, () =>
            Effect.gen(function* () {
              const [victim] = yield* TestWorld.lives
              if (victim === undefined) return
              crashes++
              yield* TestWorld.crash({ actor: victim })
            })
          )
          if (exit === undefined) return expect(crashes).toBeGreaterThan(50)
          if (Exit.isSuccess(exit)) continue
          expect(unexpected(exit.cause), `after ${turns} turns`).toEqual([])
        }
      }).pipe(Effect.provide(TestWorld.layer(programs)))
    )
  }
})
