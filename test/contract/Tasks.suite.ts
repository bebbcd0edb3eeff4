/**
 * Blocks of tasks: calls, streams and dialogs that run beside each other, of one actor or of many.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import type { PortalError } from "furrow/PortalError"
import * as Tasks from "furrow/Tasks"
import { ActorCrashed } from "furrow/TreeError"
import { Player, Refused } from "./fixtures/Player.ts"
import type { Script } from "./fixtures/Player.ts"
import * as Observer from "./Observer.ts"
import { only, reasonsOf } from "./Watching.ts"
import type { World } from "./World.ts"

/** What tasks of a player may fail with. */
type Failure = Refused | PortalError

/** A body's own error. */
class Own extends Error {
  readonly _tag = "Own"
}

export default (world: World): void => {
  const { crash, elapse, it, main, name } = world

  type PlayerPortal = Actor.Portal<Actor.OperationsOf<typeof Player>>

  /** A block with one player and an observer. */
  const play = <A, E, R>(
    body: (player: PlayerPortal, observer: Observer.Observer) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(Observer.make(world), (observer) =>
      Nursery.run(
        Effect.flatMap(Nursery.spawn(Player, { ...main }), (player) => body(player, observer))
      )
    ).pipe(Effect.scoped)

  /** Says that it runs, and then does not end; says so when it is made to. */
  const hanging = ({ file }: Observer.Observer, label: string): Script => [
    {
      do: "acquire",
      release: [{ do: "note", file, text: `${label} released` }]
    },
    { do: "note", file, text: `${label} runs` },
    { do: "never" }
  ]

  describe(`blocks of tasks (${name})`, () => {
    // -----------------------------------------------------------------------------------------------------------------
    // Tasks
    // -----------------------------------------------------------------------------------------------------------------

    it("TASK-5 a task has its arguments, its name and the time it was started, and has not run when it is started", () =>
      play((player) =>
        Tasks.run(
          Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, PortalError>) {
            let ran = false
            const before = yield* Clock.currentTimeMillis
            const echo = Effect.suspend(() => {
              ran = true
              return player.client.Echo(5)
            })
            const one = yield* tasks.start(echo)
            expect(ran).toBe(false)
            const two = yield* tasks.start(player.client.Echo(6), { name: "six" })
            const three = yield* tasks.start(player.client.Echo(7))
            expect([one.name, two.name, three.name]).toEqual(["task-1", "six", "task-2"])
            expect(yield* two.result).toBe(6)
            expect(yield* one.exit).toEqual(Exit.succeed(5))
            expect(yield* three.result).toBe(7)
            expect(one.started).toBeGreaterThanOrEqual(before)
            expect(one.started).toBeLessThanOrEqual(yield* Clock.currentTimeMillis)
          })
        )
      ))

    it("calls, streams and dialogs of several actors are tasks of one block", () =>
      Nursery.run(
        Effect.gen(function* () {
          const left = yield* Nursery.spawn(Player, { ...main, name: "left" })
          const right = yield* Nursery.spawn(Player, { ...main, name: "right" })
          const values = yield* Tasks.run(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
              const started = [
                yield* tasks.start(left.client.Echo(1)),
                yield* tasks.start(Stream.runCount(right.client.Numbers({ count: 3, last: [] }))),
                yield* tasks.start(
                  right.client
                    .Play([{ do: "accept", value: 9 }, { do: "drain" }])
                    .pipe(
                      Dialog.use(({ end, result, send, started }) =>
                        send(started).pipe(Effect.andThen(end), Effect.andThen(result))
                      )
                    )
                )
              ]
              return yield* Effect.forEach(started, ({ result }) => result)
            })
          )
          expect(values).toEqual([1, 3, 1])
        })
      ))

    it("one that is cancelled has been joined, which is no failure, and its neighbours go on", () =>
      play((player, observer) =>
        Tasks.run(
          Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
            const { file } = observer
            const held = yield* tasks.start(player.client.Run(hanging(observer, "held")))
            const other = yield* tasks.start(
              player.client
                .Play([
                  { do: "accept", value: 1 },
                  { do: "drain" },
                  { do: "note", file, text: "other" }
                ])
                .pipe(
                  Dialog.use(({ end, result }) =>
                    held.exit.pipe(Effect.andThen(end), Effect.andThen(result))
                  )
                )
            )
            yield* observer.until("held runs")
            yield* held.cancel
            expect(observer.lines()).toContain("held released")
            expect(reasonsOf(yield* held.exit)).toEqual(["interrupt"])
            expect(yield* other.result).toBe(0)
            // Asked of one that has ended, it does nothing.
            yield* other.cancel
            expect(yield* other.result).toBe(0)
          })
        )
      ))

    it("a task that fails while it is cancelled has failed", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const exit = yield* Effect.exit(
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                const held = yield* tasks.start(
                  player.client.Run([
                    { do: "acquire", release: [{ do: "die", why: "on release" }] },
                    ...hanging(observer, "held")
                  ])
                )
                yield* observer.until("held runs")
                yield* held.cancel
                return yield* Effect.never
              })
            )
          )
          expect(only(exit)).toMatchObject({ message: "on release" })
        })
      ))

    it("no more run at once than may; the others wait in their order, and one that is cancelled there never runs", () =>
      play((player) =>
        Tasks.run(
          Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
            const begun: Array<number> = []
            const gates = Array.from({ length: 4 }, () => Deferred.makeUnsafe<void>())
            const started = yield* Effect.forEach(gates, (gate, index) =>
              tasks.start(
                Effect.suspend(() => {
                  begun.push(index)
                  return Effect.andThen(Deferred.await(gate), player.client.Echo(index))
                })
              )
            )
            const [first, second, third, fourth] = started
            yield* Observer.until(
              world,
              () => begun.length === 2,
              () => `two: ${begun.join()}`
            )
            yield* third!.cancel
            expect(begun).toEqual([0, 1])
            yield* Deferred.succeed(gates[1]!, undefined)
            expect(yield* second!.result).toBe(1)
            yield* Deferred.succeed(gates[3]!, undefined)
            expect(yield* fourth!.result).toBe(3)
            yield* Deferred.succeed(gates[0]!, undefined)
            expect(yield* first!.result).toBe(0)
            expect(begun).toEqual([0, 1, 3])
          }),
          { concurrency: 2 }
        )
      ))

    it("a concurrency with which nothing would run is a defect that says so", () =>
      Effect.gen(function* () {
        for (const concurrency of [0, -1, Number.NaN]) {
          const exit = yield* Effect.exit(Tasks.run(() => Effect.void, { concurrency }))
          const defect = only(exit)
          assert(defect instanceof RangeError, String(defect))
          expect(defect.message).toContain(`and it is ${concurrency}.`)
        }
      }))

    // -----------------------------------------------------------------------------------------------------------------
    // The end
    // -----------------------------------------------------------------------------------------------------------------

    it("a body that has ended waits for its tasks, and for those that they have started", () =>
      play((player, { file, lines }) =>
        Effect.gen(function* () {
          const value = yield* Tasks.run(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
              const note = (text: string) => player.client.Run([{ do: "note", file, text }])
              yield* tasks.start(
                Effect.gen(function* () {
                  yield* note("first")
                  yield* tasks.start(Effect.andThen(note("second"), note("third")))
                  return 0
                })
              )
              return "body"
            })
          )
          expect(value).toBe("body")
          expect(lines()).toEqual(["first", "second", "third"])
        })
      ))

    it("with `cancel` its tasks are cancelled and joined instead, which is no failure", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const value = yield* Tasks.run(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
              yield* tasks.start(player.client.Run(hanging(observer, "held")))
              yield* observer.until("held runs")
              return "body"
            }),
            { atEnd: "cancel" }
          )
          expect(value).toBe("body")
          expect(observer.lines()).toEqual(["held runs", "held released"])
        })
      ))

    it("a block that has ended runs no more tasks: their handles tell of an interruption", () =>
      Effect.gen(function* () {
        let ran = false
        const tasks = yield* Tasks.run((tasks) => Effect.succeed(tasks))
        const late = yield* tasks.start(
          Effect.sync(() => {
            ran = true
          })
        )
        expect(reasonsOf(yield* late.exit)).toEqual(["interrupt"])
        expect(ran).toBe(false)
      }))

    it("a block that is interrupted has joined its tasks, and ends with nothing but that", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                yield* tasks.start(player.client.Run(hanging(observer, "one")))
                return yield* player.client.Run(hanging(observer, "body"))
              })
            )
          )
          yield* observer.until("one runs")
          yield* observer.until("body runs")
          yield* Fiber.interrupt(fiber)
          expect(new Set(observer.lines().slice(2))).toEqual(
            new Set(["one released", "body released"])
          )
          expect(reasonsOf(yield* Fiber.await(fiber))).toEqual(["interrupt"])
        })
      ))

    // -----------------------------------------------------------------------------------------------------------------
    // Failures
    // -----------------------------------------------------------------------------------------------------------------

    it("one that fails cancels the others and the body, which are joined, and is all that is told", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const exit = yield* Effect.exit(
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                yield* tasks.start(player.client.Run(hanging(observer, "other")))
                yield* observer.until("other runs")
                yield* tasks.start(player.client.Run([{ do: "fail", why: "no" }]))
                return yield* Effect.never
              })
            )
          )
          expect(only(exit)).toEqual(new Refused({ why: "no" }))
          expect(observer.lines()).toEqual(["other runs", "other released"])
          // The actor itself lives on.
          expect(yield* player.client.Echo(1)).toBe(1)
        })
      ))

    it("a failure that the body has waited for is told once", () =>
      play((player) =>
        Effect.gen(function* () {
          const exit = yield* Effect.exit(
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                const failing = yield* tasks.start(player.client.Run([{ do: "fail", why: "no" }]))
                return yield* failing.result
              }),
              { onFailure: "collect" }
            )
          )
          expect(only(exit)).toEqual(new Refused({ why: "no" }))
        })
      ))

    it("what others fail with while they are cancelled is kept beside it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const exit = yield* Effect.exit(
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                yield* tasks.start(
                  player.client.Run([
                    { do: "acquire", release: [{ do: "die", why: "on release" }] },
                    ...hanging(observer, "other")
                  ])
                )
                yield* observer.until("other runs")
                yield* tasks.start(player.client.Run([{ do: "fail", why: "no" }]))
                return yield* Effect.never
              })
            )
          )
          const [refused, died, ...rest] = reasonsOf(exit)
          expect(refused).toEqual(new Refused({ why: "no" }))
          expect(died).toMatchObject({ message: "on release" })
          expect(rest).toEqual([])
        })
      ))

    it("with `collect` the others and the body go on, and the block fails with all, those that are equal, too", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const { file } = observer
          const exit = yield* Effect.exit(
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                const refuse = player.client.Run([{ do: "fail", why: "no" }])
                const one = yield* tasks.start(refuse)
                const two = yield* tasks.start(refuse)
                yield* one.exit
                yield* two.exit
                yield* tasks.start(player.client.Run([{ do: "note", file, text: "later" }]))
                const three = yield* tasks.start(player.client.Run([{ do: "die", why: "defect" }]))
                yield* three.exit
                yield* player.client.Run([{ do: "note", file, text: "body" }])
              }),
              { onFailure: "collect" }
            )
          )
          const [first, second, third, ...rest] = reasonsOf(exit)
          expect([first, second]).toEqual([new Refused({ why: "no" }), new Refused({ why: "no" })])
          expect(third).toMatchObject({ message: "defect" })
          expect(rest).toEqual([])
          expect(new Set(observer.lines())).toEqual(new Set(["later", "body"]))
        })
      ))

    it("a body that fails cancels its tasks in either case, and its own reasons are the first", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          for (const onFailure of ["cancelAll", "collect"] as const) {
            const own = new Own()
            const exit = yield* Effect.exit(
              Tasks.run(
                Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                  yield* tasks.start(
                    player.client.Run([
                      { do: "acquire", release: [{ do: "die", why: "on release" }] },
                      ...hanging(observer, onFailure)
                    ])
                  )
                  yield* observer.until(`${onFailure} runs`)
                  return yield* Effect.fail(own)
                }),
                { onFailure }
              )
            )
            const [first, second, ...rest] = reasonsOf(exit)
            expect(first).toBe(own)
            expect(second).toMatchObject({ message: "on release" })
            expect(rest).toEqual([])
            expect(observer.lines()).toContain(`${onFailure} released`)
          }
        })
      ))

    it("what fails is told, whenever whoever has started it was interrupted", () =>
      Effect.gen(function* () {
        const own = new Own()
        let ended = false
        for (let steps = 0; !ended; steps++) {
          let ran = false
          const exit = yield* Effect.exit(
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Own>) {
                const failing = Effect.suspend(() => {
                  ran = true
                  return Effect.fail(own)
                })
                const starting = yield* tasks.start(failing).pipe(
                  // It rests often, and can be interrupted there.
                  Effect.provideService(Scheduler.MaxOpsBeforeYield, 3),
                  Effect.forkChild({ startImmediately: true })
                )
                for (let step = 0; step < steps; step++) yield* Effect.yieldNow
                ended = starting.pollUnsafe() !== undefined
                yield* Fiber.interrupt(starting)
              }),
              { onFailure: "collect" }
            )
          )
          expect(Exit.isFailure(exit) ? reasonsOf(exit) : []).toEqual(ran ? [own] : [])
        }
      }))

    it("a body that interrupts itself says so, and what its tasks fail with meanwhile is kept beside it", () =>
      Effect.gen(function* () {
        const defect = new Error("on release")
        const exit = yield* Effect.exit(
          Tasks.run(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks) {
              const runs = yield* Deferred.make<void>()
              yield* tasks.start(
                Deferred.succeed(runs, undefined).pipe(
                  Effect.andThen(Effect.never),
                  Effect.onInterrupt(() => Effect.die(defect))
                )
              )
              yield* Deferred.await(runs)
              return yield* Effect.interrupt
            })
          )
        )
        expect(reasonsOf(exit)).toEqual(["interrupt", defect])
      }))

    it("a body that its caller lets nobody interrupt is waited for, also when a task has failed", () =>
      Effect.gen(function* () {
        const own = new Own()
        let ended = false
        const exit = yield* Tasks.run(
          Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Own>) {
            const failing = yield* tasks.start(Effect.fail(own))
            yield* failing.exit
            yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow)
            ended = true
          })
        ).pipe(Effect.uninterruptible, Effect.exit)
        expect(only(exit)).toBe(own)
        expect(ended).toBe(true)
      }))

    it("an actor that dies under its tasks is one failure of its nursery", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          play((player, observer) =>
            Tasks.run(
              Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
                yield* tasks.start(player.client.Run(hanging(observer, "one")))
                yield* tasks.start(player.client.Run(hanging(observer, "two")))
                yield* observer.until("one runs")
                yield* observer.until("two runs")
                yield* crash(player)
                return yield* Effect.never
              }),
              { onFailure: "collect" }
            )
          )
        )
        expect(only(exit)).toBeInstanceOf(ActorCrashed)
      }))

    // -----------------------------------------------------------------------------------------------------------------
    // As a stream
    // -----------------------------------------------------------------------------------------------------------------

    it("as a stream it gives what each has come to as it ends, and ends when the body and all have", () =>
      play((player) =>
        Effect.gen(function* () {
          const order: ReadonlyArray<Deferred.Deferred<void>> = [
            yield* Deferred.make<void>(),
            yield* Deferred.make<void>(),
            yield* Deferred.make<void>()
          ]
          const [first, second, third] = order
          const after = (gate: Deferred.Deferred<void> | undefined, script: Script) =>
            Effect.andThen(Deferred.await(gate!), player.client.Run(script))
          const stream = Tasks.stream(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
              yield* tasks.start(after(third, [{ do: "return", value: 3 }]), { name: "slow" })
              yield* tasks.start(after(second, [{ do: "fail", why: "no" }]), { name: "failing" })
              yield* tasks.start(after(first, [{ do: "return", value: 1 }]), { name: "fast" })
              yield* Deferred.succeed(first!, undefined)
            })
          )
          const seen: Array<Tasks.Ended<number, Failure>> = []
          yield* Stream.runForEach(stream, (ended) => {
            seen.push(ended)
            // Each is let go by the one before it: what is seen is seen while the others run.
            return Deferred.succeed(order[seen.length] ?? first!, undefined)
          })
          expect(seen).toEqual([
            { name: "fast", exit: Exit.succeed(1) },
            { name: "failing", exit: expect.anything() },
            { name: "slow", exit: Exit.succeed(3) }
          ])
          expect(only(seen[1]!.exit)).toEqual(new Refused({ why: "no" }))
        })
      ))

    it("a body that fails ends its stream with that, after what its tasks have come to", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const own = new Own()
          const seen: Array<string> = []
          const exit = yield* Tasks.stream(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
              const done = yield* tasks.start(player.client.Echo(1), { name: "done" })
              yield* tasks.start(player.client.Run(hanging(observer, "held")), { name: "held" })
              yield* done.exit
              yield* observer.until("held runs")
              return yield* Effect.fail(own)
            })
          ).pipe(
            Stream.runForEach(({ exit, name }) =>
              Effect.sync(() => seen.push(`${name} ${exit._tag}`))
            ),
            Effect.exit
          )
          expect(only(exit)).toBe(own)
          expect(seen).toEqual(["done Success", "held Failure"])
          expect(observer.lines()).toContain("held released")
        })
      ))

    it("what a body fails and dies of ends its stream as it was, the error with its type", () =>
      Effect.gen(function* () {
        const cause = Cause.fromReasons([
          Cause.makeFailReason(new Own()),
          Cause.makeDieReason(new Error("defect"))
        ])
        const exit = yield* Effect.exit(
          Stream.runDrain(Tasks.stream(() => Effect.failCause(cause)))
        )
        expect(exit).toEqual(Exit.failCause(cause))
      }))

    it("leaving its stream early cancels what is left and joins it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const stream = Tasks.stream(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
              yield* tasks.start(player.client.Run(hanging(observer, "held")))
              yield* observer.until("held runs")
              yield* tasks.start(player.client.Echo(1), { name: "echo" })
              return yield* Effect.never
            })
          )
          const [head, ...rest] = yield* Stream.runCollect(Stream.take(stream, 1))
          expect(head).toEqual({ name: "echo", exit: Exit.succeed(1) })
          expect(rest).toEqual([])
          expect(observer.lines()).toEqual(["held runs", "held released"])
        })
      ))

    it("what its tasks die of when its stream is left is a defect of whoever leaves; no error is told any more", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          const { file } = observer
          const stream = Tasks.stream(
            Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
              yield* tasks.start(
                player.client.Run([
                  { do: "acquire", release: [{ do: "die", why: "on release" }] },
                  ...hanging(observer, "held")
                ])
              )
              yield* tasks.start(
                player.client.Run([
                  {
                    do: "ensuring",
                    script: hanging(observer, "refusing"),
                    last: [
                      { do: "note", file, text: "refuses" },
                      { do: "fail", why: "too late" }
                    ]
                  }
                ])
              )
              yield* observer.until("held runs")
              yield* observer.until("refusing runs")
              yield* tasks.start(player.client.Echo(1))
            })
          )
          const exit = yield* Effect.exit(Stream.runCollect(Stream.take(stream, 1)))
          expect(observer.lines()).toContain("refuses")
          assert(Exit.isFailure(exit))
          expect(only(exit)).toMatchObject({ message: "on release" })
          assert(exit.cause.reasons.every(Cause.isDieReason))
        })
      ))

    it("what a task has died of, and nobody has read when its stream is left, is a defect of whoever leaves", () =>
      Effect.gen(function* () {
        const unread = new Error("unread")
        const told = new Error("told by the body, too")
        const stream = Tasks.stream(
          Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Own>) {
            yield* tasks.start(Effect.succeed(1), { name: "read" })
            yield* tasks.start(Effect.die(unread))
            yield* tasks.start(Effect.fail(new Own()))
            const last = yield* tasks.start(Effect.die(told))
            return yield* last.result
          })
        )
        const exit = yield* Effect.exit(
          Stream.runForEach(Stream.take(stream, 1), ({ name }) => {
            expect(name).toBe("read")
            // By then all have ended.
            return Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow)
          })
        )
        expect(reasonsOf(exit)).toEqual([unread, told])
        assert(Exit.isFailure(exit) && exit.cause.reasons.every(Cause.isDieReason))
      }))

    it("a block in a task of the nursery takes tasks as long as the nursery lasts, and ends with it", () =>
      play((player, observer) =>
        Effect.gen(function* () {
          yield* Nursery.run(
            Effect.gen(function* () {
              const jobs = yield* Nursery.start(
                (started: Nursery.FirstWord<Tasks.Tasks<number, Failure>>) =>
                  Tasks.run((tasks: Tasks.Tasks<number, Failure>) =>
                    Effect.andThen(started(tasks), Effect.never)
                  )
              )
              const echo = yield* jobs.value.start(player.client.Echo(4))
              expect(yield* echo.result).toBe(4)
              yield* jobs.value.start(player.client.Run(hanging(observer, "held")))
              yield* observer.until("held runs")
            })
          )
          expect(observer.lines()).toEqual(["held runs", "held released"])
        })
      ))

    it("whoever stops waiting for a task's result does not end the task", () =>
      play((player, observer) =>
        Tasks.run(
          Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, Failure>) {
            const { file } = observer
            const task = yield* tasks.start(
              player.client
                .Play([
                  { do: "accept", value: 0 },
                  { do: "note", file, text: "runs" },
                  { do: "drain" }
                ])
                .pipe(
                  Dialog.use(({ end, result }) =>
                    Effect.andThen(Effect.andThen(Effect.sleep("300 millis"), end), result)
                  )
                )
            )
            yield* observer.until("runs")
            const waiting = yield* Effect.forkChild(Effect.timeout(task.result, "100 millis"))
            yield* elapse("100 millis")
            expect(only(yield* Fiber.await(waiting))).toBeInstanceOf(Cause.TimeoutError)
            yield* elapse("200 millis")
            expect(yield* task.result).toBe(0)
          })
        )
      ))
  })
}
