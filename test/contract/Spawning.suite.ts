/**
 * How actors come to be: area SPAWN, and starts that fail in every way. A failed start is an error for whoever spawns,
 * with the actor's own words, and leaves nothing.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Actor from "furrow/Actor"
import { EncodeError } from "furrow/CodecError"
import * as Nursery from "furrow/Nursery"
import { Disconnected, PortalError } from "furrow/PortalError"
import { Spawner } from "furrow/Spawner"
import { ActorCrashed, ForkFailed, SpawnError } from "furrow/TreeError"
import type { SpawnErrorReason } from "furrow/TreeError"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Counter } from "./fixtures/Counter.ts"
import { Assertion, Worker } from "./fixtures/Worker.ts"
import * as Observer from "./Observer.ts"
import { events, only, reasonsOf } from "./Watching.ts"
import { patience } from "./World.ts"
import type { World } from "./World.ts"

/** The reason of a failed spawn, which is all that a failure is made of. */
const reasonOf = <Tag extends SpawnErrorReason["_tag"]>(
  exit: Exit.Exit<unknown, unknown>,
  tag: Tag
): { readonly error: SpawnError; readonly reason: Extract<SpawnErrorReason, { _tag: Tag }> } => {
  const error = only(exit)
  assert(error instanceof SpawnError, String(error))
  assert.strictEqual(error.reason._tag, tag, error.message)
  return { error, reason: error.reason as never }
}

export default (world: World): void => {
  const { babbler = "", can, crash, elapse, isGone, it, main, name, needing } = world
  const plain = { ...main, arguments: {} }

  /** Counts the processes that are started. */
  const counted = <A, E, R>(effect: (started: () => number) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(Spawner, (spawner) => {
      let started = 0
      return Effect.provideService(
        effect(() => started),
        Spawner,
        Spawner.of({
          spawn: (request) =>
            Effect.suspend(() => {
              started++
              return spawner.spawn(request)
            })
        })
      )
    })

  /** A main module of a few words, for the length of the scope. */
  const module = (text: string) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-main-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
      ),
      (folder) => {
        const file = join(folder, "worker.main.mjs")
        writeFileSync(file, text)
        return file
      }
    )

  describe(`spawning (${name})`, () => {
    it("SPAWN-1 a daemon answers a call, is stopped, and the block ends well", () =>
      Effect.gen(function* () {
        const value = yield* Nursery.run(
          Effect.gen(function* () {
            const worker = yield* Nursery.spawn(Worker, plain)
            expect(yield* worker.client.Echo("hello")).toBe("hello")
            yield* worker.stop
            expect(yield* worker.exit).toMatchObject({ _tag: "Stopped", stage: "asked" })
            assert(yield* isGone(worker))
            return "well"
          })
        )
        expect(value).toBe("well")
      }))

    it("SPAWN-2 an actor knows who it is and who spawned it; nothing is known of it before and after", () =>
      Effect.gen(function* () {
        expect((yield* Effect.serviceOption(Actor.Self))._tag).toBe("None")
        const seen = yield* events
        const worker = yield* Nursery.run(
          Effect.gen(function* () {
            const self = yield* Actor.Self
            expect(self).toMatchObject({ name: "root", path: "root", ancestors: [] })
            const worker = yield* Nursery.spawn(Worker, { ...plain, name: "ten" })
            const who = yield* worker.client.Who()
            expect(who).toMatchObject({ name: "ten", path: "root/ten", ancestors: ["root"] })
            expect(who.incarnation).toBe(worker.actor.incarnation)
            expect(who.incarnation).not.toBe(self.incarnation)
            if (can.table) expect(who.pid).toBe(worker.pid)
            assert(!(yield* isGone(worker)))
            expect(seen.all.map(({ _tag, actor }) => [_tag, actor])).toEqual([
              ["Started", worker.actor]
            ])
            return worker
          })
        )
        assert(yield* isGone(worker))
        expect(seen.of("Stopped").map(({ actor }) => actor)).toEqual([worker.actor])
        expect((yield* Effect.serviceOption(Actor.Self))._tag).toBe("None")
      }))

    it("SPAWN-4 SPAWN-6 a one-shot's value can be read inside of the block, again, and after it", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const fiber = yield* Nursery.run(
          Effect.gen(function* () {
            const fiber = yield* Nursery.fork(
              Nursery.call(Worker, ({ Echo }) => Echo("a value"), plain)
            )
            expect(yield* Fiber.join(fiber)).toBe("a value")
            expect(yield* Fiber.join(fiber)).toBe("a value")
            return fiber
          })
        )
        expect(yield* Fiber.join(fiber)).toBe("a value")
        expect(seen.of("Started")).toHaveLength(1)
      }))

    it("SPAWN-5 nothing and null are values", () =>
      Nursery.run(
        Effect.gen(function* () {
          expect(yield* Nursery.call(Worker, ({ Nothing }) => Nothing(), plain)).toBeUndefined()
          expect(yield* Nursery.call(Worker, ({ Null }) => Null(), plain)).toBeNull()
        })
      ))

    it("SPAWN-8 a child logs at the level it is told to, and at its parent's if nothing is said", () =>
      Nursery.run(
        Effect.gen(function* () {
          const all = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"]
          const levels = (logLevel: "Debug" | "Fatal" | "None" | undefined) =>
            Nursery.call(Worker, ({ Levels }) => Levels(), { ...plain, logLevel })
          expect(yield* levels("Debug")).toEqual({ minimum: "Debug", heard: all.slice(1) })
          expect(yield* levels("Fatal")).toEqual({ minimum: "Fatal", heard: ["Fatal"] })
          expect(yield* levels("None")).toEqual({ minimum: "None", heard: [] })
          expect(
            yield* Effect.provideService(levels(undefined), References.MinimumLogLevel, "Warn")
          ).toEqual({ minimum: "Warn", heard: all.slice(3) })
        })
      ))

    for (const after of [0, 500]) {
      it(
        `SPAWN-12 of 25 that fail after ${after} ms the block tells every one that had failed before it acted`,
        () =>
          Effect.gen(function* () {
            const seen = yield* events
            const block = yield* Effect.forkChild(
              Nursery.run(
                Effect.gen(function* () {
                  const workers = yield* Effect.forEach(
                    Array.from({ length: 25 }),
                    () => Nursery.spawn(Worker, plain),
                    { concurrency: "unbounded" }
                  )
                  yield* Effect.forEach(
                    workers,
                    ({ client }) => client.Break({ why: "at once", after }),
                    { concurrency: "unbounded", discard: true }
                  )
                  return yield* Effect.never
                })
              ),
              { startImmediately: true }
            )
            yield* elapse(after)
            const reasons = reasonsOf(yield* Fiber.await(block))
            expect(reasons.length).toBeGreaterThan(0)
            expect(reasons.length).toBe(seen.of("Crashed").length)
            const lives = new Set<string>()
            for (const error of reasons) {
              assert(error instanceof ActorCrashed, String(error))
              lives.add(error.actor.incarnation)
              expect(String(error)).toContain("at once")
            }
            expect(lives.size).toBe(reasons.length)
            const { length } = seen.of("Started")
            expect(length).toBe(25)
            expect(seen.of("Stopped").length + seen.of("Crashed").length).toBe(length)
            for (const { actor, pid } of seen.of("Started")) {
              assert(yield* isGone({ actor, pid }), `${actor.path} is still there`)
            }
          }),
        { timeout: patience(12_000) }
      )
    }

    it("SPAWN-13 two of one name are two lives, each reached through its own portal (I1)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const first = yield* Nursery.spawn(Worker, { ...plain, name: "twin" })
          const second = yield* Nursery.spawn(Worker, { ...plain, name: "twin" })
          expect(first.actor.path).toBe(second.actor.path)
          expect(first.actor.incarnation).not.toBe(second.actor.incarnation)
          expect((yield* first.client.Who()).incarnation).toBe(first.actor.incarnation)
          expect((yield* second.client.Who()).incarnation).toBe(second.actor.incarnation)
          yield* first.stop
          assert(yield* isGone(first))
          assert(!(yield* isGone(second)))
          expect(yield* second.client.Echo("still here")).toBe("still here")
        })
      ))

    it("SPAWN-17 a one-shot whose process ends without a result is an error for its caller, with code or signal", () =>
      Effect.gen(function* () {
        for (const how of [{ code: 3 }, { signal: "SIGKILL" }] as const) {
          const seen = yield* events
          const observer = yield* Observer.make(world)
          const exit = yield* Effect.exit(
            Nursery.run(
              Effect.gen(function* () {
                const call = yield* Nursery.fork(
                  Nursery.call(Worker, ({ Hang }) => Hang(), {
                    ...main,
                    arguments: { file: observer.file }
                  })
                )
                yield* observer.until("Worker hangs")
                yield* crash(seen.of("Started")[0]!, how)
                return yield* Fiber.join(call)
              })
            )
          )
          const error = only(exit)
          assert(error instanceof PortalError && error.reason instanceof Disconnected)
          expect(error.reason.crash).toEqual(how)
        }
      }))

    it("SPAWN-18 a daemon that is killed while the body idles ends the block, which names it, and its siblings (S2, S6)", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const observer = yield* Observer.make(world)
        const body: Array<string> = []
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.gen(function* () {
              yield* Nursery.spawn(Worker, {
                ...main,
                name: "sibling",
                arguments: { file: observer.file }
              })
              const victim = yield* Nursery.spawn(Worker, { ...plain, name: "victim" })
              yield* crash(victim)
              return yield* Effect.never
            }).pipe(Effect.onInterrupt(() => Effect.sync(() => void body.push("interrupted"))))
          )
        )
        const error = only(exit)
        assert(error instanceof ActorCrashed)
        expect(error.actor.path).toBe("root/victim")
        expect(error.cause.exit).toEqual({ signal: "SIGKILL" })
        expect(error.message).toContain('"root/victim"')
        expect(error.message).toContain("SIGKILL")
        expect(body).toEqual(["interrupted"])
        expect(observer.lines()).toEqual(["sibling ends", "sibling has ended"])
        for (const door of seen.of("Started")) assert(yield* isGone(door))
      }))

    it("SPAWN-19 after Nursery.cancel nothing is started any more", () =>
      counted((started) =>
        Nursery.run(
          Effect.gen(function* () {
            yield* Nursery.spawn(Worker, plain)
            yield* Nursery.cancel
            for (const late of [
              Nursery.spawn(Worker, plain),
              Nursery.call(Worker, ({ Nothing }) => Nothing(), plain)
            ]) {
              const { error } = reasonOf(yield* Effect.exit(late), "NurseryClosed")
              expect(error.actor).toBe("root/Worker")
            }
            expect(started()).toBe(1)
          })
        )
      ))

    it("SPAWN-19 a spawn under way when Nursery.cancel begins fails, and leaves nothing", () =>
      Effect.gen(function* () {
        const seen = yield* events
        const observer = yield* Observer.make(world)
        yield* Nursery.run(
          Effect.gen(function* () {
            const late = yield* Effect.forkChild(
              Effect.exit(
                Nursery.spawn(Worker, {
                  ...main,
                  arguments: { build: "hang", file: observer.file }
                })
              ),
              { startImmediately: true }
            )
            yield* observer.until("Worker is being built")
            yield* Nursery.cancel
            reasonOf(yield* Fiber.join(late), "NurseryClosed")
            expect(observer.lines()).toEqual([
              "Worker is being built",
              "Worker ends",
              "Worker has ended"
            ])
          })
        )
        expect(seen.of("Started")).toEqual([])
      }))
  })

  describe(`starts that fail (${name})`, () => {
    it("F2 a Layer that fails, or dies, fails the spawn with its Cause, and leaves nothing", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const built = (build: "fail" | "die") =>
            Effect.exit(
              Nursery.spawn(Worker, { ...main, arguments: { build, file: observer.file } })
            )
          const failed = reasonOf(yield* built("fail"), "StartFailed")
          expect(failed.error.message).toContain("not today")
          expect(failed.reason.exit).toEqual({ code: 1 })
          const died = reasonOf(yield* built("die"), "StartFailed")
          expect(died.error.message).toContain("TypeError: never")
          expect(observer.lines()).toEqual([
            "Worker is being built",
            "Worker ends",
            "Worker has ended",
            "Worker is being built",
            "Worker ends",
            "Worker has ended"
          ])
          // The block goes on.
          expect(yield* Nursery.call(Worker, ({ Echo }) => Echo("on"), plain)).toBe("on")
        })
      ))

    /** Too short for a Layer that hangs; a busy machine must still get to building it. In milliseconds. */
    const tooShort = can.time ? 300 : 1500

    it("F2 a Layer that takes too long is a StartTimeout; what it holds already is released (S5)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const spawn = yield* Effect.forkChild(
            Effect.exit(
              Nursery.spawn(Worker, {
                ...main,
                arguments: { build: "hang", file: observer.file },
                startTimeout: tooShort
              })
            ),
            { startImmediately: true }
          )
          yield* observer.until("Worker is being built")
          yield* elapse(tooShort)
          const { error, reason } = reasonOf(yield* Fiber.join(spawn), "StartTimeout")
          expect(reason.waited).toBe(tooShort)
          expect(error.message).toContain('"startTimeout"')
          expect(observer.lines()).toEqual([
            "Worker is being built",
            "Worker ends",
            "Worker has ended"
          ])
        })
      ))

    it("a caller that is interrupted while an actor comes up leaves nothing of it, and goes on after its finalizers", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const spawn = yield* Effect.forkChild(
            Nursery.spawn(Worker, {
              ...main,
              arguments: { build: "hang", file: observer.file }
            }),
            { startImmediately: true }
          )
          yield* observer.until("Worker is being built")
          yield* Fiber.interrupt(spawn)
          expect(observer.lines()).toEqual([
            "Worker is being built",
            "Worker ends",
            "Worker has ended"
          ])
        })
      ))

    it("what fails while an actor is ended that never came up is told, too", () =>
      Nursery.run(
        Effect.gen(function* () {
          const observer = yield* Observer.make(world)
          const spawn = (startTimeout: "1 hour" | number) =>
            Effect.forkChild(
              Effect.exit(
                Nursery.spawn(Worker, {
                  ...main,
                  arguments: { build: "hang", file: observer.file, dies: "at its end" },
                  startTimeout
                })
              ),
              { startImmediately: true }
            )
          const late = yield* spawn(tooShort)
          yield* observer.until("Worker is being built")
          yield* elapse(tooShort)
          const [timeout, first, ...others] = reasonsOf(yield* Fiber.join(late))
          assert(timeout instanceof SpawnError && timeout.reason._tag === "StartTimeout")
          assert(first instanceof ActorCrashed)
          expect(first.message).toContain("at its end")
          expect(others).toEqual([])
          const left = yield* spawn("1 hour")
          yield* Observer.until(
            world,
            () => observer.lines().filter((line) => line.endsWith("being built")).length === 2,
            () => observer.lines().join()
          )
          yield* Fiber.interrupt(left)
          const [interrupt, second, ...more] = reasonsOf(yield* Fiber.await(left))
          expect(interrupt).toBe("interrupt")
          assert(second instanceof ActorCrashed)
          expect(second.message).toContain("at its end")
          expect(more).toEqual([])
        })
      ))

    it("an actor of an actor that does not come up fails both, by name", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { error } = reasonOf(
            yield* Effect.exit(
              Nursery.spawn(Worker, {
                ...main,
                name: "parent",
                arguments: { children: { good: {}, bad: { build: "fail" } } }
              })
            ),
            "StartFailed"
          )
          expect(error.actor).toBe("root/parent")
          expect(error.message).toContain('"root/parent/bad"')
          expect(error.message).toContain("not today")
        })
      ))

    it("a name with control characters, an empty one, or one with a slash is refused before anything is started", () =>
      counted((started) =>
        Nursery.run(
          Effect.gen(function* () {
            for (const odd of [
              "two\nlines",
              "bell\u0007",
              "\u001b[31mred",
              "",
              "a/b",
              "x".repeat(129)
            ]) {
              const { error, reason } = reasonOf(
                yield* Effect.exit(Nursery.spawn(Worker, { ...plain, name: odd })),
                "StartFailed"
              )
              for (const control of ["\u0007", "\u001b"]) {
                expect(error.message).not.toContain(control)
              }
              expect(Cause.pretty(reason.cause)).toContain("name")
            }
            expect(started()).toBe(0)
            expect(yield* Nursery.call(Worker, ({ Echo }) => Echo("on"), plain)).toBe("on")
          })
        )
      ))

    it("arguments that do not encode are a defect that names the actor and the place, before anything is started (D13)", () =>
      counted((started) =>
        Nursery.run(
          Effect.gen(function* () {
            const exit = yield* Effect.exit(
              Nursery.spawn(Counter, { ...main, arguments: { from: 1.5 } })
            )
            const defect = only(exit)
            assert(defect instanceof EncodeError)
            expect(defect.operation).toContain("Counter")
            expect(defect.lane).toBe("arguments")
            expect(defect.message).toContain("from")
            expect(started()).toBe(0)
          })
        )
      ))

    it("a fork that cannot spawn fails the block with the fork, once", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Nursery.run(
            Effect.andThen(
              Nursery.fork(Nursery.spawn(Worker, { ...main, arguments: { build: "fail" } })),
              Effect.never
            )
          )
        )
        const error = only(exit)
        assert(error instanceof ForkFailed)
        expect(only(Exit.failCause(error.cause))).toBeInstanceOf(SpawnError)
      }))

    it("what fails while it starts keeps its place in the tree: the error is the actor's own, as a value", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { reason } = reasonOf(
            yield* Effect.exit(Nursery.spawn(Worker, { ...main, arguments: { build: "fail" } })),
            "StartFailed"
          )
          expect(reasonsOf(Exit.failCause(reason.cause))).toMatchObject([
            { _tag: "Assertion", why: "not today" }
          ])
          expect(reasonsOf(Exit.failCause(reason.cause))[0]).not.toBeInstanceOf(Assertion)
        })
      ))

    // Without modules, an actor that has no program is the one thing that cannot be found.
    if (!can.modules) {
      it("an actor without a program in this world is named, and so are those it has", () =>
        Nursery.run(
          Effect.gen(function* () {
            const Stranger = Actor.make("Stranger", [])
            const { error } = reasonOf(yield* Effect.exit(Nursery.spawn(Stranger)), "StartFailed")
            expect(error.message).toContain('"Stranger"')
            expect(error.message).toContain('"Counter"')
          })
        ))
    }

    const loaded = needing("modules")

    /** How a spawn fails that runs this module, and that it does so at once. */
    const started = (text: string, options?: { readonly helloTimeout: number }) =>
      Effect.gen(function* () {
        const file = yield* module(text)
        const begun = performance.now()
        const exit = yield* Effect.exit(
          Nursery.spawn(Worker, { ...options, main: file, arguments: {} })
        )
        expect(performance.now() - begun).toBeLessThan(patience(1000))
        return exit
      })

    for (const [what, text, said] of [
      ["is not JavaScript", "const = 1", "SyntaxError"],
      ["imports what does not exist", 'import "./nowhere.mjs"', "ERR_MODULE_NOT_FOUND"],
      ["throws while it is loaded", 'throw new Error("thrown at import")', "thrown at import"]
    ] as const) {
      loaded.it(`SPAWN-10 F2 a module that ${what} fails the spawn with its own words`, () =>
        Nursery.run(
          Effect.gen(function* () {
            const { error, reason } = reasonOf(yield* started(text), "StartFailed")
            expect(reason.exit).toEqual({ code: 1 })
            expect(reason.stderr).toContain(said)
            expect(error.message).toContain(said)
          })
        )
      )
    }

    needing("modules", "exits", "output").it(
      "SPAWN-16 F2 a process that exits with code 2 before it has said hello fails the spawn with code and words",
      () =>
        Nursery.run(
          Effect.gen(function* () {
            const { error, reason } = reasonOf(
              yield* started('process.stderr.write("not my day\\n", () => process.exit(2))'),
              "StartFailed"
            )
            expect(reason.exit).toEqual({ code: 2 })
            expect(reason.stderr).toBe("not my day\n")
            expect(error.message).toContain("exited with code 2")
            expect(error.message).toContain("not my day")
          })
        )
    )

    loaded.it("F2 a module that does not exist is named, before anything is started", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { error } = reasonOf(
            yield* Effect.exit(
              Nursery.spawn(Worker, {
                main: new URL("./nowhere.main.ts", import.meta.url),
                arguments: {}
              })
            ),
            "StartFailed"
          )
          expect(error.message).toContain("nowhere.main.ts")
        })
      )
    )

    loaded.it("F2 a process that never says hello is ended, and its own words are told", () =>
      Effect.gen(function* () {
        const pids: Array<number> = []
        yield* Nursery.run(
          Effect.gen(function* () {
            const { error, reason } = reasonOf(
              yield* started(
                "console.error(`lost in thought ${process.pid}`); setInterval(() => {}, 1000)",
                { helloTimeout: 1000 }
              ),
              "HandshakeTimeout"
            )
            expect(reason.waited).toBe(1000)
            const [, pid] = /lost in thought (\d+)/.exec(reason.stderr) ?? []
            assert(pid !== undefined, "it should have had the time to say something")
            expect(error.message).toContain("lost in thought")
            expect(error.message).toContain("helloTimeout")
            pids.push(Number(pid))
          })
        )
        for (const pid of pids) {
          assert(yield* isGone({ actor: { path: "", incarnation: "" }, pid }))
        }
      })
    )

    loaded.it("F2 a process that says something else than hello is refused, and gone", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { reason } = reasonOf(yield* started(babbler), "HandshakeRefused")
          expect(reason.detail).not.toBe("")
        })
      )
    )

    loaded.it("F2 a module that runs another actor fails the spawn with both names", () =>
      Nursery.run(
        Effect.gen(function* () {
          const Stranger = Actor.make("Stranger", [])
          const { error } = reasonOf(
            yield* Effect.exit(Nursery.spawn(Stranger, main)),
            "StartFailed"
          )
          expect(error.message).toContain('"Stranger"')
          expect(error.message).toContain('"Worker"')
        })
      )
    )
  })
}
