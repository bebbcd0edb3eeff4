/**
 * Guests by themselves: their channel, what their end means, and how long they are waited for. What they are in actors
 * is the contract suite's.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { ContractBroken } from "furrow/Dialog"
import * as Guest from "furrow/Guest"
import * as Nursery from "furrow/Nursery"
import { Reasons } from "furrow/protocol"
import { ForkFailed } from "furrow/TreeError"
import { events, only, reasonsOf } from "../contract/Watching.ts"

/** Waits for ever, and knows when it was aborted. */
const waiting = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const onAbort = () => reject(signal.reason as Error)
    if (signal.aborted) onAbort()
    else signal.addEventListener("abort", onAbort)
  })

/** Promises take their turns, and no time. */
const turns = Effect.promise(async () => {
  for (let n = 0; n < 20; n++) await Promise.resolve()
})

class Own extends Error {
  readonly _tag = "Own"
}

describe("what a guest's end means", () => {
  it.effect("what it returns is the value, also without a promise", () =>
    Nursery.run(
      Effect.gen(function* () {
        expect(yield* Guest.run("one", async () => 1)).toBe(1)
        expect(yield* Guest.run("two", () => 2)).toBe(2)
      })
    )
  )

  it.effect("E2 what it throws is a defect, and the same object", () =>
    Nursery.run(
      Effect.gen(function* () {
        const own = new Own()
        for (const code of [
          async () => Promise.reject(own),
          () => {
            throw own
          }
        ]) {
          const exit = yield* Effect.exit(Guest.run("throws", code))
          assert(Exit.isFailure(exit))
          const [reason] = exit.cause.reasons
          assert(reason !== undefined && Cause.isDieReason(reason))
          expect(reason.defect).toBe(own)
        }
      })
    )
  )

  it.effect(
    "E1 `catch` makes a typed error of it, and the same object; what it throws itself is a defect",
    () =>
      Nursery.run(
        Effect.gen(function* () {
          const typed = (error: unknown): Own => {
            if (error instanceof Own) return error
            throw error
          }
          const [own, bug] = [new Own(), new TypeError("bug")]
          const failed = yield* Effect.flip(
            Guest.run("throws", () => Promise.reject(own), { catch: typed })
          )
          expect(failed).toBe(own)
          const exit = yield* Effect.exit(
            Guest.run("breaks", () => Promise.reject(bug), { catch: typed })
          )
          assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
          expect(only(exit)).toBe(bug)
        })
      )
  )

  it.effect(
    "AIO-5 an AbortError that nobody has asked for is GuestCancelled, with the error in it",
    () =>
      Nursery.run(
        Effect.gen(function* () {
          const own = new DOMException("enough", "AbortError")
          const failed = yield* Effect.flip(Guest.run("weary", () => Promise.reject(own)))
          assert(failed instanceof Guest.GuestCancelled)
          expect(failed.cause).toBe(own)
        })
      )
  )

  it.effect(
    "an AbortError of its own, after it was asked to end, is no failure, and neither is a value",
    () =>
      Nursery.run(
        Effect.gen(function* () {
          for (const after of [
            () => Promise.reject(new DOMException("the request was aborted", "AbortError")),
            async () => 5
          ]) {
            const exit = yield* Guest.use(
              "obedient",
              async (host: Guest.Host) => {
                host.started()
                await waiting(host.signal).catch(() => {})
                return after()
              },
              () => Effect.succeed("done")
            ).pipe(Effect.exit)
            expect(exit).toEqual(Exit.succeed("done"))
          }
        })
      )
  )

  it.effect("D4 what it fails with after it was asked to end fails the block", () =>
    Nursery.run(
      Effect.gen(function* () {
        const own = new Own()
        const late = Guest.use(
          "late",
          async (host: Guest.Host) => {
            host.started()
            await waiting(host.signal).catch(() => {})
            throw own
          },
          () => Effect.void
        )
        expect(only(yield* Effect.exit(late))).toBe(own)
      })
    )
  )

  it.effect("the reason of its signal is its host's own error, the same object", () =>
    Nursery.run(
      Effect.gen(function* () {
        const own = new Own()
        const reasons: Array<unknown> = []
        const code = async (host: Guest.Host) => {
          host.started()
          await waiting(host.signal).catch((reason: unknown) => void reasons.push(reason))
          throw host.signal.reason
        }
        expect(only(yield* Effect.exit(Guest.use("a", code, () => Effect.fail(own))))).toBe(own)
        yield* Guest.use("b", code, () => Effect.void)
        expect(reasonsOf(yield* Effect.exit(Guest.use("c", code, () => Effect.interrupt)))).toEqual(
          ["interrupt"]
        )
        expect(reasons).toEqual([
          own,
          expect.objectContaining({
            name: "AbortError",
            message: 'The guest "b" is to end: its host has ended.'
          }),
          expect.objectContaining({
            name: "AbortError",
            message: 'The guest "c" was cancelled.'
          })
        ])
        expect(reasons[0]).toBe(own)
      })
    )
  )

  it.effect("D8 a first word that is missing, or said twice, is a broken contract", () =>
    Nursery.run(
      Effect.gen(function* () {
        const silent = Guest.use(
          "silent",
          async (_host: Guest.Host) => 1,
          () => Effect.never
        )
        expect(only(yield* Effect.exit(silent))).toBeInstanceOf(ContractBroken)
        const twice = Guest.use(
          "twice",
          async (host: Guest.Host) => {
            host.started()
            host.started()
          },
          () => Effect.never
        )
        expect(only(yield* Effect.exit(twice))).toMatchObject({
          message: expect.stringMatching(/the guest "twice".*twice/)
        })
      })
    )
  )

  it.effect("D3 a guest that fails interrupts the body, whose finalizers run", () =>
    Nursery.run(
      Effect.gen(function* () {
        let released = false
        const own = new Own()
        const exit = yield* Guest.use(
          "fails",
          async (host: Guest.Host) => {
            host.started()
            throw own
          },
          () =>
            Effect.onInterrupt(Effect.never, () =>
              Effect.sync(() => {
                released = true
              })
            )
        ).pipe(Effect.exit)
        expect(only(exit)).toBe(own)
        expect(released).toBe(true)
      })
    )
  )

  it.effect("a body that fails with what its guest failed with tells it once", () =>
    Nursery.run(
      Effect.gen(function* () {
        const own = new Own()
        const exit = yield* Guest.use(
          "fails",
          async (host: Guest.Host) => {
            host.started()
            throw own
          },
          (guest) => Effect.uninterruptible(guest.result)
        ).pipe(Effect.exit)
        expect(only(exit)).toBe(own)
      })
    )
  )
})

describe("the channel", () => {
  it.effect("D10 a guest waits for room, and so does its host", () =>
    Nursery.run(
      Effect.gen(function* () {
        let said = 0
        const flooding = async (host: Guest.Host<void, number, number>) => {
          const { messages, send } = host.started()
          for (let n = 0; n < 10; n++) {
            await send(n)
            said = n + 1
          }
          let sum = 0
          for await (const n of messages) sum += n
          return sum
        }
        const sum = yield* Guest.use(
          "flood",
          flooding,
          (guest) =>
            Effect.gen(function* () {
              yield* turns
              expect(said).toBe(4)
              const sending = yield* Effect.forkChild(
                Effect.forEach([1, 2, 3, 4, 5], guest.send, { discard: true }),
                { startImmediately: true }
              )
              yield* turns
              expect(sending.pollUnsafe()).toBeUndefined()
              expect(yield* Stream.runCollect(Stream.take(guest.messages, 3))).toEqual([0, 1, 2])
              yield* turns
              expect(said).toBe(7)
              expect(yield* Stream.runCollect(Stream.take(guest.messages, 7))).toEqual([
                3, 4, 5, 6, 7, 8, 9
              ])
              yield* Fiber.join(sending)
              yield* guest.end
              return yield* guest.result
            }),
          { window: 4 }
        )
        expect(sum).toBe(15)
      })
    )
  )

  it.effect("what a guest has sent before it ended, or failed, still arrives", () =>
    Nursery.run(
      Effect.gen(function* () {
        const own = new Own()
        const telling = (fails: boolean) => async (host: Guest.Host<void, never, number>) => {
          const { send } = host.started()
          for (const n of [1, 2, 3]) void send(n)
          await Promise.resolve()
          if (fails) throw own
        }
        const told = yield* Guest.use("tells", telling(false), (guest) =>
          Effect.andThen(guest.result, Stream.runCollect(guest.messages))
        )
        expect(told).toEqual([1, 2, 3])
        const seen: Array<number> = []
        const exit = yield* Guest.use("fails", telling(true), (guest) =>
          Effect.uninterruptible(
            Stream.runForEach(guest.messages, (n) => Effect.sync(() => seen.push(n)))
          )
        ).pipe(Effect.exit)
        expect(seen).toEqual([1, 2, 3])
        expect(only(exit)).toBe(own)
      })
    )
  )

  it.effect(
    "D11 a host that sends to a guest that has ended is told so, or fails as the guest did",
    () =>
      Nursery.run(
        Effect.gen(function* () {
          const own = new Own()
          const code = (fails: boolean) => async (host: Guest.Host<void, number>) => {
            host.started()
            if (fails) throw own
          }
          const ended = yield* Guest.use("ended", code(false), (guest) =>
            Effect.andThen(guest.result, Effect.flip(guest.send(1)))
          )
          expect(ended).toBeInstanceOf(Guest.GuestEnded)
          const failed = yield* Guest.use("failed", code(true), (guest) =>
            Effect.uninterruptible(Effect.andThen(turns, guest.send(1)))
          ).pipe(Effect.exit)
          expect(only(failed)).toBe(own)
          const own2 = yield* Guest.use(
            "told",
            async (host: Guest.Host<void, number>) => {
              const { messages } = host.started()
              for await (const _ of messages);
            },
            (guest) => Effect.andThen(guest.end, Effect.flip(guest.send(1)))
          )
          expect(own2).toBeInstanceOf(Guest.GuestEnded)
        })
      )
  )

  it.effect("a guest that is aborted can neither send nor take, and is told why", () =>
    Nursery.run(
      Effect.gen(function* () {
        const own = new Own()
        const met: Array<unknown> = []
        const exit = yield* Guest.use(
          "cut",
          async (host: Guest.Host<void, number, number>) => {
            const { messages, send } = host.started()
            await send(1)
            // Nobody looks at this one: it is no error of the process.
            void send(2)
            await send(3).catch((error: unknown) => met.push(error))
            await send(4).catch((error: unknown) => met.push(error))
            try {
              for await (const _ of messages);
            } catch (error) {
              met.push(error)
            }
          },
          () => Effect.andThen(turns, Effect.fail(own)),
          { window: 1 }
        ).pipe(Effect.exit)
        expect(only(exit)).toBe(own)
        expect(met).toEqual([own, own, own])
      })
    )
  )

  it.effect("messages that are iterated again go on where they stopped", () =>
    Nursery.run(
      Effect.gen(function* () {
        const parts = yield* Guest.use(
          "parts",
          async (host: Guest.Host<void, number>) => {
            const { messages } = host.started()
            const parts: Array<Array<number>> = []
            for (let part = 0; part < 2; part++) {
              const taken: Array<number> = []
              for await (const n of messages) {
                taken.push(n)
                if (taken.length === 2) break
              }
              parts.push(taken)
            }
            return parts
          },
          (guest) =>
            Effect.andThen(
              Effect.forEach([1, 2, 3], guest.send, { discard: true }),
              Effect.andThen(guest.end, guest.result)
            )
        )
        expect(parts).toEqual([[1, 2], [3]])
      })
    )
  )
})

describe("a guest that makes a stream", () => {
  it.effect("makes an item when one is wanted, and runs its `finally` when it is left", () =>
    Nursery.run(
      Effect.gen(function* () {
        const made: Array<number | string> = []
        async function* numbers(): AsyncGenerator<number> {
          try {
            for (let n = 0; ; n++) {
              made.push(n)
              yield n
            }
          } finally {
            await Promise.resolve()
            made.push("left")
          }
        }
        const some = yield* Stream.runCollect(Stream.take(Guest.stream("numbers", numbers), 3))
        expect(some).toEqual([0, 1, 2])
        expect(made).toEqual([0, 1, 2, "left"])
      })
    )
  )

  it.effect("fails as it fails, ends as it ends, and aborts one that waits for something", () =>
    Nursery.run(
      Effect.gen(function* () {
        const own = new Own()
        async function* two(): AsyncGenerator<number> {
          yield 1
          yield 2
        }
        async function* fails(): AsyncGenerator<number> {
          yield 1
          throw own
        }
        expect(yield* Stream.runCollect(Guest.stream("two", two))).toEqual([1, 2])
        expect(only(yield* Effect.exit(Stream.runDrain(Guest.stream("fails", fails))))).toBe(own)

        const seen: Array<string> = []
        const isWaiting = Deferred.makeUnsafe<void>()
        async function* waits(signal: AbortSignal): AsyncGenerator<number> {
          yield 1
          Deferred.doneUnsafe(isWaiting, Exit.void)
          await waiting(signal).finally(() => seen.push("aborted"))
        }
        const stuck = yield* Effect.forkChild(Stream.runDrain(Guest.stream("waits", waits)), {
          startImmediately: true
        })
        yield* Deferred.await(isWaiting)
        yield* Fiber.interrupt(stuck)
        expect(seen).toEqual(["aborted"])
      })
    )
  )

  it.effect("S1 that does not stop holds its stream no longer than the bound", () =>
    Nursery.run(
      Effect.gen(function* () {
        const watch = yield* events
        const isWaiting = Deferred.makeUnsafe<void>()
        async function* deaf(): AsyncGenerator<number> {
          yield 1
          Deferred.doneUnsafe(isWaiting, Exit.void)
          await new Promise(() => {})
        }
        const stuck = yield* Effect.forkChild(Stream.runDrain(Guest.stream("deaf", deaf)), {
          startImmediately: true
        })
        yield* Deferred.await(isWaiting)
        stuck.interruptUnsafe()
        yield* TestClock.adjust("2999 millis")
        expect(stuck.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust("1 millis")
        yield* Fiber.await(stuck)
        expect(watch.of("GuestLeft")).toMatchObject([{ guest: "deaf", waited: 3000 }])
      })
    ).pipe(Effect.scoped)
  )
})

describe("a guest that does not stop", () => {
  it.effect("S1 is left behind when its patience has passed, and its late failure is told", () =>
    Nursery.run(
      Effect.gen(function* () {
        const watch = yield* events
        const late = Deferred.makeUnsafe<void>()
        const own = new Own()
        const block = yield* Guest.use(
          "slow",
          async (host: Guest.Host) => {
            host.started()
            await Effect.runPromise(Deferred.await(late))
            throw own
          },
          () => Effect.succeed("done"),
          { patience: "1 second" }
        ).pipe(Effect.forkChild({ startImmediately: true }))
        yield* turns
        yield* TestClock.adjust("999 millis")
        expect(block.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust("1 millis")
        expect(yield* Fiber.join(block)).toBe("done")
        expect(watch.of("GuestLeft")).toMatchObject([{ guest: "slow", waited: 1000 }])
        expect(watch.of("FailedWhileEnding")).toEqual([])
        yield* Deferred.succeed(late, undefined)
        yield* turns
        yield* TestClock.adjust(0)
        expect(watch.of("FailedWhileEnding")).toMatchObject([
          { actor: { path: "root" }, operation: "slow", cause: { reasons: [{ defect: own }] } }
        ])
      })
    ).pipe(Effect.scoped)
  )

  it.effect("is ended by force, if there is a way to, and then is not left behind", () =>
    Nursery.run(
      Effect.gen(function* () {
        const watch = yield* events
        const ended = Deferred.makeUnsafe<void>()
        const block = yield* Guest.use(
          "stubborn",
          async (host: Guest.Host) => {
            host.started()
            await Effect.runPromise(Deferred.await(ended))
          },
          () => Effect.void,
          { patience: "1 second", force: () => Deferred.doneUnsafe(ended, Exit.void) }
        ).pipe(Effect.forkChild({ startImmediately: true }))
        yield* turns
        yield* TestClock.adjust("1 second")
        yield* turns
        yield* TestClock.adjust(0)
        expect(block.pollUnsafe()).toEqual(Exit.void)
        expect(watch.of("GuestLeft")).toEqual([])
      })
    ).pipe(Effect.scoped)
  )
})

describe("who was left behind", () => {
  const deaf = () => new Promise<never>(() => {})

  /** The guests that an Exit says were left. */
  const left = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<string> =>
    Exit.isSuccess(exit)
      ? []
      : exit.cause.reasons.flatMap(
          (reason) =>
            Context.getOrUndefined(Cause.reasonAnnotations(reason), Reasons.GuestLeft)?.guest ?? []
        )

  it.effect("S1 stands in the Exit of the block, of a guest in a guest's body both", () =>
    Effect.gen(function* () {
      const isInside = Deferred.makeUnsafe<void>()
      const inner = Guest.run("inner", () => {
        Deferred.doneUnsafe(isInside, Exit.void)
        return deaf()
      })
      const outer = Guest.use(
        "outer",
        async (host: Guest.Host) => {
          host.started()
          await deaf()
        },
        () => inner
      )
      const block = yield* Effect.forkChild(Nursery.run(outer), { startImmediately: true })
      yield* Deferred.await(isInside)
      block.interruptUnsafe()
      yield* TestClock.adjust("3 seconds")
      yield* TestClock.adjust("3 seconds")
      const exit = block.pollUnsafe()
      assert(exit !== undefined && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      expect(left(exit).toSorted()).toEqual(["inner", "outer"])
    })
  )

  it.effect("S1 S2 stands on the failure that has ended the block, and that is told alone", () =>
    Effect.gen(function* () {
      let wasInterrupted = false
      const block = yield* Nursery.run(
        Effect.andThen(
          Nursery.fork(Effect.andThen(Effect.sleep("1 second"), Effect.fail("forked"))),
          Guest.run("deaf", deaf)
        )
      ).pipe(
        Effect.onInterrupt(() => Effect.sync(() => void (wasInterrupted = true))),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("3 seconds")
      const exit = block.pollUnsafe()
      assert(exit !== undefined)
      expect(only(exit)).toBeInstanceOf(ForkFailed)
      expect(left(exit)).toEqual(["deaf"])
      expect(wasInterrupted).toBe(false)
    })
  )

  it.effect("S1 S2 stands on the failure of a guest whose body had one, too", () =>
    Effect.gen(function* () {
      const own = new Own()
      const failing = Deferred.makeUnsafe<void>()
      const outer = Guest.use(
        "outer",
        async (host: Guest.Host) => {
          host.started()
          await Effect.runPromise(Deferred.await(failing))
          throw own
        },
        () =>
          Guest.run("inner", () => {
            Deferred.doneUnsafe(failing, Exit.void)
            return deaf()
          })
      )
      const block = yield* Effect.forkChild(Nursery.run(outer), { startImmediately: true })
      yield* Deferred.await(failing)
      yield* turns
      yield* TestClock.adjust("3 seconds")
      const exit = block.pollUnsafe()
      assert(exit !== undefined)
      expect(only(exit)).toBe(own)
      expect(left(exit)).toEqual(["inner"])
    })
  )

  it.effect("S1 S2 stands in what a fork failed with that was ended with its block", () =>
    Effect.gen(function* () {
      const [own, late] = [new Own(), new TypeError("late")]
      const block = yield* Nursery.run(
        Effect.andThen(
          Nursery.fork(Guest.run("deaf", deaf).pipe(Effect.ensuring(Effect.die(late)))),
          Effect.andThen(Effect.sleep("1 second"), Effect.fail(own))
        )
      ).pipe(Effect.forkChild({ startImmediately: true }))
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("3 seconds")
      const exit = block.pollUnsafe()
      assert(exit !== undefined)
      const [first, second, ...others] = reasonsOf(exit)
      expect(others).toEqual([])
      expect(first).toBe(own)
      assert(second instanceof ForkFailed)
      const fork = Exit.failCause(second.cause)
      expect(only(fork)).toBe(late)
      expect(left(fork)).toEqual(["deaf"])
    })
  )
})

describe("a guest that is asked for in a wrong way", () => {
  it.effect("S1 D4 and whose force throws is left, and every error is kept", () =>
    Effect.gen(function* () {
      const [own, bug] = [new Own(), new TypeError("bug")]
      const block = yield* Guest.use(
        "stubborn",
        (host: Guest.Host) => {
          host.started()
          return new Promise<never>(() => {})
        },
        () => Effect.fail(own),
        {
          force: () => {
            throw bug
          }
        }
      ).pipe(Nursery.run(), Effect.forkChild({ startImmediately: true }))
      yield* turns
      yield* TestClock.adjust("3 seconds")
      yield* TestClock.adjust("1 second")
      const exit = block.pollUnsafe()
      assert(exit !== undefined && Exit.isFailure(exit))
      expect(reasonsOf(exit)).toEqual([own, bug])
      const [reason] = exit.cause.reasons
      expect(Cause.reasonAnnotations(reason!).mapUnsafe.has(Reasons.GuestLeft.key)).toBe(true)
    })
  )

  it.effect("does not run if its patience is none", () =>
    Effect.gen(function* () {
      let ran = false
      const exit = yield* Guest.run("eager", () => void (ran = true), {
        patience: "soon" as never
      }).pipe(Nursery.run(), Effect.exit)
      assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      expect(ran).toBe(false)
    })
  )

  it.effect("has ended also with a value that nobody can look at", () =>
    Effect.gen(function* () {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      const exit = yield* Guest.run("opaque", () => Promise.reject(proxy)).pipe(
        Nursery.run(),
        Effect.exit
      )
      assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )
})

describe("wherever it is interrupted", () => {
  /** How many guests are at work. */
  let inside = 0

  const echo = async (host: Guest.Host<void, number, number>): Promise<number> => {
    inside += 1
    let count = 0
    try {
      const { messages, send } = host.started()
      for await (const n of messages) {
        await send(n)
        count += 1
      }
      return count
    } finally {
      await Promise.resolve()
      inside -= 1
    }
  }

  async function* numbers(): AsyncGenerator<number> {
    inside += 1
    try {
      for (let n = 0; n < 5; n++) {
        await Promise.resolve()
        yield n
      }
    } finally {
      await Promise.resolve()
      inside -= 1
    }
  }

  const blocks = {
    "a block with a guest": Guest.use("echo", echo, (guest) =>
      Effect.gen(function* () {
        yield* guest.send(1)
        yield* Stream.runDrain(Stream.take(guest.messages, 1))
        yield* guest.send(2)
        yield* guest.end
        yield* Stream.runDrain(guest.messages)
        expect(yield* guest.result).toBe(2)
      })
    ),
    "a stream of a guest": Stream.runDrain(Guest.stream("numbers", numbers))
  }

  for (const [name, block] of Object.entries(blocks)) {
    it.effect(`S1 ${name} ends with that, its guest before it, and it takes no time`, () =>
      Effect.gen(function* () {
        for (let turns = 0; ; turns++) {
          // Its fibers give way after every few operations, so that each run is cut one step later than the last.
          const fiber = yield* Effect.forkChild(
            Effect.provideService(Nursery.run(block), Scheduler.MaxOpsBeforeYield, 3),
            { startImmediately: true }
          )
          for (let n = 0; n < turns; n++) yield* Effect.yieldNow
          const inTime = fiber.pollUnsafe() === undefined
          fiber.interruptUnsafe()
          for (let n = 0; n < 1000 && fiber.pollUnsafe() === undefined; n++) yield* Effect.yieldNow
          const exit = fiber.pollUnsafe()
          assert(exit !== undefined, `it does not end when it is cut after ${turns} turns`)
          expect(inside, `after ${turns} turns`).toBe(0)
          if (!inTime) return expect(turns).toBeGreaterThan(20)
          if (Exit.isFailure(exit)) {
            expect(new Set(reasonsOf(exit)), `after ${turns} turns`).toEqual(new Set(["interrupt"]))
          }
        }
      })
    )
  }
})
