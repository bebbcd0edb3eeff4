/** The wire between threads, both of whose ends are here. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as Wire from "furrow/Wire"
import { MessageChannel } from "node:worker_threads"
import * as WirePort from "../../packages/node/src/internal/WirePort.ts"

const pair = Effect.gen(function* () {
  const { port1, port2 } = new MessageChannel()
  const there = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(there, Exit.void))
  return {
    here: yield* WirePort.open(port1),
    other: yield* Scope.provide(WirePort.open(port2), there),
    there
  }
})

/** Reads so many bytes. */
const take = Effect.fnUntraced(function* (reader: Socket.Reader, size: number) {
  const parts: Array<Uint8Array> = []
  for (let read = 0; read < size;) {
    for (const chunk of yield* reader.pull) {
      parts.push(Buffer.from(chunk))
      read += chunk.length
    }
  }
  return Buffer.concat(parts)
})

const reasonOf = (effect: Effect.Effect<unknown, Socket.SocketError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

it.live("carries bytes both ways, whole and in order, and leaves the sender what it has sent", () =>
  Effect.gen(function* () {
    const { here, other } = yield* pair
    const sent = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, at) => (at * 31) % 251))
    const copy = Buffer.from(sent)
    for (const [from, to] of [
      [here, other],
      [other, here]
    ] as const) {
      const writer = yield* from.writer
      const reading = yield* Effect.forkChild(
        Effect.flatMap(to.reader, (reader) => take(reader, sent.length + 6)),
        { startImmediately: true }
      )
      yield* writer.write(sent.subarray(0, 7))
      yield* writer.write("")
      yield* writer.writeAll([sent.subarray(7, 2_000_000), sent.subarray(2_000_000)])
      yield* writer.write("the end".slice(1))
      const bytes = yield* Fiber.join(reading)
      expect(bytes.subarray(0, sent.length).equals(copy)).toBe(true)
      expect(bytes.subarray(sent.length).toString()).toBe("he end")
      expect(sent.equals(copy)).toBe(true)
    }
  }).pipe(Effect.scoped)
)

it.live("the memory of what was taken is given back, and not that of what was pulled", () =>
  Effect.gen(function* () {
    const { here, other } = yield* pair
    const writer = yield* here.writer
    const { pull } = yield* other.reader
    yield* writer.write(new Uint8Array(20_000).fill(7))
    const [pulled] = yield* pull
    const taken: Array<Uint8Array> = []
    const last = yield* Effect.callback<number>((resume) => {
      Wire.flowOf(pull)!(
        (chunk) => {
          taken.push(chunk)
          if (chunk.length === 100) resume(Effect.succeed(chunk[99]!))
        },
        () => {}
      )
      Effect.runFork(
        Effect.andThen(
          writer.write(new Uint8Array(20_000).fill(7)),
          writer.write(new Uint8Array(100).fill(7))
        )
      )
    })
    expect([last, pulled.length, ...taken.map(({ length }) => length)]).toEqual([7, 20_000, 0, 100])
  }).pipe(Effect.scoped)
)

it.live("a write waits when more than 64 KiB wait to be read, and goes on when they are", () =>
  Effect.gen(function* () {
    const { here, other } = yield* pair
    const writer = yield* here.writer
    const reader = yield* other.reader
    let written = 0
    const writing = yield* writer.write(Buffer.alloc(32_768)).pipe(
      Effect.tap(() => Effect.sync(() => written++)),
      Effect.repeat({ times: 63 }),
      Effect.forkChild({ startImmediately: true })
    )
    // It has more turns than it has writes.
    for (let n = 0; n < 1000; n++) yield* Effect.yieldNow
    expect(written).toBe(2)
    let most = 0
    for (let read = 0; read < 64 * 32_768;) {
      for (const chunk of yield* reader.pull) read += chunk.length
      most = Math.max(most, written * 32_768 - read)
    }
    yield* Fiber.join(writing)
    expect(written).toBe(64)
    expect(most).toBeLessThanOrEqual(2 * 65_536 + 32_768)
  }).pipe(Effect.scoped)
)

it.live("small writes that are read never wait, however many", () =>
  Effect.gen(function* () {
    const { here, other } = yield* pair
    const writer = yield* here.writer
    const reading = yield* Effect.forkChild(
      Effect.flatMap(other.reader, (reader) => take(reader, 60_000)),
      { startImmediately: true }
    )
    yield* Effect.repeat(writer.write("abc"), { times: 19_999 })
    expect((yield* Fiber.join(reading)).length).toBe(60_000)
  }).pipe(Effect.scoped)
)

it.live("a writer that is closed half-closes: what was sent arrives, then the end", () =>
  Effect.gen(function* () {
    const { here, other } = yield* pair
    yield* Effect.scoped(Effect.flatMap(here.writer, (writer) => writer.write("last words")))
    const reader = yield* other.reader
    expect((yield* take(reader, 10)).toString()).toBe("last words")
    expect(yield* reasonOf(reader.pull)).toMatchObject({ _tag: "SocketCloseError", code: 1000 })
    // The other direction is open.
    const writer = yield* other.writer
    yield* writer.write("heard")
    expect((yield* take(yield* here.reader, 5)).toString()).toBe("heard")
  }).pipe(Effect.scoped)
)

it.live(
  "an end that is gone is a close for the reader, after every byte, and fails each write",
  () =>
    Effect.gen(function* () {
      const { here, other, there } = yield* pair
      const writer = yield* here.writer
      const full = yield* Effect.forkChild(
        Effect.flip(Effect.forever(writer.write(Buffer.alloc(32_768)))),
        { startImmediately: true }
      )
      yield* Effect.scoped(Effect.flatMap(other.writer, ({ write }) => write("last words")))
      yield* Scope.close(there, Exit.void)
      expect((yield* Fiber.join(full)).reason._tag).toBe("SocketWriteError")
      const reader = yield* here.reader
      expect((yield* take(reader, 10)).toString()).toBe("last words")
      expect(yield* reasonOf(reader.pull)).toMatchObject({ _tag: "SocketCloseError", code: 1000 })
      expect(yield* reasonOf(writer.write("x"))).toMatchObject({ _tag: "SocketWriteError" })
    }).pipe(Effect.scoped)
)

it.live("an interrupted pull loses nothing", () =>
  Effect.gen(function* () {
    const { here, other } = yield* pair
    const reader = yield* other.reader
    const pulling = yield* Effect.forkChild(reader.pull, { startImmediately: true })
    yield* Fiber.interrupt(pulling)
    yield* Effect.flatMap(here.writer, (writer) => writer.write("still there"))
    expect((yield* take(reader, 11)).toString()).toBe("still there")
  }).pipe(Effect.scoped)
)
