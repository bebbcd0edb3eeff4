/**
 * Every way in which an actor's process can end that nobody asked for, made to happen to real processes: who waits is
 * told at once and why, its owner acts, and nothing is left.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Actor from "furrow/Actor"
import { flow } from "effect/Function"
import * as Nursery from "furrow/Nursery"
import { Disconnected, PortalError } from "furrow/PortalError"
import type { ProcessExit } from "furrow/ProcessExit"
import { ExitPatience } from "furrow/Spawner"
import type { ProcessOptions } from "furrow/Spawner"
import { ActorCrashed } from "furrow/TreeError"
import { events, only } from "../contract/Watching.ts"
import { patience } from "../contract/World.ts"
import { isAlive } from "../node/Pids.ts"
import { Mortal } from "./fixtures/mortal.ts"

const main = new URL("./fixtures/mortal.ts", import.meta.url)

type Client = Actor.Client<Actor.OperationsOf<typeof Mortal>>

/** However busy the machine is, callers are told how a process ended. */
const live = flow(
  Effect.provideService(ExitPatience, patience(100)),
  Effect.provide(NodeActor.layer)
)

/** Its stderr is not passed on: it would only be in the way of the tests' own output. */
const quiet = { main, stderr: "pipe" } as const

/** The loss that a call failed with. */
const lossOf = (exit: Exit.Exit<unknown, unknown>): Disconnected => {
  const error = only(exit)
  assert(error instanceof PortalError, String(error))
  assert(error.reason instanceof Disconnected, error.message)
  return error.reason
}

/** How an actor's block ends that meets its death while a call is under way, and what the call fails with. */
const dying = (
  options: ProcessOptions,
  die: (client: Client) => Effect.Effect<unknown, PortalError>
) =>
  Effect.gen(function* () {
    let loss: Disconnected | undefined
    const block = yield* Effect.exit(
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Mortal, { ...quiet, ...options })
          const dead = yield* Effect.forkDetach(die(client), { startImmediately: true })
          loss = lossOf(yield* Effect.uninterruptible(Fiber.await(dead)))
          return yield* Effect.never
        })
      )
    )
    const error = only(block)
    assert(error instanceof ActorCrashed, String(error))
    assert(loss !== undefined)
    expect(loss.crash).toEqual(error.cause.exit)
    return { cause: error.cause, message: error.message }
  })

/** An actor can be started, used and ended. */
const works = Effect.gen(function* () {
  expect(yield* Nursery.call(Mortal, ({ Echo }) => Echo("well"), { main })).toBe("well")
}).pipe((call) => Nursery.run(call))

describe("a child that dies hard", () => {
  const ways: ReadonlyArray<readonly [signal: NodeJS.Signals, ProcessExit]> = [
    ["SIGKILL", { signal: "SIGKILL" }],
    ["SIGSEGV", { signal: "SIGSEGV", death: { _tag: "RuntimeCrash" } }],
    ["SIGABRT", { signal: "SIGABRT", death: { _tag: "RuntimeCrash" } }]
  ]
  it.live.each(ways)(
    "F1 of %s: who waits for it is told at once, its owner acts, and it is never used again",
    ([signal, how]) =>
      Effect.gen(function* () {
        const seen = yield* events
        let told: ReadonlyArray<Exit.Exit<unknown, unknown>> = []
        const block = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              yield* Nursery.spawn(Mortal, { ...quiet, name: "sibling" })
              const { client, pid } = yield* Nursery.spawn(Mortal, { ...quiet, name: "victim" })
              const pending = yield* Effect.forEach([1, 2, 3], () =>
                Effect.forkDetach(client.Hang(), { startImmediately: true })
              )
              yield* client.Echo("they are waited for")
              process.kill(pid!, signal)
              const died = performance.now()
              // The block is about to interrupt its body.
              yield* Effect.gen(function* () {
                const waited = yield* Effect.forEach(pending, Fiber.await)
                expect(performance.now() - died).toBeLessThan(patience(200))
                const later = yield* Effect.exit(client.Echo("is anybody there?"))
                expect(performance.now() - died).toBeLessThan(patience(200))
                told = [...waited, later]
              }).pipe(Effect.uninterruptible)
              return yield* Effect.never
            })
          )
        )
        expect(told).toHaveLength(4)
        for (const exit of told) {
          expect(lossOf(exit).crash).toEqual(how)
          expect(String(only(exit))).toContain(`was ended by ${signal}`)
        }
        const error = only(block)
        assert(error instanceof ActorCrashed)
        expect(error.actor.path).toBe("root/victim")
        expect(error.cause.exit).toEqual(how)
        expect(error.message).toContain(`was ended by ${signal}`)
        expect(seen.of("Crashed").map(({ cause }) => cause)).toEqual([error.cause])
        for (const { pid } of seen.of("Started")) assert(!isAlive(pid!))
      }).pipe(live)
  )

  it.live("F1 an abort is a crash of the runtime, with its last words", () =>
    Effect.gen(function* () {
      const { cause, message } = yield* dying({}, ({ Abort }) => Abort())
      expect(cause.exit).toEqual({ signal: "SIGABRT", death: { _tag: "RuntimeCrash" } })
      expect(cause.stderr).toContain("Native stack trace")
      expect(message).toContain("Native stack trace")
    }).pipe(live)
  )
})

describe("a child whose memory runs out", () => {
  it.live(
    "F22 its heap is full: the cause says so, whoever holds its stderr, and the parent lives",
    () =>
      Effect.gen(function* () {
        const { cause, message } = yield* dying({ memory: 64 }, ({ FillHeap, StartHolder }) =>
          Effect.andThen(StartHolder(), FillHeap())
        )
        expect(cause.exit).toEqual({
          signal: "SIGABRT",
          death: { _tag: "OutOfMemory", of: "heap", limit: 64 }
        })
        expect(message).toBe(
          'The actor "root/Mortal" crashed: its process ran out of memory and was ended by SIGABRT: its heap was full at its limit of 64 MiB, which the spawn option "memory" raises.'
        )
        yield* works
      }).pipe(live)
  )

  it.live("F22 without a stderr to read it is a crash of the runtime: nobody heard more", () =>
    Effect.gen(function* () {
      const { cause } = yield* dying({ memory: 64, stderr: "ignore" }, ({ FillHeap }) => FillHeap())
      expect(cause.exit).toEqual({ signal: "SIGABRT", death: { _tag: "RuntimeCrash" } })
      expect(cause.stderr).toBeUndefined()
    }).pipe(live)
  )
})
