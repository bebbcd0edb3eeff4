/**
 * Connections that break, senders that are cancelled in the middle, actors that end with much still to say: whoever
 * waits is told, once and typed, and what was accepted arrives.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { OperationsOf, Portal } from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import type { TestWorld } from "furrow/testing"
import { ActorCrashed } from "furrow/TreeError"
import { Fragile } from "./fixtures/Fragile.ts"
import * as Observer from "./Observer.ts"
import type { World } from "./World.ts"

type FragilePortal = Portal<OperationsOf<typeof Fragile>>

/** One way to break the connection to an actor that lives. */
interface Break {
  /** Who breaks it, in what order. */
  readonly name: string
  readonly run: (fragile: FragilePortal) => Effect.Effect<void, unknown, TestWorld.TestWorld>
}

/** What a failure comes to: reasons by the tag of their `PortalError`, else by their own, in order. */
const account = (exit: Exit.Exit<unknown, unknown> | undefined): ReadonlyArray<string> => {
  if (exit === undefined) return ["nothing yet"]
  if (Exit.isSuccess(exit)) return ["success"]
  return exit.cause.reasons.map((reason) => {
    if (Cause.isInterruptReason(reason)) return "Interrupt"
    const error = Cause.isFailReason(reason) ? reason.error : reason.defect
    if (error instanceof PortalError) return error.reason._tag
    return error instanceof ActorCrashed ? "ActorCrashed" : String(error)
  })
}

const upTo = (count: number) => [...Array.from({ length: count }).keys()]

/** See the module. `breaks`: the ways in which this world can break a connection. */
export default (world: World, breaks: ReadonlyArray<Break>): void => {
  const { it, main, name } = world

  const spawn = Nursery.spawn(Fragile, { ...main, grace: "5 seconds" })

  /** Runs an effect that will be interrupted with its block; gives how it ended itself. */
  const noting = () => {
    let met: Exit.Exit<unknown, unknown> | undefined
    return {
      met: () => account(met),
      note: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.onExit(effect, (exit) =>
          Effect.sync(() => {
            met = exit
          })
        )
    }
  }

  describe(`${name}: faults`, () => {
    it("FLT-1 a connection that holds carries 1000 echoes, until its user leaves", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* spawn
          let echoed = 0
          const talking = yield* Effect.forkChild(
            client.EchoEach().pipe(
              Dialog.use((talk) =>
                Effect.gen(function* () {
                  yield* Effect.forkChild(
                    Stream.runForEach(talk.messages, (n) =>
                      Effect.sync(() => {
                        expect(n).toBe(echoed++)
                      })
                    )
                  )
                  for (const n of upTo(1000)) yield* talk.send(n)
                  return yield* Effect.never
                })
              )
            )
          )
          yield* Observer.until(
            world,
            () => echoed === 1000,
            () => `${echoed} echoes`
          )
          yield* Fiber.interrupt(talking)
          expect(account(yield* Fiber.await(talking))).toEqual(["Interrupt"])
          expect(yield* client.Echo(1)).toBe(1)
        })
      ))

    for (const { name: who, run } of breaks) {
      const broken = (
        body: (portal: FragilePortal) => Effect.Effect<unknown, unknown, TestWorld.TestWorld>
      ) =>
        Effect.gen(function* () {
          const { met, note } = noting()
          const block = yield* Effect.exit(
            Nursery.run(Effect.flatMap(spawn, (portal) => note(body(portal))))
          )
          return { met: met(), block: account(block) }
        })

      it(`FLT-2 FLT-3 FLT-4 the connection breaks at the 500th message of a dialog (${who}): Disconnected, and one crash`, () =>
        Effect.gen(function* () {
          let sent = 0
          const end = yield* broken((portal) =>
            portal.client.EchoEach().pipe(
              Dialog.use((talk) =>
                Effect.gen(function* () {
                  for (;;) {
                    if (sent === 500) yield* run(portal)
                    yield* talk.send(sent++)
                    yield* Stream.runDrain(Stream.take(talk.messages, 1))
                  }
                })
              )
            )
          )
          expect(sent).toBeGreaterThanOrEqual(500)
          expect(end).toEqual({ met: ["Disconnected"], block: ["ActorCrashed"] })
        }))

      it(`FLT-5 the same when the sender has ended its side before (${who})`, () =>
        Effect.gen(function* () {
          const end = yield* broken((portal) =>
            portal.client.EchoEach().pipe(
              Dialog.use((talk) =>
                Effect.gen(function* () {
                  // Nobody reads the echoes, so the callee waits for credit and cannot have ended.
                  for (const n of upTo(100)) yield* talk.send(n)
                  yield* talk.end
                  yield* run(portal)
                  return yield* talk.result
                })
              )
            )
          )
          expect(end).toEqual({ met: ["Disconnected"], block: ["ActorCrashed"] })
        }))

      it(`FLT-7 everything that is under way fails alike, and an error of one's own stays beside it (${who})`, () =>
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const met: Array<ReadonlyArray<string>> = []
          const end = yield* broken((portal) => {
            const { client } = portal
            const under = [
              client.Hang(observer),
              client.Hang(observer),
              Stream.runForEach(client.Feed(10), () => Effect.yieldNow),
              client.EchoEach().pipe(Dialog.use((talk) => Stream.runDrain(talk.messages)))
            ].map((one) =>
              Effect.onExit(one, (exit) => Effect.sync(() => void met.push(account(exit))))
            )
            return Effect.gen(function* () {
              const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
              for (const one of under) {
                fibers.push(yield* Effect.forkDetach(one, { startImmediately: true }))
              }
              yield* client.Echo(1)
              yield* Effect.exit(run(portal))
              const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
              const causes = exits.flatMap((exit) =>
                Exit.isFailure(exit) ? exit.cause.reasons : []
              )
              return yield* Effect.failCause(
                Cause.fromReasons([...causes, Cause.makeFailReason("my own")])
              )
            }).pipe(Effect.uninterruptible)
          })
          expect(met.filter((reasons) => reasons.join() === "Disconnected")).toHaveLength(4)
          expect(end.block.filter((reason) => reason !== "Disconnected").toSorted()).toEqual([
            "ActorCrashed",
            "my own"
          ])
          // The callee learns it as well.
          yield* observer.until("hang ended")
        }))

      it(`FLT-12 a sender that is cancelled as the connection breaks is cancelled, and not Disconnected (${who})`, () =>
        Effect.gen(function* () {
          let sender: Exit.Exit<unknown, unknown> | undefined
          yield* broken((portal) =>
            Effect.gen(function* () {
              const sending = yield* Effect.forkChild(
                portal.client
                  .Lengths()
                  .pipe(Dialog.use((talk) => Effect.forever(talk.send("x".repeat(10_000)))))
              )
              yield* portal.client.Echo(1)
              yield* Effect.forkDetach(Effect.exit(run(portal)), { startImmediately: true })
              yield* Fiber.interrupt(sending)
              sender = yield* Fiber.await(sending)
              return yield* Effect.never
            })
          )
          expect(account(sender)).toEqual(["Interrupt"])
        }))
    }

    it("FLT-10 D10 a sender cancelled in the middle of a large value leaves a connection that is usable", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* spawn
          const large = "0123456789".repeat(2_000_000)
          for (const send of [
            client.Length(large),
            client
              .Lengths()
              .pipe(
                Dialog.use((talk) =>
                  Effect.andThen(talk.send(large), Stream.runDrain(Stream.take(talk.messages, 1)))
                )
              )
          ]) {
            const sending = yield* Effect.forkChild(send, { startImmediately: true })
            // Its parts are on their way by now: a small call passes between them.
            expect(yield* client.Echo(1)).toBe(1)
            // A wire in memory takes all of them in one go.
            if (world.can.blocking) expect(sending.pollUnsafe()).toBeUndefined()
            yield* Fiber.interrupt(sending)
            expect(account(yield* Fiber.await(sending))).toEqual([
              world.can.blocking ? "Interrupt" : expect.any(String)
            ])
            expect(yield* client.Length("x".repeat(100_000))).toBe(100_000)
          }
        })
      ))

    it("F14 an actor that fails right after its last word has said all of it", () =>
      Effect.gen(function* () {
        for (const length of [10, 5_000_000]) {
          const { met, note } = noting()
          let received = 0
          const block = yield* Effect.exit(
            Nursery.run(
              Effect.flatMap(spawn, ({ client }) =>
                note(
                  Effect.map(client.LastWords(length), (text) => {
                    received = text.length
                  })
                ).pipe(Effect.andThen(Effect.never))
              )
            )
          )
          expect([met(), received]).toEqual([["success"], length])
          assert(Exit.isFailure(block))
          expect(Cause.pretty(block.cause)).toContain("nothing more to say")
        }
      }))

    it("F14 the same for the last items of a stream, read after it has ended", () =>
      Effect.gen(function* () {
        const { met, note } = noting()
        const received: Array<string> = []
        yield* Effect.exit(
          Nursery.run(
            Effect.flatMap(spawn, ({ client }) =>
              note(
                Stream.runForEach(client.LastItems({ count: 60, length: 4000 }), (text) =>
                  Effect.sync(() => void received.push(text))
                )
              ).pipe(Effect.andThen(Effect.never))
            )
          )
        )
        expect(met()).toEqual(["success"])
        expect(received.map((text) => Number(text.split(":", 1)[0]))).toEqual(
          upTo(60).map((n) => n + 1)
        )
      }))

    it("F19 calls whose fibers nobody holds are answered, and nobody is left waiting", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* spawn
          let answered = 0
          for (const n of upTo(500)) {
            yield* Effect.forkDetach(
              Effect.tap(client.Echo(n), () => Effect.sync(() => void answered++))
            )
          }
          yield* Observer.until(
            world,
            () => answered === 500,
            () => `${answered} answers`
          )
        })
      ))

    it("F19 a stream that is left through its iterator is cancelled, and the next call goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* spawn
          const first = yield* Stream.runHead(client.Feed(10))
          expect(first._tag).toBe("Some")
          const fed = yield* client.Fed()
          for (const n of upTo(10)) yield* client.Echo(n)
          expect(yield* client.Fed()).toBe(fed)
        })
      ))
  })
}
