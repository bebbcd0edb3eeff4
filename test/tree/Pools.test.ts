/**
 * A pool under fire: thousands of jobs, and workers that are killed all the while. What each job has come to is compared
 * with what the workers noted, who write down each one that they begin.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { flow } from "effect/Function"
import * as ActorPool from "furrow/ActorPool"
import * as Nursery from "furrow/Nursery"
import { Disconnected, PortalError } from "furrow/PortalError"
import { ExitPatience } from "furrow/Spawner"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Laborer } from "../contract/fixtures/Laborer.ts"
import { events, only } from "../contract/Watching.ts"
import { patience } from "../contract/World.ts"
import { isAlive } from "../node/Pids.ts"

const main = new URL("../contract/children.main.ts", import.meta.url)

/** However busy the machine is, callers are told how a process ended. */
const live = flow(
  Effect.provideService(ExitPatience, patience(100)),
  Effect.provide(NodeActor.layer)
)

const Jobs = 10_000
/** How many jobs end between one kill and the next. */
const Between = 400
const Workers = 2
/** Jobs for each of them. */
const Concurrency = 4

/** How often each number stands in the workers' notes. */
const begun = (notes: string): ReadonlyMap<number, number> => {
  const counts = new Map<number, number>()
  for (const line of readFileSync(notes, "utf8").split("\n")) {
    if (!line.startsWith("square ")) continue
    const n = Number(line.slice("square ".length))
    counts.set(n, (counts.get(n) ?? 0) + 1)
  }
  return counts
}

/** All jobs at once, while a worker is killed after every so many of them; `again` is how each is tried again. */
const underFire = Effect.fnUntraced(function* (
  again: <A, E>(job: Effect.Effect<A, E>) => Effect.Effect<A, E>
) {
  const directory = mkdtempSync(join(tmpdir(), "furrow-pool-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
  const notes = join(directory, "notes")
  writeFileSync(notes, "")
  const seen = yield* events
  /** One that is killed may be there for a while, and is killed once. */
  const killed = new Set<string>()
  const [exits, stats] = yield* Nursery.run(
    Effect.gen(function* () {
      const pool = yield* ActorPool.make(Laborer, {
        main,
        arguments: { notes },
        size: Workers,
        concurrency: Concurrency
      })
      let ended = 0
      /** The one that has lived longest of those who are not known to be gone. */
      const killOne = Effect.sync(() => {
        const gone = new Set(seen.of("Crashed").map(({ actor }) => actor.incarnation))
        const victim = seen
          .of("Started")
          .find(({ actor: { incarnation } }) => !gone.has(incarnation) && !killed.has(incarnation))
        if (victim?.pid === undefined || !isAlive(victim.pid)) return
        process.kill(victim.pid, "SIGKILL")
        killed.add(victim.actor.incarnation)
      })
      const exits = yield* Effect.forEach(
        Array.from({ length: Jobs }, (_, n) => n),
        (n) =>
          Effect.tap(Effect.exit(again(pool.client.Square({ n }))), () =>
            Effect.suspend(() => (++ended % Between === 0 ? killOne : Effect.void))
          ),
        { concurrency: "unbounded" }
      )
      return [exits, yield* pool.stats] as const
    })
  )
  for (const { pid } of seen.of("Started")) {
    expect(pid === undefined || isAlive(pid), "no worker is left").toBe(false)
  }
  const kills = killed.size
  expect(kills, "it was a fire").toBeGreaterThan(Jobs / Between / 3)
  // Of the last ones that were killed, some need not be back.
  expect(stats.restarts).toBeGreaterThanOrEqual(kills - Workers)
  expect(stats).toMatchObject({ running: 0, waiting: 0 })
  return { begun: begun(notes), exits, kills }
}, live)

const isLost = (exit: Exit.Exit<unknown, unknown>): boolean => {
  const error = Exit.isFailure(exit) ? only(exit) : undefined
  return error instanceof PortalError && error.reason instanceof Disconnected
}

describe("a pool whose workers are killed all the while", () => {
  it.live(
    "F1 10 000 jobs through 2 workers: each ends with its result or with Disconnected, and none is done twice",
    () =>
      Effect.gen(function* () {
        const { begun, exits, kills } = yield* underFire((job) => job)
        const lost = exits.filter(Exit.isFailure)
        expect(lost.every(isLost)).toBe(true)
        expect(lost.length, "only those that a killed worker had").toBeLessThanOrEqual(
          kills * Concurrency
        )
        for (const [n, exit] of exits.entries()) {
          if (Exit.isSuccess(exit)) expect([exit.value, begun.get(n)]).toEqual([n * n, 1])
          else expect(begun.get(n) ?? 0, "lost, and not done again").toBeLessThanOrEqual(1)
        }
      }).pipe(Effect.scoped),
    patience(20_000)
  )

  it.live(
    "F1 the same with a retry: each ends with its result, and only those are done again that said so",
    () =>
      Effect.gen(function* () {
        let retries = 0
        const { begun, exits } = yield* underFire((job) =>
          Effect.retry(job, {
            while: (error) => {
              const lost = isLost(Exit.fail(error))
              if (lost) retries++
              return lost
            }
          })
        )
        let more = 0
        for (const [n, exit] of exits.entries()) {
          expect(exit).toEqual(Exit.succeed(n * n))
          more += (begun.get(n) ?? 0) - 1
        }
        expect(more).toBeLessThanOrEqual(retries)
      }).pipe(Effect.scoped),
    patience(20_000)
  )
})
