/**
 * Guests that only Node has: scripts in threads, and event emitters.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as NodeGuest from "@furrow/node/NodeGuest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Nursery from "furrow/Nursery"
import { EventEmitter } from "node:events"
import { Readable } from "node:stream"
import type { Worker } from "node:worker_threads"
import { events as watched, only, reasonsOf } from "../contract/Watching.ts"

const script = new URL("./fixtures/script.ts", import.meta.url)

/** The threads of this process that were started here. */
const threads: Array<Worker> = []
process.on("worker", (worker) => threads.push(worker))

/** Whether every thread is gone; Node gives the number -1 to those. */
const nobody = () => threads.every(({ threadId }) => threadId === -1)

const thread = (workerData: string) => ({ thread: { workerData } })

describe("a script in a thread", () => {
  it.live("takes and gives, as its schemas say, and is gone with its block", () =>
    Nursery.run(
      Effect.gen(function* () {
        const doubled = yield* NodeGuest.worker(
          "doubles",
          script,
          (guest) =>
            Effect.andThen(
              Effect.forEach([1, 2, 3], guest.send, { discard: true }),
              Stream.runCollect(Stream.take(guest.messages, 3))
            ),
          { ...thread("doubles"), fromHost: Schema.Int, fromGuest: Schema.Int }
        )
        expect(doubled).toEqual([2, 4, 6])
        expect(nobody()).toBe(true)
      })
    )
  )

  it.live("is posted what its schema makes of an item, also if that is nothing", () =>
    Nursery.run(
      Effect.gen(function* () {
        const posted = yield* NodeGuest.worker(
          "echoes",
          script,
          (guest) =>
            Effect.andThen(
              Effect.forEach([Option.none(), Option.some(1)], guest.send, { discard: true }),
              Stream.runCollect(Stream.take(guest.messages, 2))
            ),
          { ...thread("echoes"), fromHost: Schema.OptionFromNullOr(Schema.Int) }
        )
        expect(posted).toEqual([null, 1])
      })
    )
  )

  it.live("is asked to end by the message that was given for it, and waited for", () =>
    Nursery.run(
      Effect.gen(function* () {
        const watch = yield* watched
        yield* NodeGuest.worker("slow", script, () => Effect.void, {
          ...thread("stops slowly"),
          stop: "stop",
          patience: "30 seconds"
        })
        expect(nobody()).toBe(true)
        expect(watch.of("GuestLeft")).toEqual([])
      })
    ).pipe(Effect.scoped)
  )

  it.live("S1 is terminated when it blocks, and does not listen", () =>
    Nursery.run(
      Effect.gen(function* () {
        const watch = yield* watched
        yield* NodeGuest.worker("blocks", script, (guest) => Stream.runHead(guest.messages), {
          ...thread("blocks"),
          stop: "stop",
          patience: "50 millis"
        })
        expect(nobody()).toBe(true)
        expect(watch.of("GuestLeft")).toEqual([])
      })
    ).pipe(Effect.scoped)
  )

  it.live("S1 is terminated when what should ask it to end cannot be posted, which is told", () =>
    Nursery.run(
      Effect.gen(function* () {
        const exit = yield* NodeGuest.worker("slow", script, () => Effect.void, {
          ...thread("stops slowly"),
          stop: () => {}
        }).pipe(Effect.exit)
        expect(nobody()).toBe(true)
        expect(only(exit)).toMatchObject({ name: "DataCloneError" })
      })
    )
  )

  it.live("that ends by itself has ended well, with all that it said", () =>
    Nursery.run(
      Effect.gen(function* () {
        const said = yield* NodeGuest.worker(
          "returns",
          script,
          (guest) => Effect.andThen(guest.result, Stream.runCollect(guest.messages)),
          thread("returns")
        )
        expect(said).toEqual(["done"])
      })
    )
  )

  it.live(
    "AIO-10 AIO-2 fails its block with what it throws, and with WorkerExited when it leaves",
    () =>
      Nursery.run(
        Effect.gen(function* () {
          for (const how of ["throws", "throws later"]) {
            const exit = yield* NodeGuest.worker(
              how,
              script,
              (guest) => Effect.andThen(guest.send(1), Effect.never),
              thread(how)
            ).pipe(Effect.exit)
            expect(only(exit)).toMatchObject({ name: "RangeError", message: "in the script" })
          }
          const left = yield* Effect.flip(
            NodeGuest.worker("leaves", script, () => Effect.never, thread("leaves"))
          )
          assert(left instanceof NodeGuest.WorkerExited)
          expect(left).toMatchObject({ guest: "leaves", code: 3 })
          expect(left.message).toBe('The script of the guest "leaves" left with exit code 3.')
          const bug = yield* NodeGuest.worker("throws", script, () => Effect.never, {
            ...thread("throws"),
            catch: (error) => ({ caught: error })
          }).pipe(Effect.flip)
          expect(bug).toMatchObject({ caught: { name: "RangeError" } })
          expect(nobody()).toBe(true)
        })
      )
  )

  it.live(
    "that says more than is taken is ended with WorkerOverran, what does not fit is a defect",
    () =>
      Nursery.run(
        Effect.gen(function* () {
          const over = yield* Effect.flip(
            NodeGuest.worker("floods", script, () => Effect.never, {
              ...thread("floods"),
              window: 10
            })
          )
          assert(over instanceof NodeGuest.WorkerOverran)
          expect(over).toMatchObject({ guest: "floods", waiting: 10 })
          expect(over.message).toMatch(
            /^The script of the guest "floods" was ended: 10 of its messages/
          )
          const misfit = yield* Effect.exit(
            NodeGuest.worker("returns", script, () => Effect.never, {
              ...thread("returns"),
              fromGuest: Schema.Int
            })
          )
          expect(only(misfit)).toMatchObject({ name: "SchemaError" })
          expect(nobody()).toBe(true)
        })
      )
  )

  it.live("is terminated when its host is interrupted", () =>
    Nursery.run(
      Effect.gen(function* () {
        const begun = Deferred.makeUnsafe<void>()
        const block = yield* Effect.forkChild(
          NodeGuest.worker(
            "doubles",
            script,
            () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
            thread("doubles")
          )
        )
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(block)
        expect(nobody()).toBe(true)
      })
    )
  )
})

describe("the events of an emitter", () => {
  /** An emitter with a stream of its events that has begun to listen. */
  const listening = <E, E2>(
    options: NodeGuest.EventsOptions<E, E2, never>,
    use: (emitter: EventEmitter<{ line: [string, number]; error: [unknown]; close: [] }>) => unknown
  ) =>
    Effect.gen(function* () {
      const emitter = new EventEmitter<{
        line: [string, number]
        error: [unknown]
        close: []
      }>()
      const lines = NodeGuest.events(
        emitter,
        "line",
        (text: string, n: number) => `${text}${n}`,
        options
      )
      const seen: Array<string> = []
      const reading = yield* Effect.forkChild(
        Stream.runForEach(lines, (line) => Effect.sync(() => seen.push(line))),
        { startImmediately: true }
      )
      use(emitter)
      const exit = yield* Fiber.await(reading)
      expect(emitter.eventNames()).toEqual([])
      return { seen, exit }
    })

  it.effect("come as what is read of them, in order, until one that ends them", () =>
    Effect.gen(function* () {
      const { exit, seen } = yield* listening({}, (emitter) => {
        emitter.emit("line", "a", 1)
        emitter.emit("line", "b", 2)
        emitter.emit("close")
        emitter.emit("line", "late", 3)
      })
      expect(seen).toEqual(["a1", "b2"])
      expect(exit).toEqual(Exit.void)
    })
  )

  it.effect("fail with what comes as `error`, the same object", () =>
    Effect.gen(function* () {
      const own = new Error("own")
      const plain = yield* listening({}, (emitter) => {
        emitter.emit("line", "a", 1)
        emitter.emit("error", own)
      })
      expect(plain.seen).toEqual(["a1"])
      expect(only(plain.exit)).toBe(own)
      const typed = yield* listening({ catch: (error) => ({ error }) }, (emitter) => {
        emitter.emit("error", own)
      })
      expect(only(typed.exit)).toEqual({ error: own })
    })
  )

  it.effect("fail with what reading them throws, and whoever emits does not hear of it", () =>
    Effect.gen(function* () {
      const emitter = new EventEmitter()
      const bug = new TypeError("bug")
      const reading = yield* NodeGuest.events(emitter, "line", () => {
        throw bug
      }).pipe(Stream.runDrain, Effect.forkChild({ startImmediately: true }))
      emitter.emit("line")
      const exit = yield* Fiber.await(reading)
      assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      expect(only(exit)).toBe(bug)
    })
  )

  it.effect("fail with an error that comes after their end, as long as they are read", () =>
    Effect.gen(function* () {
      const own = new Error("own")
      const { exit, seen } = yield* listening({}, (emitter) => {
        emitter.emit("line", "a", 1)
        emitter.emit("close")
        emitter.emit("error", own)
      })
      expect(seen).toEqual(["a1"])
      expect(only(exit)).toBe(own)
      const both = yield* listening({ capacity: 1 }, (emitter) => {
        for (let n = 0; n < 3; n++) emitter.emit("line", "", n)
        emitter.emit("error", own)
      })
      expect(reasonsOf(both.exit)).toEqual([expect.any(NodeGuest.EventsOverflowed), own])
    })
  )

  it.effect("D10 that have no room fail, after those that had", () =>
    Effect.gen(function* () {
      const { exit, seen } = yield* listening({ capacity: 3 }, (emitter) => {
        for (let n = 0; n < 5; n++) emitter.emit("line", "", n)
      })
      expect(seen).toEqual(["0", "1", "2"])
      const failed = only(exit)
      assert(failed instanceof NodeGuest.EventsOverflowed)
      expect(failed).toMatchObject({ event: "line", capacity: 3 })
      expect(failed.message).toMatch(/^More than 3 events "line" were waiting to be read\./)
    })
  )

  it.effect(
    "D10 are lost for lack of room only with a word, which says how many in their place",
    () =>
      Effect.gen(function* () {
        const lost: Array<string> = []
        const { seen } = yield* listening(
          { capacity: 2, onLost: (count) => Effect.sync(() => lost.push(`${count} lost`)) },
          (emitter) => {
            for (let n = 0; n < 5; n++) emitter.emit("line", "", n)
            emitter.emit("close")
          }
        )
        expect(seen).toEqual(["0", "1"])
        expect(lost).toEqual(["3 lost"])
      })
  )

  it.effect("are counted again after there was room", () =>
    Effect.gen(function* () {
      const emitter = new EventEmitter()
      const seen: Array<string> = []
      const note = (text: string) => Effect.sync(() => seen.push(text))
      const lines = NodeGuest.events(emitter, "line", (n: number) => n, {
        capacity: 1,
        onLost: (count) => note(`${count} lost`)
      })
      const emit = (...all: ReadonlyArray<number>) =>
        Effect.sync(() => all.forEach((n) => emitter.emit("line", n)))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(lines)
          const next = Effect.flatMap(pull, ([n]) => note(String(n)))
          const first = yield* Effect.forkChild(next, { startImmediately: true })
          yield* emit(1)
          yield* Fiber.join(first)
          yield* emit(2, 3, 4)
          yield* next
          // What was lost is told before the next event.
          const second = yield* Effect.forkChild(next, { startImmediately: true })
          yield* Effect.yieldNow
          yield* emit(5)
          yield* Fiber.join(second)
        })
      )
      expect(seen).toEqual(["1", "2", "2 lost", "5"])
    })
  )
})

it.live("D10 a stream of Node is read as fast as it is wanted, and destroyed with its block", () =>
  Nursery.run(
    Effect.gen(function* () {
      let made = 0
      const readable = new Readable({
        objectMode: true,
        highWaterMark: 4,
        read() {
          made += 1
          this.push(made)
        }
      })
      const numbers = NodeStream.fromReadable<number>({ evaluate: () => readable, chunkSize: 1 })
      expect(yield* Stream.runCollect(Stream.take(numbers, 3))).toEqual([1, 2, 3])
      expect(made).toBeLessThan(20)
      expect(readable.destroyed).toBe(true)
    })
  )
)
