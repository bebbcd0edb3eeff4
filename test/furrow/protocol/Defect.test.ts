/** Whatever was thrown crosses the border, is bounded, and can be worked with at the other side. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { Codec, Defect } from "furrow/protocol"
import { inspect } from "node:util"
import { runInNewContext } from "node:vm"

const encode = Schema.encodeUnknownSync(Defect.Defect)

const codecs = [Codec.json, Codec.binary]

/** There and back through every codec; all must give the same. */
const cross = (defect: unknown): unknown => {
  const [first, ...others] = codecs.map((codec) => {
    const payload = codec.payload(Defect.Defect)
    return Effect.runSync(Effect.flatMap(payload.encode(defect), payload.decode))
  })
  for (const other of others)
    expect(inspect(other, { sorted: true })).toBe(inspect(first, { sorted: true }))
  return first
}

const crossError = (defect: unknown): Error => {
  const arrived = cross(defect)
  if (!(arrived instanceof Error)) throw new TypeError(`not an error: ${inspect(arrived)}`)
  return arrived
}

const render = (value: unknown): void => {
  Cause.pretty(Cause.die(value))
  String(Cause.die(value))
  Formatter.format(value)
  inspect(value)
  JSON.stringify(value)
  if (value instanceof Error) String(value)
}

describe("Defect", () => {
  it("ERR-3: an error keeps name, message, stack and own fields", () => {
    const error = Object.assign(new TypeError("no such file"), {
      code: "ENOENT",
      errno: -2,
      detail: { path: "/x", tried: [1, null, "a"] }
    })
    const arrived = crossError(error)
    expect(arrived.name).toBe("TypeError")
    expect(arrived.message).toBe("no such file")
    expect(arrived.stack).toBe(error.stack)
    expect(Object.fromEntries(Object.entries(arrived))).toEqual({
      code: "ENOENT",
      errno: -2,
      detail: { path: "/x", tried: [1, null, "a"] }
    })
    expect(String(arrived)).toBe("TypeError: no such file")
  })

  it("a class that sets no name goes by its own", () => {
    class RuntimeTrouble extends Error {}
    expect(crossError(new RuntimeTrouble("x")).name).toBe("RuntimeTrouble")
    expect(crossError(new Error("x")).name).toBe("Error")
  })

  it("a tagged error keeps its tag and fields", () => {
    class Broken extends Schema.TaggedError<Broken>()("Broken", { part: Schema.String }) {}
    const arrived = crossError(new Broken({ part: "pump" }))
    expect(arrived.name).toBe("Broken")
    expect(Object.fromEntries(Object.entries(arrived))).toEqual({ _tag: "Broken", part: "pump" })
  })

  it("the chain of causes is kept, whatever it is made of", () => {
    const arrived = crossError(
      new Error("outer", { cause: new RangeError("middle", { cause: { code: 7 } }) })
    )
    const middle = arrived.cause
    expect(middle).toBeInstanceOf(Error)
    expect(middle).toMatchObject({ name: "RangeError", message: "middle", cause: { code: 7 } })
    expect(Object.keys(arrived)).toEqual([])
    expect("cause" in crossError(new Error("alone"))).toBe(false)
    expect("cause" in crossError(new Error("none", { cause: undefined }))).toBe(true)
  })

  it("ERR-7: a group keeps its members", () => {
    const arrived = crossError(
      new AggregateError([new TypeError("a"), "plain", new AggregateError([new Error("b")])], "all")
    )
    expect(arrived).toBeInstanceOf(AggregateError)
    expect(arrived).toMatchObject({
      message: "all",
      errors: [{ name: "TypeError", message: "a" }, "plain", { errors: [{ message: "b" }] }]
    })
  })

  it("what is no error arrives as the plain value", () => {
    for (const value of ["text", "", 0, 1.5, true, false, null, { a: [1, { b: null }] }, []]) {
      expect(cross(value)).toStrictEqual(value)
    }
    expect(cross(undefined)).toBe(undefined)
  })

  it("what JSON cannot say arrives as text", () => {
    expect(cross(12n)).toBe("12n")
    expect(cross(Symbol("s"))).toBe("Symbol(s)")
    expect(cross(Number.NaN)).toBe("NaN")
    expect(cross(() => 1)).toBe("[function]")
    expect(cross(/x/g)).toBe("/x/g")
    expect(cross(new Date(0))).toBe("1970-01-01T00:00:00.000Z")
    expect(cross(new Map([["a", 1]]))).toEqual([["a", 1]])
    expect(cross(new Set([1]))).toEqual([1])
    expect(cross({ a: undefined, b: Symbol("x"), c: new TypeError("t") })).toEqual({
      b: "Symbol(x)",
      c: { name: "TypeError", message: "t" }
    })
  })

  it("an error of another realm is an error", () => {
    const arrived = crossError(runInNewContext("new TypeError('elsewhere')"))
    expect(arrived).toMatchObject({ name: "TypeError", message: "elsewhere" })
  })

  it("cycles end", () => {
    const error = new Error("loop")
    error.cause = error
    expect(crossError(error).cause).toBe("[circular]")
    const object: Record<string, unknown> = { a: 1 }
    object["self"] = object
    expect(cross(object)).toEqual({ a: 1, self: "[circular]" })
    const shared = { x: 1 }
    expect(cross([shared, shared])).toEqual([{ x: 1 }, { x: 1 }])
  })

  it("nothing that throws when it is looked at makes the writing throw", () => {
    const throwing = () => {
      throw new Error("do not look")
    }
    const trap = new Proxy(
      {},
      {
        get: throwing,
        has: throwing,
        ownKeys: throwing,
        getPrototypeOf: throwing,
        getOwnPropertyDescriptor: throwing
      }
    )
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const error = new Error("own")
    for (const key of ["name", "message", "stack", "cause", "errors", "other"]) {
      Object.defineProperty(error, key, { get: throwing, enumerable: true })
    }
    const worse = new Error("worse")
    Object.defineProperty(worse, "message", { value: { toString: throwing } })
    for (const value of [
      trap,
      proxy,
      error,
      worse,
      new Proxy(new Error("x"), { get: throwing, getPrototypeOf: throwing, ownKeys: throwing }),
      new Error("x", { cause: trap }),
      new AggregateError([proxy, trap]),
      { toJSON: throwing },
      {
        get a() {
          return throwing()
        }
      },
      Object.create(null),
      Object.assign(Object.create(null), { a: 1 }),
      { then: throwing, toString: throwing, valueOf: throwing }
    ]) {
      render(cross(value))
    }
  })

  it("what is written is bounded, in each text, in breadth, in depth and in all", () => {
    const size = (defect: unknown) => JSON.stringify(encode(defect)).length
    expect(size(new Error("x".repeat(10_000_000)))).toBeLessThan(3 * Defect.MaxText)
    expect(crossError(new Error("x".repeat(10_000_000))).message).toMatch(/^x{16384}\[cut\]$/)
    expect(size(Array.from({ length: 1_000_000 }, (_, i) => i))).toBeLessThan(10_000)

    let chain: unknown = "end"
    for (let depth = 0; depth < 10_000; depth++) chain = new Error(`${depth}`, { cause: chain })
    expect(size(chain)).toBeLessThan(Defect.MaxDefect * 2)

    const wide = (depth: number): unknown =>
      depth === 0 ? "leaf" : Array.from({ length: 100 }, () => wide(depth - 1))
    expect(size(wide(3))).toBeLessThan(Defect.MaxDefect * 4)

    interface Node {
      left?: Node
      right?: Node
    }
    let doubling: Node = {}
    for (let depth = 0; depth < 100; depth++) doubling = { left: doubling, right: doubling }
    expect(size(doubling)).toBeLessThan(Defect.MaxDefect * 4)
  })

  it("whatever is thrown crosses, and what arrives can be rendered", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
      withObjectString: true,
      withSparseArray: true,
      withTypedArray: true,
      withBoxedValues: true,
      withUnicodeString: true
    })
    fc.assert(
      fc.property(anything, fc.string(), (value, message) => {
        render(cross(value))
        render(cross(Object.assign(new Error(message), { cause: value, more: value })))
      }),
      { numRuns: 300 }
    )
  })

  it("ERR-8: what a stranger wrote can be rendered", () => {
    const { encoded } = fc.letrec<{ encoded: Defect.DefectEncoded }>((tie) => ({
      encoded: fc.oneof(
        { maxDepth: 3 },
        fc.record(
          { _tag: fc.constant("Value" as const), value: anyJson },
          { requiredKeys: ["_tag"] }
        ),
        fc.record(
          {
            _tag: fc.constant("Error" as const),
            name: fc.string(),
            message: fc.string(),
            stack: fc.string(),
            fields: fc.dictionary(fc.oneof(fc.string(), fc.constantFrom(...awkward)), anyJson),
            cause: tie("encoded"),
            errors: fc.array(tie("encoded"), { maxLength: 3 })
          },
          { requiredKeys: ["_tag", "name", "message"] }
        )
      )
    }))
    const decode = Schema.decodeUnknownSync(Defect.Defect)
    fc.assert(
      fc.property(encoded, (encoded) => render(decode(encoded))),
      { numRuns: 500 }
    )
  })
})

const anyJson: fc.Arbitrary<Schema.Json> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value): Schema.Json => JSON.parse(JSON.stringify(value)))

/** Names of fields that mean something to whoever renders an error. */
const awkward = [
  "toString",
  "valueOf",
  "toJSON",
  "constructor",
  "__proto__",
  "prototype",
  "name",
  "message",
  "stack",
  "cause",
  "errors",
  "then",
  "pipe",
  "~effect/Effect",
  "~effect/Cause",
  "_tag",
  "_id"
] as const
