/**
 * The block that owns actors: area CANC and the rules S1 to S4, S9 and S10. What a block fails with, in which order its
 * actors go, and that nothing outlives it.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"
import { Cancelled, Disconnected, PortalError } from "furrow/PortalError"
import * as NurseryLimits from "furrow/NurseryLimits"
import { ActorCrashed, ForkFailed, LimitReached, SpawnError } from "furrow/TreeError"
import { existsSync, writeFileSync } from "node:fs"
import { Assertion, Worker } from "./fixtures/Worker.ts"
import type { Plan } from "./fixtures/Worker.ts"
import * as Observer from "./Observer.ts"
import { events, only, reasonsOf } from "./Watching.ts"
import type { Watch } from "./Watching.ts"
import { patience } from "./World.ts"
import type { World } from "./World.ts"

/** A body's own error. */
class Own extends Error {
  readonly _tag = "Own"
}

/** The one thing that a fork failed with. */
const forkError = (error: unknown): unknown => {
  assert(error instanceof ForkFailed, String(error))
  return only(Exit.failCause(error.cause))
}

/** What began an error of the tree: the errors at the ends of its causes. */
const origins = (error: unknown): ReadonlyArray<unknown> => {
  const cause =
    error instanceof ForkFailed
      ? error.cause
      : error instanceof ActorCrashed
        ? error.cause.cause
        : undefined
  return cause === undefined ? [error] : reasonsOf(Exit.failCause(cause)).flatMap(origins)
}

export default (world: World): void => {
  const { can, crash, elapse, isGone, it, main, name, needing } = world

  const spawn = (name: string, plan: Plan = {}, grace?: { readonly grace: number }) =>
    Nursery.spawn(Worker, { ...main, ...grace, name, arguments: plan })

  const call = <A, E, R>(
    use: (client: Actor.Client<Actor.OperationsOf<typeof Worker>>) => Effect.Effect<A, E, R>
  ) => Nursery.call(Worker, use, { ...main, name: "once", arguments: {} })

  /** Everybody who was ever ready is gone. */
  const allGone = (seen: Watch) =>
    Effect.gen(function* () {
      for (const door of seen.of("Started")) {
        assert(yield* isGone(door), `${door.actor.path} is still there`)
      }
    })

  /** Runs a block in a fiber, and tells how it ended; afterwards nobody of it is there. */
  const ended = <A, E, R>(block: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const seen = yield* events
      const exit = yield* Effect.exit(block)
      yield* allGone(seen)
      return exit
    })

  describe(`what a block fails with (${name})`, () => {
    it("CANC-1 one that fails is told, and everybody else is cancelled", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("sibling", { file: observer.file })
              yield* Nursery.fork(call(({ Assert }) => Assert("it does not hold")))
              return yield* Effect.never
            })
          )
        )
        const error = forkError(only(exit))
        assert(error instanceof Assertion)
        expect(error.why).toBe("it does not hold")
        expect(observer.lines()).toEqual(["sibling ends", "sibling has ended"])
      }))

    it("CANC-3 a body that waits for the result that fails raises it, and the block tells it once", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const fiber = yield* Nursery.fork(call(({ Assert }) => Assert("it does not hold")))
              return yield* Fiber.join(fiber)
            })
          )
        )
        expect(only(exit)).toBeInstanceOf(Assertion)
      }))

    it("CANC-4 of two that fail at once both are told", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const gate = yield* Deferred.make<void>()
              const failures: Array<Deferred.Deferred<void>> = []
              for (const why of ["one", "two"]) {
                const hasFailed = yield* Deferred.make<void>()
                failures.push(hasFailed)
                yield* Nursery.fork(
                  Effect.gen(function* () {
                    const failed = yield* Effect.exit(call(({ Assert }) => Assert(why)))
                    yield* Deferred.succeed(hasFailed, undefined)
                    yield* Deferred.await(gate)
                    return yield* failed
                  })
                )
              }
              // Both have failed when the gate opens.
              yield* Effect.forEach(failures, (failure) => Deferred.await(failure))
              yield* Deferred.succeed(gate, undefined)
              return yield* Effect.never
            })
          )
        )
        const whys = reasonsOf(exit).map((error) => (forkError(error) as Assertion).why)
        expect(whys.toSorted()).toEqual(["one", "two"])
      }))

    it("CANC-5 a body that throws while a child has failed is told beside it, and first", () =>
      Effect.gen(function* () {
        const own = new Own("the body's")
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("victim")
              yield* crash(worker)
              yield* worker.exit
              return yield* Effect.fail(own)
            }).pipe(Effect.uninterruptible)
          )
        )
        const [first, second, ...others] = reasonsOf(exit)
        expect(first).toBe(own)
        expect(second).toBeInstanceOf(ActorCrashed)
        expect(others).toEqual([])
      }))

    it("CANC-6 when only the body throws, its error is all there is", () =>
      Effect.gen(function* () {
        const own = new Own("the body's")
        const exit = yield* ended(Nursery.run(Effect.andThen(spawn("daemon"), Effect.fail(own))))
        expect(only(exit)).toBe(own)
        const died = yield* ended(Nursery.run(Effect.andThen(spawn("daemon"), Effect.die(own))))
        expect(only(died)).toBe(own)
      }))

    it("CANC-8 a body that interrupts itself is told as that, and the daemon is gone", () =>
      Effect.gen(function* () {
        const exit = yield* ended(Nursery.run(Effect.andThen(spawn("daemon"), Effect.interrupt)))
        expect(only(exit)).toBe("interrupt")
      }))

    for (const n of [1, 2, 3]) {
      it(`CANC-10 of ${n} that fail beside ${n} that wait, only failures are told, and nobody is left`, () =>
        Effect.gen(function* () {
          const seen = yield* events
          const exit = yield* ended(
            Nursery.run(
              Effect.gen(function* () {
                for (let i = 0; i < n; i++) yield* spawn(`daemon ${i}`)
                for (let i = 0; i < n; i++) {
                  yield* Nursery.fork(call(({ Assert }) => Assert(`fails ${i}`)))
                }
                return yield* Effect.never
              })
            )
          )
          const errors = reasonsOf(exit).map(forkError)
          for (const error of errors) expect(error).toBeInstanceOf(Assertion)
          expect(errors.length).toBeGreaterThan(0)
          expect(errors.length).toBeLessThanOrEqual(n)
          const whys = new Set(errors.map((error) => (error as Assertion).why))
          expect(whys.size).toBe(errors.length)
          expect(seen.of("Stopped").length).toBe(seen.of("Started").length)
        }))
    }

    it("CANC-11 CANC-23 a daemon's call that dies is one failure, whatever one-shots do and have done", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const daemon = yield* spawn("daemon")
              for (const text of ["a", "b"]) {
                const done = yield* Nursery.fork(call(({ Echo }) => Echo(text)))
                expect(yield* Fiber.join(done)).toBe(text)
              }
              yield* Nursery.fork(
                Nursery.call(Worker, ({ Hang }) => Hang(), {
                  ...main,
                  name: "waiting",
                  arguments: { file: observer.file }
                })
              )
              yield* observer.until("waiting hangs")
              return yield* daemon.client.Die("of its own")
            })
          )
        )
        expect(only(exit)).toMatchObject({ message: "of its own" })
        expect(observer.lines()).toEqual([
          "waiting hangs",
          "waiting was interrupted",
          "waiting ends",
          "waiting has ended"
        ])
      }))

    /** A tree so deep, of two at each level, whose leaves all fail. */
    const failsBelow = (depth: number, within: number) =>
      Effect.gen(function* () {
        const begun = performance.now()
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              for (let n = 0; n < 2; n++) {
                yield* Nursery.fork(call(({ FailBelow }) => FailBelow({ depth, breadth: 2 })))
              }
              return yield* Effect.never
            })
          )
        )
        const causes = reasonsOf(exit).flatMap(origins)
        expect(causes.length).toBeGreaterThan(0)
        for (const cause of causes) expect(cause).toMatchObject({ message: "at the bottom" })
        if (!can.time) expect(performance.now() - begun).toBeLessThan(patience(within))
      })

    it("CANC-12 a tree of depth 1 that fails at its leaves is told from there", () =>
      failsBelow(1, 6000))

    it(
      "CANC-13 a tree of depth 3 that fails at its leaves is told from there, and of no cancelling",
      () => failsBelow(3, 12_000),
      { timeout: patience(12_000) }
    )

    it("several crashes are all kept, each once (S2)", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const workers = yield* Effect.forEach(["a", "b", "c"], (name) => spawn(name))
              yield* Effect.uninterruptible(
                Effect.forEach(workers, (worker) => crash(worker), { discard: true })
              )
              return yield* Effect.never
            })
          )
        )
        const paths = reasonsOf(exit).map((error) => {
          assert(error instanceof ActorCrashed)
          expect(error.cause.exit).toEqual({ signal: "SIGKILL" })
          return error.actor.path
        })
        expect(paths.toSorted()).toEqual(["root/a", "root/b", "root/c"])
      }))

    it("an actor's root that fails ends the block with the actor and what it failed with, once (S2)", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("broken")
              yield* worker.client.Break({ why: "from inside" })
              return yield* worker.client.Hang()
            })
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.actor.path).toBe("root/broken")
        expect(error.message).toContain("from inside")
        expect(origins(error)).toMatchObject([{ name: "Assertion", message: "from inside" }])
        expect(error.cause.exit).toEqual({ code: 1 })
        expect(seen.of("Crashed")).toHaveLength(1)
      }))

    it("an error climbs level by level, and every level has ended (S4)", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const { file } = observer
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("a", {
                file,
                children: { b: { file, children: { c: { file } }, dies: "b's finalizer" } }
              })
              return "the body's"
            })
          )
        )
        // Everybody was asked to end; one of them failed while it did, and its parents with it.
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.actor.path).toBe("root/a")
        const inner = only(Exit.failCause(error.cause.cause!))
        assert(inner instanceof ActorCrashed)
        expect(inner.actor.path).toBe("root/a/b")
        expect(origins(error)).toMatchObject([{ message: "b's finalizer" }])
        expect(observer.lines().filter((line) => !line.includes(" sees "))).toEqual([
          "a ends",
          "a has ended",
          "b ends",
          "c ends",
          "c has ended"
        ])
      }))
  })

  describe(`one event is one failure (${name})`, () => {
    for (const how of [{ code: 3 }, { signal: "SIGKILL" }] as const) {
      const named = "code" in how ? "code 3" : how.signal

      it(`S6 whatever waits on an actor that dies with ${named} is told so at once, and the block once`, () =>
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const met: Array<unknown> = []
          const note = (exit: Exit.Exit<unknown, unknown>) =>
            Effect.sync(() => void met.push(...reasonsOf(exit)))
          let died = 0
          const exit = yield* ended(
            Nursery.run(
              Effect.gen(function* () {
                const worker = yield* spawn("victim", { file: observer.file })
                yield* Nursery.fork(Effect.onExit(worker.client.Hang(), note))
                // One that has an item in hand is cancelled by whoever was told first.
                yield* Nursery.fork(Effect.onExit(Stream.runDrain(worker.client.Silence()), note))
                yield* observer.until("victim hangs")
                yield* Effect.forkDetach(
                  Effect.andThen(
                    worker.client.Echo("a round trip: the body waits by then"),
                    Effect.suspend(() => {
                      died = performance.now()
                      return crash(worker, how)
                    })
                  )
                )
                // The body waits, too.
                return yield* Effect.onExit(worker.client.Hang(), note)
              })
            )
          )
          const error = only(exit)
          assert(error instanceof ActorCrashed)
          expect(error.cause.exit).toEqual(how)
          expect(error.message).toContain(named)
          expect(met).toHaveLength(3)
          for (const one of met) {
            assert(one instanceof PortalError && one.reason instanceof Disconnected, String(one))
            expect(one.reason.crash).toEqual(how)
            expect(one.message).toContain(named)
          }
          expect(performance.now() - died).toBeLessThan(patience(200))
        }))
    }

    it("S2 a body that has handled the loss is ended all the same", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("victim")
              yield* crash(worker)
              yield* Effect.exit(worker.client.Hang())
              return "handled"
            })
          )
        )
        expect(only(exit)).toBeInstanceOf(ActorCrashed)
      }))

    it("S2 the loss of another life of the same name is another event: both are told", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const seen = yield* events
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const daemon = yield* spawn("twin")
              const once = yield* Nursery.fork(
                Effect.exit(
                  Nursery.call(Worker, ({ Hang }) => Hang(), {
                    ...main,
                    name: "twin",
                    arguments: { file: observer.file }
                  })
                )
              )
              yield* observer.until("twin hangs")
              const other = seen.of("Started").at(-1)!
              // The block would interrupt its body in between.
              return yield* Effect.gen(function* () {
                yield* crash(other)
                const lost = yield* Fiber.join(once)
                expect(only(lost)).toMatchObject({
                  reason: { _tag: "Disconnected", incarnation: other.actor.incarnation }
                })
                yield* crash(daemon)
                yield* daemon.exit
                return yield* lost
              }).pipe(Effect.uninterruptible)
            })
          )
        )
        const [loss, crashed, ...others] = reasonsOf(exit)
        expect(others).toEqual([])
        assert(loss instanceof PortalError)
        expect(loss.actor).toBe("root/twin")
        assert(crashed instanceof ActorCrashed)
        expect(crashed.actor.path).toBe("root/twin")
      }))

    it("S2 a body that makes a defect of the loss adds nothing", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("victim")
              yield* crash(worker)
              return yield* Effect.orDie(worker.client.Hang())
            })
          )
        )
        expect(only(exit)).toBeInstanceOf(ActorCrashed)
      }))

    needing("exits").it("S2 a process that exits unasked has crashed, also with code 0", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("victim")
              return yield* worker.client.Leave(0)
            })
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.cause.exit).toEqual({ code: 0 })
      })
    )

    it("S2 an operation that fails or dies is no crash: the actor lives on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const worker = yield* spawn("robust")
          expect(only(yield* Effect.exit(worker.client.Assert("no")))).toBeInstanceOf(Assertion)
          expect(only(yield* Effect.exit(worker.client.Die("a bug")))).toBeInstanceOf(Error)
          expect(yield* worker.client.Echo("alive")).toBe("alive")
        })
      ))

    it("S2 the cancelling of a block adds nothing to what the block fails with", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const healthy = yield* spawn("healthy", { file: observer.file })
              const victim = yield* spawn("victim")
              // A fork that cannot be interrupted meets the stop of its actor, and so does the body.
              yield* Nursery.fork(Effect.uninterruptible(healthy.client.Hang()))
              yield* observer.until("healthy hangs")
              yield* crash(victim)
              return yield* Effect.uninterruptible(healthy.client.Hang())
            })
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.actor.path).toBe("root/victim")
      }))

    it("S3 the crash of a one-shot is its caller's, and no failure of the block", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const value = yield* Nursery.run(
          Effect.gen(function* () {
            const error = yield* Effect.flip(
              call(({ Hang, Nothing }) =>
                Effect.gen(function* () {
                  yield* Nothing()
                  yield* crash(seen.of("Started")[0]!)
                  return yield* Hang()
                })
              )
            )
            assert(error instanceof PortalError && error.reason instanceof Disconnected)
            expect(error.reason.crash).toEqual({ signal: "SIGKILL" })
            return "the block goes on"
          })
        )
        expect(value).toBe("the block goes on")
        yield* allGone(seen)
      }))
  })

  describe(`how a block ends (${name})`, () => {
    it("CANC-7 Nursery.cancel ends a daemon, and the block ends well", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const daemon = yield* spawn("daemon", { file: observer.file })
              yield* Nursery.cancel
              assert(yield* isGone(daemon))
              expect(observer.lines()).toEqual(["daemon ends", "daemon has ended"])
              return "the body's"
            })
          )
        )
        expect(exit).toEqual(Exit.succeed("the body's"))
      }))

    it("CANC-9 a stream without an end is left after a second, and its callee has ended", () =>
      Nursery.run(
        Effect.gen(function* () {
          const worker = yield* spawn("ticking")
          const begun = performance.now()
          const reading = yield* Effect.forkChild(
            worker.client.Ticks().pipe(Stream.runDrain, Effect.timeoutOption("1 second")),
            { startImmediately: true }
          )
          yield* worker.client.Echo("a round trip: it has begun")
          yield* elapse("1 second")
          expect((yield* Fiber.join(reading))._tag).toBe("None")
          expect(yield* worker.client.Echo("on")).toBe("on")
          if (!can.time) expect(performance.now() - begun).toBeLessThan(patience(4000))
        })
      ))

    for (const n of [2, 4, 8]) {
      it(`CANC-18 ${n} of one name are cancelled, and nobody is left`, () =>
        Effect.gen(function* () {
          const seen = yield* events
          const exit = yield* ended(
            Nursery.run(
              Effect.gen(function* () {
                for (let i = 0; i < n; i++) yield* spawn("same")
                yield* Nursery.cancel
              })
            )
          )
          expect(exit).toEqual(Exit.void)
          expect(seen.of("Stopped")).toHaveLength(n)
          expect(new Set(seen.of("Stopped").map(({ actor }) => actor.incarnation)).size).toBe(n)
        }))
    }

    it("CANC-19 cancelling twice, one after the other or at once, ends everybody once", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("a")
              yield* spawn("b")
              yield* Effect.all([Nursery.cancel, Nursery.cancel], { concurrency: "unbounded" })
              yield* Nursery.cancel
            })
          )
        )
        expect(exit).toEqual(Exit.void)
        expect(seen.of("Stopped")).toHaveLength(2)
        expect(seen.of("Stage").map(({ stage }) => stage)).toEqual(["asked", "asked"])
      }))

    it("CANC-20 how an actor ended is a value that tells a stop from a crash, and the block absorbs only its own cancelling", () =>
      Effect.gen(function* () {
        const exits: Array<Actor.ActorExit> = []
        const body = (
          then: (worker: Actor.Portal<never>) => Effect.Effect<unknown, unknown, any>
        ) =>
          Effect.gen(function* () {
            const worker = yield* spawn("daemon")
            yield* Effect.forkDetach(Effect.map(worker.exit, (exit) => void exits.push(exit)))
            return yield* then(worker)
          })
        const cancelled = yield* ended(Nursery.run(body(() => Nursery.cancel)))
        expect(cancelled).toEqual(Exit.void)
        const stopped = yield* ended(Nursery.run(body((worker) => worker.stop)))
        expect(stopped).toEqual(Exit.void)
        const left = yield* ended(Nursery.run(body(() => Effect.void)))
        expect(left).toEqual(Exit.void)
        const interrupted = yield* ended(Nursery.run(body(() => Effect.interrupt)))
        expect(only(interrupted)).toBe("interrupt")
        const crashed = yield* ended(
          Nursery.run(body((worker) => Effect.andThen(crash(worker), Effect.never)))
        )
        expect(only(crashed)).toBeInstanceOf(ActorCrashed)
        expect(exits.map(({ _tag }) => _tag)).toEqual([
          "Stopped",
          "Stopped",
          "Stopped",
          "Stopped",
          "Crashed"
        ])
      }))

    it("S3 after Nursery.cancel the body goes on: what it had called is Cancelled by it, what it spawns is refused", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const self = yield* Actor.Self
              const worker = yield* spawn("daemon", { file: observer.file })
              const pending = yield* Effect.forkChild(worker.client.Hang())
              const forked = yield* Nursery.fork(Effect.never)
              yield* observer.until("daemon hangs")
              yield* Nursery.cancel
              const error = only(yield* Fiber.await(pending))
              assert(error instanceof PortalError && error.reason instanceof Cancelled)
              expect(error.reason.by.incarnation).toBe(self.incarnation)
              expect(only(yield* Fiber.await(forked))).toBe("interrupt")
              const late = only(yield* Effect.exit(spawn("late")))
              assert(late instanceof SpawnError)
              expect(late.reason._tag).toBe("NurseryClosed")
              const lateFork = yield* Nursery.fork(Effect.die("it must not run"))
              expect(only(yield* Fiber.await(lateFork))).toBe("interrupt")
              return "the body's"
            })
          )
        )
        expect(exit).toEqual(Exit.succeed("the body's"))
      }))

    it("S3 a fork may cancel the block that it is in, and goes on", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("daemon")
              const done = yield* Deferred.make<string>()
              yield* Nursery.fork(
                Effect.andThen(Nursery.cancel, Deferred.succeed(done, "it goes on"))
              )
              return yield* Deferred.await(done)
            })
          )
        )
        expect(exit).toEqual(Exit.succeed("it goes on"))
      }))

    for (const [where, inside] of [
      ["a fiber of it", (cancel: Effect.Effect<void>) => Effect.andThen(Effect.void, cancel)],
      ["a fiber of it that nobody can interrupt", Effect.uninterruptible<void, never, never>],
      [
        "one of several that it runs at once",
        (cancel: Effect.Effect<void>) =>
          Effect.all([cancel, cancel, Effect.uninterruptible(cancel)], {
            concurrency: "unbounded",
            discard: true
          })
      ]
    ] as const) {
      it(`F6 a fork cancels the block that it is in from ${where}, and goes on`, () =>
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          yield* ended(
            Nursery.run(
              Effect.gen(function* () {
                const nursery = yield* Nursery.Nursery
                yield* spawn("daemon", { file: observer.file })
                const done = yield* Deferred.make<void>()
                yield* Nursery.fork(
                  Effect.gen(function* () {
                    yield* Fiber.join(yield* Effect.forkChild(inside(nursery.cancel)))
                    expect(observer.lines().at(-1)).toBe("daemon has ended")
                    yield* Deferred.succeed(done, undefined)
                  })
                )
                return yield* Deferred.await(done)
              })
            )
          )
        }))
    }

    it("F6 forks that cancel their block as they end do not wait for each other", () =>
      Effect.gen(function* () {
        let finalized = 0
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("daemon")
              const { cancel } = yield* Nursery.Nursery
              for (let n = 0; n < 3; n++) {
                const begun = yield* Deferred.make<void>()
                yield* Deferred.succeed(begun, undefined).pipe(
                  Effect.andThen(Effect.never),
                  Effect.ensuring(cancel),
                  Effect.ensuring(Effect.sync(() => void finalized++)),
                  Nursery.fork
                )
                yield* Deferred.await(begun)
              }
              yield* cancel
              return "the body's"
            })
          )
        )
        expect(exit).toEqual(Exit.succeed("the body's"))
        expect(finalized).toBe(3)
      }))

    it("S3 with stopOrder: together, the block stops its daemons at once", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const observer = yield* Observer.make(world)
        const { file } = observer
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.forEach(["a", "b", "c"], (name) => spawn(name, { file, lingers: 200 })),
            { stopOrder: "together" }
          )
        )
        for (const name of ["a", "b", "c"]) yield* observer.until(`${name} ends`)
        expect(seen.of("Stopped").length === 0 || !can.time).toBe(true)
        yield* elapse("200 millis")
        yield* Fiber.join(block)
        const order = seen.all.flatMap(({ _tag }) =>
          _tag === "Stage" || _tag === "Stopped" ? [_tag] : []
        )
        expect(order.slice(0, 3)).toEqual(["Stage", "Stage", "Stage"])
      }))

    it("S3 a block that is interrupted while it stops its daemons stops the rest together", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const observer = yield* Observer.make(world)
        const { file } = observer
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.forEach(["a", "b", "c"], (name) => spawn(name, { file, lingers: 500 }))
          )
        )
        yield* observer.until("c ends")
        const left = yield* Effect.forkChild(Fiber.interrupt(block), { startImmediately: true })
        yield* observer.until("a ends")
        yield* observer.until("b ends")
        yield* elapse("500 millis")
        yield* Fiber.join(left)
        expect(only(yield* Fiber.await(block))).toBe("interrupt")
        const first = seen.all.flatMap(({ _tag }) =>
          _tag === "Stage" || _tag === "Stopped" ? [_tag] : []
        )
        if (can.time) expect(first.slice(0, 3)).toEqual(["Stage", "Stage", "Stage"])
        for (const name of ["a", "b", "c"]) expect(observer.lines()).toContain(`${name} has ended`)
        yield* allGone(seen)
      }))

    it("F21 a nursery with as many actors as it may have refuses one more, by the name and number of the limit", () =>
      Nursery.run(
        Effect.gen(function* () {
          const refused = Effect.map(Effect.exit(spawn("one more")), (exit) => {
            const error = only(exit)
            assert(error instanceof SpawnError && error.reason instanceof LimitReached)
            expect(error.reason).toMatchObject({ limit: "actors", most: 2 })
            return error.message
          })
          const observer = yield* Observer.make(world)
          const first = yield* spawn("first")
          // One that comes up counts, and one-shots do.
          const coming = yield* Effect.forkChild(
            spawn("coming", { file: observer.file, build: "hang" })
          )
          yield* observer.until("coming is being built")
          expect(yield* refused).toBe(
            'The actor "root/one more" was not started: its nursery has 2 actors, and its limit "actors" is 2. End some actors first, or raise the limit.'
          )
          yield* Fiber.interrupt(coming)
          yield* call(() => refused)
          const second = yield* spawn("second")
          yield* refused
          yield* first.stop
          yield* spawn("third")
          yield* refused
          yield* second.stop
          yield* spawn("fourth")
        }),
        { limits: { actors: 2 } }
      ))

    it("F21 the limits of whoever spawns hold in a nursery that was given none", () =>
      Nursery.run(
        Effect.gen(function* () {
          const error = only(
            yield* Effect.exit(
              spawn("none").pipe(Effect.provide(NurseryLimits.layer({ actors: 0 })))
            )
          )
          assert(error instanceof SpawnError && error.reason instanceof LimitReached)
          yield* spawn("one")
        })
      ))

    it("F21 a nursery that has started as many within a second as it may refuses one more until it has passed", () =>
      Nursery.run(
        Effect.gen(function* () {
          const exits = yield* Effect.forEach(
            ["one", "two", "three"],
            (name) => Effect.exit(spawn(name)),
            {
              concurrency: "unbounded"
            }
          )
          const error = only(exits.find(Exit.isFailure) ?? Exit.void)
          assert(error instanceof SpawnError && error.reason instanceof LimitReached)
          expect(error.message).toMatch(
            /was not started: its nursery has started 2 actors within a second, and its limit "spawnsPerSecond" is 2. Spawn it a moment later, or raise the limit.$/
          )
          expect(exits.filter(Exit.isSuccess)).toHaveLength(2)
          if (!can.time) return
          yield* elapse("400 millis")
          expect(only(yield* Effect.exit(spawn("third")))).toBeInstanceOf(SpawnError)
          yield* elapse("599 millis")
          expect(only(yield* Effect.exit(spawn("third")))).toBeInstanceOf(SpawnError)
          yield* elapse("1 millis")
          yield* spawn("third")
          yield* spawn("fourth")
          expect(only(yield* Effect.exit(spawn("fifth")))).toBeInstanceOf(SpawnError)
        }),
        { limits: { spawnsPerSecond: 2 } }
      ))

    it("S3 the block waits for its forks, then stops its daemons, the last started first", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const { file } = observer
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("first", { file })
              const second = yield* spawn("second", { file })
              yield* spawn("third", { file })
              yield* Nursery.fork(
                Effect.gen(function* () {
                  yield* call(({ Nothing }) => Nothing())
                  expect(yield* second.client.Echo("alive")).toBe("alive")
                  expect(observer.lines()).toEqual([])
                })
              )
              return "the body's"
            })
          )
        )
        expect(exit).toEqual(Exit.succeed("the body's"))
        expect(observer.lines()).toEqual([
          "third ends",
          "third has ended",
          "second ends",
          "second has ended",
          "first ends",
          "first has ended"
        ])
      }))

    it("S1 S3 a body may end while an actor comes up that a fiber outside of it has asked for", () =>
      Effect.gen(function* () {
        const spawning = Effect.forkDetach(spawn("daemon"), { startImmediately: true })
        const exit = yield* ended(Nursery.run(spawning))
        assert(Exit.isSuccess(exit))
        yield* Fiber.await(exit.value)
      }))

    it("S3 a fork outlives the end of the body, and its failure then is the block's", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("daemon")
              yield* Nursery.fork(
                Effect.andThen(
                  Deferred.await(gate),
                  call(({ Assert }) => Assert("late"))
                )
              )
              return "the body's"
            }).pipe(Effect.ensuring(Deferred.succeed(gate, undefined)))
          )
        )
        expect(forkError(only(exit))).toMatchObject({ why: "late" })
      }))

    it("S3 interrupting a fork is no failure", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              const fork = yield* Nursery.fork(call(({ Hang }) => Hang()))
              yield* call(({ Nothing }) => Nothing())
              yield* Fiber.interrupt(fork)
              return "the body's"
            })
          )
        )
        expect(exit).toEqual(Exit.succeed("the body's"))
      }))

    it("S3 with onBodyEnd: wait, the block waits for its daemons, too", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const block = yield* Effect.forkChild(
          ended(
            Nursery.run(
              Effect.gen(function* () {
                const daemon = yield* spawn("daemon", { file: observer.file })
                yield* Effect.forkDetach(Effect.andThen(observer.until("go"), daemon.stop), {
                  startImmediately: true
                })
                return "the body's"
              }).pipe(Effect.tap(() => Effect.sync(() => writeFileSync(observer.file, "ended\n")))),
              { onBodyEnd: "wait" }
            )
          )
        )
        yield* observer.until("ended")
        expect(block.pollUnsafe()).toBeUndefined()
        expect(observer.lines()).toEqual(["ended"])
        writeFileSync(observer.file, "go\n")
        expect(yield* Fiber.join(block)).toEqual(Exit.succeed("the body's"))
        expect(observer.lines()).toEqual(["go", "daemon ends", "daemon has ended"])
      }))

    it("S3 a block that waits for its daemons ends with the first that crashes", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(
            Effect.gen(function* () {
              yield* spawn("sibling")
              const victim = yield* spawn("victim")
              yield* Effect.forkDetach(Effect.andThen(victim.client.Nothing(), crash(victim)))
            }),
            { onBodyEnd: "wait" }
          )
        )
        expect(only(exit)).toBeInstanceOf(ActorCrashed)
      }))

    it("interrupting the fiber of a block ends everybody, and the block goes on only then (S1)", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const seen = yield* events
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("daemon", { file: observer.file })
              return yield* worker.client.Hang()
            })
          )
        )
        yield* observer.until("daemon hangs")
        yield* Fiber.interrupt(block)
        yield* allGone(seen)
        expect(only(yield* Fiber.await(block))).toBe("interrupt")
        expect(observer.lines()).toEqual([
          "daemon hangs",
          "daemon was interrupted",
          "daemon ends",
          "daemon has ended"
        ])
      }))

    it("an interruption from outside hides no failure (S2)", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("daemon", { file: observer.file, dies: "at its end" })
              return yield* worker.client.Hang()
            })
          )
        )
        yield* observer.until("daemon hangs")
        yield* Fiber.interrupt(block)
        const [first, second, ...others] = reasonsOf(yield* Fiber.await(block))
        expect(first).toBe("interrupt")
        assert(second instanceof ActorCrashed)
        expect(origins(second)).toMatchObject([{ message: "at its end" }])
        expect(others).toEqual([])
      }))

    it("a finalizer that fails while its actor is stopped is not lost", () =>
      Effect.gen(function* () {
        const exit = yield* ended(
          Nursery.run(Effect.as(spawn("daemon", { dies: "at its end" }), "the body's"))
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.message).toContain("at its end")
        expect(error.cause.stage).toBe("asked")
        const once = yield* ended(
          Nursery.run(
            Nursery.call(Worker, ({ Echo }) => Echo("a value"), {
              ...main,
              arguments: { dies: "at its end" }
            })
          )
        )
        const defect = only(once)
        assert(defect instanceof ActorCrashed)
        expect(defect.message).toContain("at its end")
        const beside = yield* ended(
          Nursery.run(
            Nursery.call(Worker, ({ Assert }) => Assert("its own"), {
              ...main,
              arguments: { dies: "at its end" }
            })
          )
        )
        const [own, last, ...others] = reasonsOf(beside)
        expect(own).toBeInstanceOf(Assertion)
        expect(last).toBeInstanceOf(ActorCrashed)
        expect(others).toEqual([])
      }))

    it("portal.stop is idempotent, also from two fibers, one of which stops waiting", () =>
      Effect.gen(function* () {
        const seen = yield* events
        yield* Nursery.run(
          Effect.gen(function* () {
            const worker = yield* spawn("daemon", { lingers: 1000 })
            const first = yield* Effect.forkChild(worker.stop, { startImmediately: true })
            const second = yield* Effect.forkChild(worker.stop, { startImmediately: true })
            yield* Fiber.interrupt(first)
            yield* elapse("1 second")
            yield* Fiber.join(second)
            assert(yield* isGone(worker))
            yield* worker.stop
            expect(yield* worker.exit).toMatchObject({ _tag: "Stopped", stage: "asked" })
          })
        )
        expect(seen.of("Stage").map(({ stage }) => stage)).toEqual(["asked"])
        expect(seen.of("Stopped")).toHaveLength(1)
      }))

    it("S10 a block in an uninterruptible region cannot be ended from outside", () =>
      Effect.gen(function* () {
        const observer = yield* Observer.make(world)
        const gate = yield* Deferred.make<void>()
        const exits: Array<Exit.Exit<string, unknown>> = []
        const block = yield* Effect.forkChild(
          Nursery.run(
            Effect.gen(function* () {
              const worker = yield* spawn("daemon", { file: observer.file })
              yield* Effect.sync(() => writeFileSync(observer.file, "begun\n"))
              yield* Deferred.await(gate)
              return yield* worker.client.Echo("to its end")
            })
          ).pipe(
            Effect.onExit((exit) => Effect.sync(() => void exits.push(exit))),
            Effect.uninterruptible
          )
        )
        yield* observer.until("begun")
        block.interruptUnsafe()
        yield* elapse("1 minute")
        expect(block.pollUnsafe()).toBeUndefined()
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.await(block)
        expect(exits).toEqual([Exit.succeed("to its end")])
        expect(observer.lines()).toEqual(["begun", "daemon ends", "daemon has ended"])
      }))

    it("a nursery inside of a body is of the same actor, and ends before the body goes on (S4)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const outer = yield* spawn("outer")
          const inner = yield* Nursery.run(spawn("inner"))
          expect(inner.actor.path).toBe("root/inner")
          assert(yield* isGone(inner))
          expect(yield* outer.client.Echo("alive")).toBe("alive")
          const failed = yield* Effect.exit(
            Nursery.run(Effect.andThen(spawn("inner"), Effect.fail("inside")))
          )
          expect(only(failed)).toBe("inside")
          expect(yield* outer.client.Echo("still")).toBe("still")
        })
      ))

    it("a child as a Layer lives as long as the Layer's scope", () =>
      Nursery.run(
        Effect.gen(function* () {
          const layer = Nursery.layer(Worker, { ...main, arguments: {} })
          const portal = yield* Effect.provide(
            Effect.tap(Worker.Portal, ({ client }) =>
              Effect.map(client.Echo("in a Layer"), (text) => expect(text).toBe("in a Layer"))
            ),
            layer
          )
          assert(yield* isGone(portal))
        })
      ))

    it("BOOT-6 a tree, and another one after it, are two lives of a root", () =>
      Effect.gen(function* () {
        const life = Nursery.run(
          Effect.gen(function* () {
            const worker = yield* spawn("worker")
            yield* worker.client.Echo("hello")
            return (yield* Actor.Self).incarnation
          })
        )
        expect(yield* life).not.toBe(yield* life)
      }))

    for (const how of ["is stopped", "fails"] as const) {
      it(`BOOT-19 the finalizer of a child that ${how} has run when its block ends`, () =>
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          yield* ended(
            Nursery.run(
              Effect.gen(function* () {
                const worker = yield* spawn("worker", { file: observer.file })
                if (how === "is stopped") return "the body's"
                yield* worker.client.Break({ why: "on purpose" })
                return yield* Effect.never
              })
            )
          )
          expect(existsSync(observer.file)).toBe(true)
          expect(observer.lines()).toEqual(["worker ends", "worker has ended"])
        }))
    }

    it("a scope that closes late holds no actor of a block that has ended", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const portal = yield* Nursery.run(Scope.provide(spawn("worker"), scope))
        assert(yield* isGone(portal))
        const error = only(yield* Effect.exit(portal.client.Echo("anybody?")))
        assert(error instanceof PortalError)
        expect(["Cancelled", "Disconnected"]).toContain(error.reason._tag)
        yield* Scope.close(scope, Exit.void)
        expect(Cause.pretty(Cause.fail(error))).toContain("root/worker")
      }))
  })
}
