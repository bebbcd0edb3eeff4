/** Frames and payloads to bytes and back, in every codec, and what becomes of bytes that are broken. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SchemaBinary from "effect/encoding/SchemaBinary"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as fc from "fast-check"
import { Codec, Protocol } from "furrow/protocol"
import { frame } from "./arbitraries.ts"

const codecs = [Codec.json, Codec.binary]

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What came of a body: its frame, or the rule it broke; anything else is thrown on. */
const outcome = (codec: Codec.Codec, body: Uint8Array): Protocol.Frame | Protocol.Violation => {
  try {
    return codec.decodeFrame(body)
  } catch (thrown) {
    if (thrown instanceof Protocol.Violation) return thrown
    throw thrown
  }
}

const isFrame = Schema.is(Protocol.Frame)

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  key: Schema.String,
  at: Schema.Date,
  hint: Schema.optional(Schema.String)
}) {}

class Point extends Schema.Class<Point>("Point")({ x: Schema.Finite, y: Schema.Finite }) {
  get length(): number {
    return Math.hypot(this.x, this.y)
  }
}

const UserId = Schema.String.check(Schema.isMinLength(3)).pipe(Schema.brand("UserId"))

interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  value: Schema.Finite,
  children: Schema.Array(Schema.suspend(() => Tree))
})

/** A schema with a value of it. */
const sample = <S extends Schema.ConstraintCodec<unknown, unknown>>(
  schema: S,
  value: S["Type"]
) => ({ schema, value })

const samples = {
  void: sample(Schema.Void, undefined),
  undefined: sample(Schema.Undefined, undefined),
  null: sample(Schema.Null, null),
  "a number that is none": sample(Schema.Number, Number.NaN),
  "an infinite number": sample(Schema.Number, -Infinity),
  bigint: sample(Schema.BigInt, 123_456_789_012_345_678_901_234_567_890n),
  date: sample(Schema.Date, new Date(12_345)),
  bytes: sample(Schema.Uint8Array, Uint8Array.of(0, 10, 255)),
  "text of any script": sample(Schema.String, 'line\nnext "q" \u0000 工 \u{1f642}'),
  option: sample(Schema.Option(Schema.Int), Option.some(3)),
  map: sample(Schema.ReadonlyMap(Schema.String, Schema.Int), new Map([["a", 1]])),
  "a transformation": sample(Schema.NumberFromString, 5),
  "a brand": sample(UserId, UserId.make("abc")),
  "an absent optional": sample(Schema.Struct({ a: Schema.optionalKey(Schema.Int) }), {}),
  "a present optional": sample(Schema.Struct({ a: Schema.optional(Schema.Int) }), { a: 1 }),
  "members told apart by their fields": sample(
    Schema.Union([Schema.Struct({ a: Schema.Int }), Schema.Struct({ b: Schema.Int })]),
    { b: 1 }
  ),
  unknown: sample(Schema.Unknown, { a: [1, "x", null, true] }),
  "a recursive schema": sample(Tree, { value: 1, children: [{ value: 2, children: [] }] })
}

for (const codec of codecs) {
  describe(`Codec ${codec.name}`, () => {
    it("every frame comes back as it was", () => {
      fc.assert(
        fc.property(frame, (frame) => {
          expect(codec.decodeFrame(Codec.encodeFrame(codec, frame))).toEqual(frame)
        }),
        { numRuns: 500 }
      )
    })

    it("a mutated or truncated body is a frame or a violation, and nothing else is thrown", () => {
      fc.assert(
        fc.property(
          frame,
          fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
          fc.nat(),
          (frame, changes, end) => {
            const body = Codec.encodeFrame(codec, frame).slice()
            for (const [at, byte] of changes) body[at % body.length] = byte
            for (const bytes of [body, body.subarray(0, end % body.length)]) {
              const out = outcome(codec, bytes)
              if (out._tag === "Violation") expect(out.rule).toBe("MalformedFrame")
              else expect(isFrame(out)).toBe(true)
            }
          }
        ),
        { numRuns: 1000 }
      )
    })

    it("random bytes are a violation", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
          const out = outcome(codec, body)
          expect(out._tag === "Violation" ? out.rule : isFrame(out)).not.toBe(false)
        }),
        { numRuns: 1000 }
      )
      expect(outcome(codec, new Uint8Array(0))).toMatchObject({ rule: "MalformedFrame" })
    })

    it("the account of a malformed frame stays short", () => {
      const out = outcome(codec, bytes(`{"_tag":"${"x".repeat(100_000)}"}\n`))
      expect(out._tag === "Violation" && out.message.length).toBeLessThan(600)
    })

    it("a frame that is none is refused where it is written", () => {
      const credit: Protocol.Frame = { _tag: "Credit", id: 1, items: -1, bytes: 0 }
      expect(() => Codec.encodeFrame(codec, credit)).toThrow()
    })

    for (const [what, { schema, value }] of Object.entries(samples)) {
      it.effect(`a payload survives: ${what}`, () =>
        Effect.gen(function* () {
          const payload = codec.payload<Schema.ConstraintCodec<unknown, unknown>>(schema)
          expect(yield* payload.decode(yield* payload.encode(value))).toStrictEqual(value)
        })
      )
    }

    it.effect("instances of classes and tagged errors come back as instances", () =>
      Effect.gen(function* () {
        const points = codec.payload(Point)
        const point = yield* points.decode(yield* points.encode(new Point({ x: 3, y: 4 })))
        expect(point).toBeInstanceOf(Point)
        expect(point.length).toBe(5)

        const errors = codec.payload(NotFound)
        const error = yield* errors.decode(
          yield* errors.encode(new NotFound({ key: "a", at: new Date(7) }))
        )
        expect(error).toBeInstanceOf(NotFound)
        expect(error).toBeInstanceOf(Error)
        expect(error).toMatchObject({ _tag: "NotFound", key: "a", at: new Date(7) })
      })
    )

    it.effect("filters and brands hold on both sides of the border", () =>
      Effect.gen(function* () {
        const loose = codec.payload(Schema.String)
        const strict = codec.payload(UserId)
        const arrived = yield* Effect.flip(strict.decode(yield* loose.encode("ab")))
        expect(arrived._tag).toBe("SchemaError")
        const unbranded = codec.payload<Schema.Constraint>(UserId)
        const leaving = yield* Effect.flip(
          Effect.scoped(unbranded.encode("ab") as Effect.Effect<Uint8Array, Schema.SchemaError>)
        )
        expect(leaving._tag).toBe("SchemaError")
      })
    )

    it.effect("a value that does not fit is an error with its path, never a throw", () =>
      Effect.gen(function* () {
        const payload = codec.payload(Schema.Struct({ user: Schema.Struct({ age: Schema.Int }) }))
        const error = yield* Effect.flip(payload.encode({ user: { age: 1.5 } }))
        expect(error._tag).toBe("SchemaError")
        expect(error.message).toContain('["user"]["age"]')
      })
    )

    it.effect("what JSON cannot say in an unknown is an error", () =>
      Effect.gen(function* () {
        const payload = codec.payload(Schema.Unknown)
        for (const value of [() => 1, Symbol("s"), 1n, undefined]) {
          expect((yield* Effect.flip(payload.encode(value)))._tag).toBe("SchemaError")
        }
        const cyclic: { self?: unknown } = {}
        cyclic.self = cyclic
        expect((yield* Effect.flip(payload.encode(cyclic)))._tag).toBe("SchemaError")
      })
    )

    it.effect("a schema the codec cannot say refuses every value", () =>
      Effect.gen(function* () {
        const key = Symbol.for("furrow/test/key")
        const payload = codec.payload(Schema.Struct({ [key]: Schema.Int }))
        expect((yield* Effect.flip(payload.encode({ [key]: 1 })))._tag).toBe("SchemaError")
        expect((yield* Effect.flip(payload.decode(bytes("{}"))))._tag).toBe("SchemaError")
      })
    )

    it.effect("code of the schema's own that throws is an error", () =>
      Effect.gen(function* () {
        const fail = () => {
          throw new Error("from the schema")
        }
        const schema = Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.transform(fail),
            encode: SchemaGetter.transform(fail)
          })
        )
        const payload = codec.payload(schema)
        expect((yield* Effect.flip(payload.encode("a"))).message).toContain("from the schema")
        const plain = yield* codec.payload(Schema.String).encode("a")
        expect((yield* Effect.flip(payload.decode(plain))).message).toContain("from the schema")
      })
    )

    it.effect("a value nested too deep is an error on both sides", () =>
      Effect.gen(function* () {
        let tree: Tree = { value: 0, children: [] }
        for (let depth = 0; depth < 50_000; depth++) tree = { value: depth, children: [tree] }
        expect((yield* Effect.flip(codec.payload(Tree).encode(tree)))._tag).toBe("SchemaError")

        const deep = bytes(`{"value":1,"children":[`.repeat(100_000))
        expect((yield* Effect.flip(codec.payload(Tree).decode(deep)))._tag).toBe("SchemaError")
        const nested = bytes("[".repeat(200_000) + "]".repeat(200_000))
        const exit = yield* Effect.exit(codec.payload(Schema.Unknown).decode(nested))
        expect(Exit.isSuccess(exit) || !Cause.hasDies(exit.cause)).toBe(true)
      })
    )

    it.effect("broken bytes of a payload are an error", () =>
      Effect.gen(function* () {
        const payload = codec.payload(samples["a recursive schema"].schema)
        const whole = yield* payload.encode(samples["a recursive schema"].value)
        for (let end = 0; end < whole.length; end++) {
          const error = yield* Effect.flip(payload.decode(whole.slice(0, end)))
          expect(error._tag).toBe("SchemaError")
        }
        const invalid = Uint8Array.of(0x22, 0xff, 0xfe, 0x22)
        expect((yield* Effect.flip(codec.payload(Schema.String).decode(invalid)))._tag).toBe(
          "SchemaError"
        )
      })
    )

    it.effect("a schema may need services, and keeps needing them", () =>
      Effect.gen(function* () {
        class Offset extends Context.Service<Offset, number>()("furrow/test/Offset") {}
        const shift = (sign: 1 | -1) => (n: number) =>
          Effect.map(Offset, (offset) => n + sign * offset)
        const schema = Schema.Finite.pipe(
          Schema.decodeTo(Schema.Finite, {
            decode: SchemaGetter.transformEffect(shift(-1)),
            encode: SchemaGetter.transformEffect(shift(1))
          })
        )
        const payload = codec.payload(schema)
        const written = yield* payload.encode(1).pipe(Effect.provideService(Offset, 10))
        expect(yield* codec.payload(Schema.Finite).decode(written)).toBe(11)
        expect(yield* payload.decode(written).pipe(Effect.provideService(Offset, 10))).toBe(1)
      })
    )

    it("a payload codec is made once for each schema", () => {
      expect(codec.payload(Tree)).toBe(codec.payload(Tree))
    })

    it.effect("an added optional field and a removed field are read by the other version", () =>
      Effect.gen(function* () {
        const old = codec.payload(Schema.Struct({ a: Schema.Int }))
        const next = codec.payload(
          Schema.Struct({ a: Schema.Int, b: Schema.optionalKey(Schema.String) })
        )
        expect(yield* next.decode(yield* old.encode({ a: 1 }))).toEqual({ a: 1 })
        expect(yield* old.decode(yield* next.encode({ a: 1, b: "x" }))).toEqual({ a: 1 })
      })
    )
  })
}

describe("The JSON codec, to be read along", () => {
  const text = (frame: Protocol.Frame): string =>
    new TextDecoder().decode(Codec.encodeFrame(Codec.json, frame))

  it("a frame is a line, its payload the next", () => {
    expect(text({ _tag: "Ping" })).toBe('{"_tag":"Ping"}\n')
    expect(text({ _tag: "Item", id: 3, payload: bytes('{"by":2}') })).toBe(
      '{"_tag":"Item","id":3}\n{"by":2}\n'
    )
    expect(text({ _tag: "Bye", why: "ended", detail: "", payload: bytes("") })).toBe(
      '{"_tag":"Bye","why":"ended","detail":""}\n'
    )
  })

  it("a part may be cut anywhere, in a character or before a newline", () => {
    for (const payload of [bytes("é").subarray(0, 1), bytes("\n"), bytes("a\n\n"), bytes("\na")]) {
      const frame: Protocol.Frame = { _tag: "More", id: 1, lane: "item", payload }
      expect(Codec.json.decodeFrame(Codec.encodeFrame(Codec.json, frame))).toEqual(frame)
    }
  })

  it("broken text, no newline, a payload where none belongs or in the header: a violation each", () => {
    for (const body of [
      '{"_tag":"Ping"}',
      '{"_tag":"Ping"}\n{}\n',
      '{"_tag":"Item","id":1}\n1',
      '{"_tag":"Item","id":"1"}\n',
      '{"_tag":"Item","id":-1}\n',
      '{"_tag":"Nonsense"}\n',
      "null\n",
      "[]\n",
      `${"[".repeat(100_000)}\n`
    ]) {
      expect(outcome(Codec.json, bytes(body))).toMatchObject({ rule: "MalformedFrame" })
    }
    expect(outcome(Codec.json, Uint8Array.of(0x22, 0xff, 0x22, 10))).toMatchObject({
      rule: "MalformedFrame"
    })
  })

  it("a value that travels may be nested deep", () => {
    const nested = "[".repeat(100_000) + "]".repeat(100_000)
    const body = `{"_tag":"Open","id":1,"operation":"x","window":{"items":0,"bytes":0},"travelling":{"a":${nested}}}\n`
    expect(outcome(Codec.json, bytes(body))._tag).toBe("Open")
  })
})

describe("Codecs", () => {
  it.effect("an end offers binary, then JSON, unless told otherwise", () =>
    Effect.gen(function* () {
      expect((yield* Codec.Codecs).map((codec) => codec.name)).toEqual([
        "binary/effect-4.1",
        "json"
      ])
      const told = yield* Effect.provideService(Codec.Codecs, Codec.Codecs, [Codec.json])
      expect(told).toEqual([Codec.json])
    })
  )

  it("the binary codec names the minor version of Effect that is installed", async () => {
    const { default: manifest } = await import("effect/package.json", { with: { type: "json" } })
    expect(Codec.binary.name).toBe(
      `binary/effect-${manifest.version.split(".").slice(0, 2).join(".")}`
    )
  })
})

describe("the layout of what is said most", () => {
  const payload = Uint8Array.of(1, 2)
  const window = { items: 64, bytes: 262_144 }
  const frames: ReadonlyArray<readonly [Protocol.Frame, ReadonlyArray<number>]> = [
    [
      { _tag: "Open", id: 1, operation: "Get", window: { items: 0, bytes: 0 }, payload },
      [1, 1, 0, 0, 0, 3, 71, 101, 116, 1, 2]
    ],
    [
      { _tag: "Open", id: 1, operation: "é", window, timeLeft: 1.5, json: true, payload },
      [1, 1, 64, 128, 128, 16, 3, 63, 248, 0, 0, 0, 0, 0, 0, 2, 195, 169, 1, 2]
    ],
    [{ _tag: "Started", id: 300, window, payload }, [2, 172, 2, 64, 128, 128, 16, 1, 2]],
    [{ _tag: "Item", id: 300, payload }, [3, 172, 2, 1, 2]],
    [{ _tag: "More", id: 127, lane: "exit", payload }, [4, 127, 3, 0, 1, 2]],
    [{ _tag: "More", id: 126, lane: "item", whole: 300, payload }, [4, 126, 2, 172, 2, 1, 2]],
    [{ _tag: "End", id: 128 }, [5, 128, 1]],
    [{ _tag: "Credit", id: 0, items: 32, bytes: 1000 }, [6, 0, 32, 232, 7]],
    [
      { _tag: "Exit", id: 2, exit: "success", cancelSeen: false, hops: [], payload },
      [7, 2, 0, 1, 2]
    ],
    [
      {
        _tag: "Exit",
        id: 2,
        exit: "cancelled",
        cancelSeen: true,
        hops: [],
        payload: new Uint8Array()
      },
      [7, 2, 13]
    ],
    [{ _tag: "End", id: Number.MAX_SAFE_INTEGER }, [5, 255, 255, 255, 255, 255, 255, 255, 15]]
  ]

  for (const [frame, body] of frames) {
    it(`${frame._tag} ${"id" in frame ? frame.id : ""}: ${body.join(" ")}`, () => {
      expect([...Codec.encodeFrame(Codec.binary, frame)]).toEqual(body)
      expect(Codec.binary.decodeFrame(Uint8Array.from(body))).toEqual(frame)
    })
  }

  it.effect(
    "a value is written, read and refused as SchemaBinary does it, whatever becomes of its bytes",
    () =>
      Effect.gen(function* () {
        const tellValue = { reportInput: true }
        const schemas: ReadonlyArray<Schema.ConstraintCodec<unknown, unknown>> = [
          Schema.Void,
          Schema.Number,
          Schema.String,
          Schema.Date,
          Schema.NumberFromString,
          UserId,
          Schema.Option(Schema.Int),
          Schema.ReadonlyMap(Schema.String, Schema.Int),
          Schema.Record(Schema.String, Schema.Int),
          Schema.Struct({ a: Schema.optionalKey(Schema.Int) }),
          Schema.Struct({ n: Schema.Number, s: Schema.String, b: Schema.Uint8Array }),
          Point
        ]
        const said = (exit: Exit.Exit<unknown, Schema.SchemaError>) =>
          Exit.isSuccess(exit) ? exit.value : String(Cause.squash(exit.cause))
        const mutation = fc.record({
          at: fc.nat(),
          byte: fc.nat(255),
          cut: fc.nat(3),
          more: fc.uint8Array({ maxLength: 3 })
        })
        for (const schema of schemas) {
          const codec = Codec.binary.payload(schema)
          const whole = SchemaBinary.toCodec(schema)
          const encode = Schema.encodeUnknownEffect(whole, tellValue)
          const decode = Schema.decodeUnknownEffect(whole, tellValue)
          const values = [
            ...Object.values(samples).map(({ value }) => value),
            { n: 1, s: "a", b: Uint8Array.of(1, 2, 3) },
            { n: 1, s: "a", b: Uint8Array.of(1), more: true },
            { n: "1", s: "a", b: Uint8Array.of(1) },
            new Point({ x: 1, y: 2 })
          ]
          for (const value of values) {
            const written = yield* Effect.exit(codec.encode(value))
            expect(said(written)).toEqual(said(yield* Effect.exit(encode(value))))
            if (Exit.isFailure(written)) continue
            for (const { at, byte, cut, more } of fc.sample(mutation, { numRuns: 40, seed: 7 })) {
              const broken = Uint8Array.from([
                ...written.value.subarray(0, written.value.length - cut),
                ...more
              ])
              if (broken.length > 0) broken[at % broken.length] = byte
              expect(said(yield* Effect.exit(codec.decode(broken)))).toEqual(
                said(yield* Effect.exit(decode(broken)))
              )
            }
          }
        }
      })
  )

  it.effect(
    "two values behind each other are no value, and neither is one with the beginning of another",
    () =>
      Effect.gen(function* () {
        const codec = Codec.binary.payload(Schema.Struct({ n: Schema.Number }))
        const one = yield* codec.encode({ n: 1 })
        for (const bytes of [
          Uint8Array.of(...one, ...one),
          Uint8Array.of(...one, one[0]!),
          one.slice(0, -1),
          Uint8Array.of()
        ]) {
          expect((yield* Effect.flip(codec.decode(bytes)))._tag).toBe("SchemaError")
          // What was wrong before has left nothing behind.
          expect(yield* codec.decode(one)).toEqual({ n: 1 })
        }
      })
  )

  it.effect(
    "a value that was read keeps its bytes when those that it came in are written over",
    () =>
      Effect.gen(function* () {
        const codec = Codec.binary.payload(
          Schema.Struct({ s: Schema.String, b: Schema.Uint8Array })
        )
        const said = (yield* codec.encode({ s: "abc", b: Uint8Array.of(1, 2, 3) })).slice()
        const heard = yield* codec.decode(said)
        said.fill(0)
        expect(heard).toEqual({ s: "abc", b: Uint8Array.of(1, 2, 3) })
      })
  )

  it.effect("bytes are their own payload, copied where somebody else may write into them", () =>
    Effect.gen(function* () {
      const codec = Codec.binary.payload(Schema.Uint8Array)
      const value = Uint8Array.of(1, 2, 3)
      const said = yield* codec.encode(value)
      value[0] = 9
      expect(said).toEqual(Uint8Array.of(1, 2, 3))
      const chunk = Uint8Array.of(0, 1, 2, 3, 4)
      const heard = yield* codec.decode(chunk.subarray(1, 4))
      chunk[1] = 9
      expect(heard).toEqual(Uint8Array.of(1, 2, 3))
      expect(yield* codec.decode(said)).toBe(said)
      const node = yield* codec.encode(Buffer.from("ab"))
      expect(yield* codec.decode(node)).toEqual(Uint8Array.of(97, 98))
      expect(Exit.isFailure(yield* Effect.exit(codec.encode("text" as never)))).toBe(true)
      // A schema that asks for more is no longer nothing but bytes.
      const few = Schema.Uint8Array.check(Schema.makeFilter((bytes) => bytes.length < 3))
      expect(Exit.isFailure(yield* Effect.exit(Codec.binary.payload(few).encode(said)))).toBe(true)
    })
  )

  it("any other frame, or one with anything rare in it, is left to its schema, behind a zero", () => {
    const actor = { path: "root", incarnation: "x" }
    const rare: ReadonlyArray<Protocol.Frame> = [
      { _tag: "Ready" },
      { _tag: "Exit", id: 2, exit: "success", cancelSeen: true, hops: [{ actor }], payload },
      { _tag: "Open", id: 1, operation: "Get", window, headers: [["a", "b"]], payload },
      { _tag: "Open", id: 1, operation: "Get", window, travelling: { a: 1 }, payload }
    ]
    for (const frame of rare) {
      const body = Codec.encodeFrame(Codec.binary, frame)
      expect(body[0]).toBe(0)
      expect(Codec.binary.decodeFrame(body)).toEqual(frame)
    }
  })

  it.each([
    ["a kind that is none", [9, 1]],
    ["a number that does not end", [5, 255]],
    ["a number without end", [5, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]],
    ["a number that is too large", [5, 255, 255, 255, 255, 255, 255, 255, 31]],
    ["bytes after the end", [5, 1, 1]],
    ["a name that does not end", [1, 1, 0, 0, 0, 3, 71]],
    ["a name that is no text", [1, 1, 0, 0, 0, 1, 255]],
    ["flags that are none", [1, 1, 0, 0, 4, 0]],
    ["a time without end", [1, 1, 0, 0, 2, 127, 240, 0, 0, 0, 0, 0, 0, 0]],
    ["a lane that is none", [4, 1, 4]],
    ["an exit that is none", [7, 1, 6]],
    ["an exit with other flags", [7, 1, 16]]
  ])("%s is malformed", (_, body) => {
    expect(outcome(Codec.binary, Uint8Array.from(body))).toMatchObject({ rule: "MalformedFrame" })
  })
})
