/**
 * The wire of a spare, as its parent has it: a few words of its own first, and then whatever its actor says.
 *
 * Answers for not one byte of the actor being lost that came in one piece with those words. What they mean is
 * `SpareOrder`'s.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Wire from "furrow/Wire"

/** The wire of a spare. */
export interface SpareWire {
  /** Waits for the next word of the spare, which is one byte. */
  readonly word: Effect.Effect<number, Socket.SocketError>
  /** Says something to the spare. */
  readonly say: (bytes: Uint8Array) => Effect.Effect<void, Socket.SocketError>
  /** The wire of the actor that the spare has become: all that comes after its last word. */
  readonly socket: Socket.Socket
}

/** The wire of a spare, until the scope closes. */
export const make = Effect.fnUntraced(function* (
  wire: Socket.Socket
): Effect.fn.Return<SpareWire, Socket.SocketError, Scope.Scope> {
  const scope = yield* Effect.scope
  const reading = yield* Scope.fork(scope)
  const reader = yield* Scope.provide(wire.reader, reading)
  const writer = yield* wire.writer
  let rest: Uint8Array = new Uint8Array()

  return {
    word: Effect.gen(function* () {
      while (rest.length === 0) rest = Buffer.concat((yield* reader.pull).map(Wire.bytesOf))
      const [word] = rest
      rest = rest.subarray(1)
      return word!
    }),
    say: writer.write,
    socket: Socket.make({
      reader: Effect.acquireRelease(
        Effect.sync(() => {
          if (rest.length === 0) return reader
          let first: Uint8Array | undefined = rest
          const pull = Effect.suspend(() => {
            if (first === undefined) return reader.pull
            const chunk = first
            first = undefined
            return Effect.succeed([chunk] as const)
          })
          const flow = Wire.flowOf(reader.pull)
          if (flow === undefined) return { ...reader, pull }
          return {
            ...reader,
            pull: Wire.flowing(pull, (take, end) => {
              if (first !== undefined) take(first)
              flow(take, end)
            })
          }
        }),
        (_, exit) => Scope.close(reading, exit)
      ),
      writer: wire.writer
    })
  }
})
