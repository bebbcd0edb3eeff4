/**
 * How frames, and the payloads in them, become bytes and back: the JSON codec, to be read along, and the binary codec.
 *
 * Answers for bytes that do not fit being a `Violation` (frames) or a `SchemaError` (payloads) and never anything else,
 * however they are broken. Where frames begin and end is `Framing`, which codec is used is `Handshake`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SchemaBinary from "effect/encoding/SchemaBinary"
import * as Exit from "effect/Exit"
import * as Formatter from "effect/Formatter"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { Batch, copyOf } from "./Framing.ts"
import * as Layout from "./Layout.ts"
import { nestsFreely, overflow, textNestsBeyond, valueNestsBeyond } from "./Nesting.ts"
import { Frame, Violation } from "./Protocol.ts"

/** One way to write what the protocol says. */
export interface Codec {
  /** The name under which `Hello` offers it; whoever knows the name can read the bytes. */
  readonly name: string
  /** Writes the body of a frame. Throws a `SchemaError` for a frame that is not one: a bug of this end. */
  writeFrame(frame: Frame, out: Batch): void
  /** The frame in a body. Throws a `Violation` (`MalformedFrame`). */
  decodeFrame(body: Uint8Array): Frame
  /** The codec of one lane's values. It is compiled once for each schema. */
  payload<S extends Schema.Constraint>(schema: S): PayloadCodec<S>
}

/** Values of one schema as the bytes of a payload. Neither direction throws or dies: what does not fit is an error. */
export interface PayloadCodec<S extends Schema.Constraint> {
  encode(value: S["Type"]): Effect.Effect<Uint8Array, Schema.SchemaError, S["EncodingServices"]>
  /** `depth`: how many objects and arrays may stand in each other. Defaults to as many as the stack allows. */
  decode(
    bytes: Uint8Array,
    depth?: number
  ): Effect.Effect<S["Type"], Schema.SchemaError, S["DecodingServices"]>
}

const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? (overflow(thrown) ?? thrown.message) : Formatter.format(thrown)

/** What is thrown for a value that nests deeper than its reader allows. */
const tooDeep = (depth: number): Error =>
  new Error(`it is nested deeper than ${depth} levels, the most that this end takes`)

const refuse = (thrown: unknown): Effect.Effect<never, Schema.SchemaError> =>
  Effect.fail(new Schema.SchemaError(new SchemaIssue.InvalidValue({ message: messageOf(thrown) })))

/** Bytes and values from elsewhere can make anything throw: broken text, a stack that overflows, a user's own code. */
const contained = <A, R>(
  run: () => Effect.Effect<A, Schema.SchemaError, R>
): Effect.Effect<A, Schema.SchemaError, R> => {
  try {
    const effect = run()
    return Exit.isExit(effect) && Exit.isSuccess(effect)
      ? effect
      : Effect.catchDefect(effect, refuse)
  } catch (thrown) {
    return refuse(thrown)
  }
}

/** Compiles each schema once. One that a codec cannot say (a symbol for a key) refuses every value. */
const compiled = (
  compile: <S extends Schema.Constraint>(schema: S) => PayloadCodec<S>
): Codec["payload"] => {
  const cache = new WeakMap<Schema.Constraint, PayloadCodec<any>>()
  return <S extends Schema.Constraint>(schema: S) => {
    let codec: PayloadCodec<S> | undefined = cache.get(schema)
    if (codec !== undefined) return codec
    try {
      codec = compile(schema)
    } catch (thrown) {
      codec = { encode: () => refuse(thrown), decode: () => refuse(thrown) }
    }
    cache.set(schema, codec)
    return codec
  }
}

/** The longest account of a malformed frame; it quotes what a stranger sent. */
const MaxDetail = 300

/** An account of what does not fit quotes the value; `Redacted` ones stay hidden. */
const tellValue = { reportInput: true } as const

const decodeOrViolate = (codec: string, decode: () => Frame): Frame => {
  try {
    return decode()
  } catch (thrown) {
    throw new Violation({
      rule: "MalformedFrame",
      detail: `not a frame in ${codec}: ${messageOf(thrown).slice(0, MaxDetail)}`
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------------

const Newline = 10
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const validFrame = Schema.decodeUnknownSync(Frame)
const nothing = new Uint8Array(0)

/** A line of JSON for the frame, and a line for its payload if that has any bytes. */
export const json: Codec = {
  name: "json",
  writeFrame: (frame, out) => {
    const { payload = nothing, ...header } = validFrame(frame) as Frame & {
      readonly payload?: Uint8Array
    }
    out.bytes(encoder.encode(`${JSON.stringify(header)}\n`))
    if (payload.length === 0) return
    out.bytes(payload)
    out.byte(Newline)
  },
  decodeFrame: (body) =>
    decodeOrViolate("json", () => {
      const end = body.indexOf(Newline)
      if (body[body.length - 1] !== Newline) throw new Error("it does not end with a newline")
      const header = JSON.parse(decoder.decode(body.subarray(0, end)))
      const payload = end + 1 === body.length ? nothing : body.subarray(end + 1, body.length - 1)
      const frame = validFrame({ ...header, payload })
      if ("payload" in frame || payload.length === 0) return frame
      throw new Error(`${frame._tag} carries no payload`)
    }),
  payload: compiled((schema) => {
    const text = Schema.toCodecJson(schema)
    const encode = Schema.encodeUnknownEffect(text, tellValue)
    const decode = Schema.decodeUnknownEffect(text, tellValue)
    return {
      encode: (value) =>
        contained(() => {
          const said = encode(value)
          const bytes = (json: unknown) => encoder.encode(JSON.stringify(json))
          return Exit.isExit(said) && Exit.isSuccess(said)
            ? Exit.succeed(bytes(said.value))
            : Effect.map(said, bytes)
        }),
      decode: (bytes, depth = Infinity) =>
        contained(() => {
          if (textNestsBeyond(bytes, depth)) throw tooDeep(depth)
          return decode(JSON.parse(decoder.decode(bytes)))
        })
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Binary
// ---------------------------------------------------------------------------------------------------------------------

const binaryFrame = SchemaBinary.toCodec(Frame)
const encodeBinary = Schema.encodeSync(binaryFrame)
const decodeBinary = Schema.decodeUnknownSync(binaryFrame)

/**
 * Effect's SchemaBinary, for payloads and for the frames that have no `Layout` of their own. What it writes belongs to a
 * minor version of Effect, which is therefore part of the name. A payload whose schema it cannot say is written as JSON.
 */
export const binary: Codec = {
  name: "binary/effect-4.1",
  writeFrame: (frame, out) => {
    if (Layout.write(frame, out)) return
    const encoded = encodeBinary(frame)
    out.byte(Layout.Elsewhere)
    out.bytes(encoded)
  },
  decodeFrame: (body) =>
    decodeOrViolate("binary", () =>
      body[0] === Layout.Elsewhere ? decodeBinary(body.subarray(1)) : Layout.read(body)
    ),
  payload: compiled((schema) => {
    if (schema.ast === Schema.Uint8Array.ast) return plainBytes
    return isExact(schema) ? direct(schema) : whole(schema)
  })
}

/** By SchemaBinary, and the schema; in JSON, if SchemaBinary cannot say it. */
const whole = <S extends Schema.Constraint>(schema: S): PayloadCodec<S> => {
  const bytes = layout(schema)
  if (bytes === undefined) return json.payload(schema)
  const encode = Schema.encodeUnknownEffect(bytes, tellValue)
  const decode = Schema.decodeUnknownEffect(bytes, tellValue)
  const encoded = SchemaAST.toEncoded(schema.ast)
  const nests = nestsFreely(encoded)
  // What a schema makes of a value may contain itself; what was written does not, and is looked at first.
  const isPlain = encoded === SchemaAST.toType(schema.ast)
  const decodePlain = isPlain
    ? decode
    : Schema.decodeUnknownEffect(SchemaBinary.toCodec(Schema.toEncoded(schema)), tellValue)
  const decodeType = isPlain ? Effect.succeed : Schema.decodeUnknownEffect(schema, tellValue)
  return {
    encode: (value) => contained(() => encode(value)),
    decode: (bytes, depth = Infinity) =>
      contained(() =>
        // A level takes a byte.
        nests && bytes.length > depth
          ? Effect.flatMap(decodePlain(bytes), (plain) => {
              if (valueNestsBeyond(plain, depth)) throw tooDeep(depth)
              return decodeType(plain)
            })
          : decode(bytes)
      )
  }
}

/**
 * Whether what SchemaBinary checks as it writes and reads is all that the schema asks for: only then it shares a
 * dictionary. One that nests freely is left out, because nobody would count its levels.
 */
const isExact = (schema: Schema.Constraint): boolean => {
  if (nestsFreely(SchemaAST.toEncoded(schema.ast))) return false
  try {
    SchemaBinary.encoder(schema, { dictionary: true })
    return true
  } catch {
    return false
  }
}

/** The longest value that is read by a reader that is kept: it holds on to what it has read last. */
const MaxKept = 16_384

/**
 * Writes and reads without the passes around it, which cost as much again for a short value. What does not fit is done
 * again by the whole codec, which says why.
 */
const direct = <S extends Schema.Constraint>(schema: S): PayloadCodec<S> => {
  const writer = SchemaBinary.encoder(schema)
  let made: PayloadCodec<S> | undefined
  const again = () => (made ??= whole(schema))
  let reader: SchemaBinary.Parser<S["Type"]> | undefined
  return {
    encode: (value) => {
      try {
        return Exit.succeed(writer.encode(value))
      } catch {
        return again().encode(value)
      }
    },
    decode: (bytes, depth) => {
      if (bytes.length > MaxKept || !isOneFrame(bytes)) return again().decode(bytes, depth)
      // Whoever reads meanwhile, because of this, takes another one.
      const own = reader ?? SchemaBinary.parser(schema)
      reader = undefined
      try {
        const [value] = own.feedSync(bytes)
        reader = own
        return Exit.succeed(value)
      } catch {
        return again().decode(bytes, depth)
      }
    }
  }
}

/** Whether the bytes are one value behind its length, and nothing besides: a reader would wait for the rest of another. */
const isOneFrame = (bytes: Uint8Array): boolean => {
  let length = 0
  for (let at = 0, scale = 1; at < 3 && at < bytes.length; at++, scale *= 128) {
    const byte = bytes[at]!
    length += (byte & 0x7f) * scale
    if (byte < 0x80) return length === bytes.length - at - 1 && length > 0
  }
  return false
}

const encodePlain = Schema.encodeUnknownEffect(Schema.Uint8Array, tellValue)

/** Bytes are their own payload: copied once by whoever says them, who may write into them again. */
const plainBytes: PayloadCodec<any> = {
  encode: (value: unknown) =>
    value instanceof Uint8Array ? Exit.succeed(copyOf(value)) : contained(() => encodePlain(value)),
  decode: (bytes) => Exit.succeed(bytes.buffer.byteLength === bytes.length ? bytes : bytes.slice())
}

const layout = <S extends Schema.Constraint>(schema: S): SchemaBinary.toCodec<S> | undefined => {
  try {
    return SchemaBinary.toCodec(schema)
  } catch {
    return undefined
  }
}

/** The body of a frame by itself. */
export const encodeFrame = (codec: Codec, frame: Frame): Uint8Array => {
  const out = new Batch()
  codec.writeFrame(frame, out)
  return out.take()
}

/** Frames as they stand on the wire, each behind its length. */
export const framed = (codec: Codec, ...frames: ReadonlyArray<Frame>): Uint8Array => {
  const out = new Batch()
  for (const frame of frames) {
    out.begin()
    codec.writeFrame(frame, out)
    out.end()
  }
  return out.take()
}

const bounds = new WeakMap<Codec, Map<number, Codec>>()

/** The same codec, whose payloads may nest to this depth when they are decoded. One for each codec and depth. */
export const bounded = (codec: Codec, depth: number): Codec => {
  let byDepth = bounds.get(codec)
  if (byDepth === undefined) bounds.set(codec, (byDepth = new Map()))
  let made = byDepth.get(depth)
  if (made === undefined) {
    made = {
      ...codec,
      payload: compiled((schema) => {
        const unbounded = codec.payload(schema)
        return {
          encode: (value) => unbounded.encode(value),
          decode: (bytes) => unbounded.decode(bytes, depth)
        }
      })
    }
    byDepth.set(depth, made)
  }
  return made
}

/** The codecs that an end offers, best first. Defaults to `binary`, then `json`; `[json]` makes a wire to read along. */
export const Codecs = Context.Reference<ReadonlyArray<Codec>>("furrow/Codecs", {
  defaultValue: () => [binary, json]
})
