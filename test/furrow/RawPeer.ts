/**
 * A session whose other end is the test itself: frames are written by hand, lawful or not, and what the session says is
 * read as it is.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { Codec, Framing, Protocol } from "furrow/protocol"
import * as Session from "furrow/Session"
import * as MemorySocket from "furrow/testing/MemorySocket"
import * as Wire from "furrow/Wire"

/** What {@link connect} gives. */
export interface RawPeer {
  readonly session: Session.Session
  /** Says frames, all in one piece. */
  readonly say: (...frames: ReadonlyArray<Protocol.Frame>) => Effect.Effect<void>
  /** Writes bytes as they are. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** The session's next frame; `undefined` once it has closed the connection. */
  readonly next: Effect.Effect<Protocol.Frame | undefined>
  /** The session's next frame of this kind; what comes before it is passed over. */
  readonly nextOf: <Tag extends Protocol.Frame["_tag"]>(
    tag: Tag
  ) => Effect.Effect<Protocol.FrameOf<Tag>>
}

/** What an end that is played by hand says of itself. */
export const hello: Protocol.FrameOf<"Hello"> = {
  _tag: "Hello",
  versions: Protocol.Versions,
  codecs: ["json"],
  actor: "Raw",
  incarnation: "raw",
  operations: [],
  settings: Protocol.DefaultSettings
}

/** A socket that writes as often as the gate is open. */
export const gated = (socket: Socket.Socket, gate: Latch.Latch | undefined): Socket.Socket =>
  gate === undefined
    ? socket
    : Socket.make({
        reader: socket.reader,
        writer: Effect.map(socket.writer, (writer) => ({
          write: (chunk) => Effect.andThen(gate.await, writer.write(chunk)),
          writeAll: (chunks) => Effect.andThen(gate.await, writer.writeAll(chunks))
        }))
      })

/** A socket that reads into the same place again and again. */
const lent = (socket: Socket.Socket): Socket.Socket =>
  Socket.make({
    writer: socket.writer,
    reader: Effect.map(socket.reader, (reader) => {
      const flow: Wire.Flow = (take) => {
        const reading = Effect.map(reader.pull, (chunks) => {
          for (const chunk of chunks) {
            const place = Uint8Array.from(chunk as Uint8Array)
            take(place)
            place.fill(255)
          }
        })
        Effect.runFork(Effect.forever(reading))
      }
      return {
        ...reader,
        pull: Wire.flowing(
          Effect.map(reader.pull, (chunks) => chunks),
          flow
        )
      }
    })
  })

/** A socket that copies what it takes. */
const copying = (socket: Socket.Socket): Socket.Socket =>
  Socket.make({
    reader: socket.reader,
    writer: Effect.map(socket.writer, (writer) => {
      const put: Wire.Put = (pieces, told) => {
        const copies = Arr.map(pieces, (piece) => piece.slice())
        Effect.runFork(writer.writeAll(copies)).addObserver(told)
      }
      const { write, writeAll } = writer
      return Wire.putting(
        { write: (chunk) => write(chunk), writeAll: (chunks) => writeAll(chunks) },
        put
      )
    })
  })

const settingsOf = (own: Partial<Protocol.Settings> | undefined): Protocol.Settings =>
  Object.assign({}, Protocol.DefaultSettings, own)

/** One end of a connection, played by hand for the length of the scope. `codec` is that of every frame after Hello. */
export const over = (
  own: Socket.Socket,
  codec: Codec.Codec = Codec.json
): Effect.Effect<Omit<RawPeer, "session">, Socket.SocketError, Scope.Scope> =>
  Effect.gen(function* () {
    const writer = yield* own.writer
    const pull = yield* Socket.readerBytes(own)
    const frames: Array<Protocol.Frame> = []
    const deframer = new Framing.Deframer()
    const codecOf = (frame: Protocol.Frame) => (frame._tag === "Hello" ? Codec.json : codec)
    let heard = 0

    const write = (bytes: Uint8Array) => Effect.ignore(writer.write(bytes))
    const say = (...said: ReadonlyArray<Protocol.Frame>) =>
      Effect.suspend(() =>
        write(Framing.join(said.map((frame) => Codec.encodeFrame(codecOf(frame), frame))))
      )
    const next: Effect.Effect<Protocol.Frame | undefined> = Effect.suspend(() =>
      frames.length > 0
        ? Effect.succeed(frames.shift())
        : Effect.matchEffect(pull, {
            onSuccess: (chunks) => {
              for (const chunk of chunks) {
                for (const body of deframer.push(chunk)) {
                  frames.push((heard++ === 0 ? Codec.json : codec).decodeFrame(body))
                }
              }
              return next
            },
            onFailure: () => Effect.undefined
          })
    )
    const nextOf = <Tag extends Protocol.Frame["_tag"]>(
      tag: Tag
    ): Effect.Effect<Protocol.FrameOf<Tag>> =>
      Effect.flatMap(next, (frame) =>
        frame === undefined
          ? Effect.die(new Error(`the connection ended without ${tag}`))
          : frame._tag === tag
            ? Effect.succeed(frame as Protocol.FrameOf<Tag>)
            : nextOf(tag)
      )
    return { say, write, next, nextOf }
  })

/** Opens a connection with a session at one end, for the length of the scope. The session has the role given. */
export const connect = (
  role: "dialled" | "accepted",
  options?: {
    readonly settings?: Partial<Protocol.Settings>
    readonly peerSettings?: Partial<Protocol.Settings>
    /** What the session writes is taken one write at a time, as often as this is open. */
    readonly gate?: Latch.Latch
    /** What the end that is played says it serves. Defaults to nothing. */
    readonly operations?: ReadonlyArray<Protocol.OperationInfo>
    /** Of every frame after Hello. Defaults to JSON. */
    readonly codec?: Codec.Codec
    /** What the session reads is its own for no longer than it takes it in. */
    readonly isLent?: boolean
    /** What the session writes is copied as it is taken. */
    readonly isCopied?: boolean
  }
): Effect.Effect<RawPeer, Session.HandshakeFailed | Socket.SocketError, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = MemorySocket.make()
    const own = connection[role === "dialled" ? "accepted" : "dialled"]
    const codec = options?.codec ?? Codec.json
    const { next, nextOf, say, write } = yield* over(own, codec)
    yield* say({
      ...hello,
      codecs: [codec.name],
      operations: options?.operations ?? [],
      settings: settingsOf(options?.peerSettings)
    })
    const session = yield* Session.make({
      socket: gated(
        options?.isLent === true
          ? lent(connection[role])
          : options?.isCopied === true
            ? copying(connection[role])
            : connection[role],
        options?.gate
      ),
      role,
      hello: {
        ...hello,
        codecs: [codec.name],
        actor: "Real",
        incarnation: "real",
        settings: settingsOf(options?.settings)
      }
    })
    yield* nextOf("Hello")
    return { session, say, write, next, nextOf }
  })
