/** A socket as a session uses it, whatever kind of socket it is. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as MemorySocket from "furrow/testing/MemorySocket"
import * as Wire from "furrow/Wire"

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)

/** A socket that flows and puts by itself, and has said one thing. */
const direct = Effect.gen(function* () {
  const put: Array<string> = []
  const ended = yield* Deferred.make<never, Socket.SocketError>()
  const pull = Wire.flowing(Effect.as(Effect.yieldNow, [bytes("pulled")] as const), (take, end) => {
    take(bytes("flowed"))
    end("it is over")
  })
  const write = () => Deferred.await(ended)
  const writer = Wire.putting({ write, writeAll: write }, (pieces, told) => {
    put.push(...pieces.map(text))
    told(Exit.void)
  })
  const socket = Socket.make({
    reader: Effect.succeed({ pull, upgrade: Socket.SocketUpgradeError.unsupported }),
    writer: Effect.succeed(writer)
  })
  return { put, socket }
})

/** All that flows until the end, and the end. */
const flowed = (wire: Wire.Wire) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const all: Array<string> = []
    wire.flow(
      (chunk) => void all.push(text(chunk)),
      (why) => resume(Effect.succeed([...all, why]))
    )
  })

const open = (socket: Socket.Socket) =>
  Effect.flatMap(Effect.scope, (scope) => Wire.open(socket, scope))

/** Every chunk in capitals, in both directions. */
const loud = (socket: Socket.Socket): Socket.Socket =>
  Socket.make({
    reader: Effect.map(socket.reader, (reader) => ({
      ...reader,
      pull: Effect.map(reader.pull, ([first]) => [text(first as Uint8Array).toUpperCase()] as const)
    })),
    writer: Effect.map(socket.writer, (writer) => ({
      ...writer,
      write: (chunk) => writer.write(text(chunk as Uint8Array).toUpperCase())
    }))
  })

describe("a wire", () => {
  it.effect("of a socket that can do it by itself needs no fiber", () =>
    Effect.gen(function* () {
      const { put, socket } = yield* direct
      const wire = yield* open(socket)
      expect(yield* flowed(wire)).toEqual(["flowed", "it is over"])
      const exits: Array<Exit.Exit<void, Socket.SocketError>> = []
      wire.put([bytes("one"), bytes("two")], (exit) => exits.push(exit))
      expect([put, exits]).toEqual([["one", "two"], [Exit.void]])
    })
  )

  it.effect("of any other socket takes what comes, and tells the end", () =>
    Effect.gen(function* () {
      const ends = MemorySocket.make()
      const wire = yield* open(ends.dialled)
      const { write } = yield* ends.accepted.writer
      yield* write(bytes("one"))
      yield* write("two")
      ends.close()
      expect(yield* flowed(wire)).toEqual([
        "one",
        "two",
        expect.stringMatching(/the connection was closed/)
      ])
    })
  )

  it.effect("goes by no wrapper of a socket, in either direction", () =>
    Effect.gen(function* () {
      const ends = MemorySocket.make()
      const there = yield* open(ends.accepted)
      const wire = yield* open(loud(ends.dialled))
      wire.put([bytes("said")], () => {})
      expect((yield* there.pull).map(text)).toEqual(["SAID"])
      yield* there.write(bytes("heard"))
      ends.close()
      expect((yield* flowed(wire))[0]).toBe("HEARD")

      const { put, socket } = yield* direct
      const wrapped = yield* open(loud(socket))
      const first = yield* Effect.callback<string>((resume) =>
        wrapped.flow(
          (chunk) => resume(Effect.succeed(text(chunk))),
          () => {}
        )
      )
      wrapped.put([bytes("said")], () => {})
      expect([first, put]).toEqual(["PULLED", []])
    })
  )

  it.effect("tells of bytes that were never taken, when its scope closes at the latest", () =>
    Effect.gen(function* () {
      const { socket } = yield* direct
      const scope = yield* Scope.make()
      const wire = yield* Scope.provide(open(loud(socket)), scope)
      const told = yield* Deferred.make<void, Socket.SocketError>()
      wire.put([bytes("said")], (exit) => Deferred.doneUnsafe(told, exit))
      yield* Scope.close(scope, Exit.void)
      expect(Exit.hasInterrupts(yield* Effect.exit(Deferred.await(told)))).toBe(true)
    })
  )

  it.effect("whose reader dies has ended, and says so", () =>
    Effect.gen(function* () {
      const { socket } = yield* direct
      const wire = yield* open(
        Socket.make({
          ...socket,
          reader: Effect.succeed({
            pull: Effect.die(new Error("no more")),
            upgrade: Socket.SocketUpgradeError.unsupported
          })
        })
      )
      expect(yield* flowed(wire)).toEqual(["the reader failed: Error: no more"])
    })
  )
})
