/** What makes two schemas the same on the wire, and what does not. */
import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Fingerprint } from "furrow/protocol"

const of = (schema: Schema.Constraint): string => Fingerprint.fingerprint([["payload", schema]])

describe("Fingerprint", () => {
  it("is short, and the same in every process and on every run", () => {
    // Written down, so that another process has said it before.
    expect(of(Schema.Struct({ by: Schema.Int, at: Schema.Date }))).toBe("998438262c6ef59e")
  })

  it("a schema written twice has one fingerprint, whatever the order of its fields", () => {
    const make = () =>
      Schema.Struct({
        id: Schema.String.check(Schema.isMinLength(1)),
        tags: Schema.Array(Schema.Literals(["a", "b"])),
        at: Schema.optional(Schema.Date)
      })
    expect(of(make())).toBe(of(make()))
    expect(of(Schema.Struct({ a: Schema.Int, b: Schema.String }))).toBe(
      of(Schema.Struct({ b: Schema.String, a: Schema.Int }))
    )
  })

  it("differs when the encoded side differs", () => {
    const all = [
      Schema.Struct({ a: Schema.Number }),
      Schema.Struct({ a: Schema.Int }),
      Schema.Struct({ a: Schema.String }),
      Schema.Struct({ a: Schema.Date }),
      Schema.Struct({ a: Schema.Uint8Array }),
      Schema.Struct({ a: Schema.BigInt }),
      Schema.Struct({ a: Schema.optional(Schema.Number) }),
      Schema.Struct({ a: Schema.optionalKey(Schema.Number) }),
      Schema.Struct({ b: Schema.Number }),
      Schema.Struct({ a: Schema.Number, b: Schema.Number }),
      Schema.Struct({ a: Schema.Option(Schema.Number) }),
      Schema.Struct({ a: Schema.Option(Schema.String) }),
      Schema.Struct({ a: Schema.Literal("x") }),
      Schema.Struct({ a: Schema.Literal("y") }),
      Schema.Struct({ a: Schema.Array(Schema.Number) }),
      Schema.Struct({ a: Schema.Tuple([Schema.Number]) }),
      Schema.Struct({ a: Schema.NullOr(Schema.Number) }),
      Schema.Struct({ a: Schema.String.check(Schema.isMinLength(1)) }),
      Schema.Struct({ a: Schema.String.check(Schema.isMinLength(2)) }),
      Schema.Struct({ a: Schema.String.check(Schema.makeFilter(() => true)) }),
      Schema.Record(Schema.String, Schema.Number),
      Schema.Record(Schema.String, Schema.String),
      Schema.Void,
      Schema.Undefined,
      Schema.Unknown,
      Schema.Never
    ]
    expect(new Set(all.map(of)).size).toBe(all.length)
  })

  it("an opaque filter counts by its presence, not by what it does", () => {
    const long = Schema.String.check(Schema.makeFilter((text) => text.length > 5))
    const short = Schema.String.check(Schema.makeFilter((text) => text.length < 5))
    expect(of(long)).toBe(of(short))
    expect(of(long)).not.toBe(of(Schema.String))
  })

  it("only the encoded side counts: classes, brands, transformations and annotations do not", () => {
    class A extends Schema.Class<A>("A")({ x: Schema.Int }) {}
    class B extends Schema.Class<B>("B")({ x: Schema.Int }) {}
    const plain = Schema.Struct({ x: Schema.Int })
    expect(of(A)).toBe(of(B))
    expect(of(A)).toBe(of(plain))
    expect(of(plain.annotate({ title: "A point", description: "of interest" }))).toBe(of(plain))
    expect(of(Schema.NumberFromString)).toBe(of(Schema.String))
    expect(of(Schema.Int.pipe(Schema.brand("Count")))).toBe(of(Schema.Int))
  })

  it("a tagged error counts by its tag", () => {
    class A extends Schema.TaggedError<A>()("A", {}) {}
    class B extends Schema.TaggedError<B>()("B", {}) {}
    expect(of(A)).not.toBe(of(B))
  })

  it("a schema that contains itself has a fingerprint, the same for the same shape", () => {
    interface Tree {
      readonly value: number
      readonly children: ReadonlyArray<Tree>
    }
    const make = (value: Schema.Codec<number>) => {
      const tree: Schema.Codec<Tree> = Schema.Struct({
        value,
        children: Schema.Array(Schema.suspend(() => tree))
      })
      return tree
    }
    expect(of(make(Schema.Number))).toBe(of(make(Schema.Number)))
    expect(of(make(Schema.Number))).not.toBe(of(make(Schema.Int)))
    class List extends Schema.Class<List>("List")({
      head: Schema.String,
      tail: Schema.OptionFromNullOr(Schema.suspend((): Schema.Codec<List, unknown> => List))
    }) {}
    expect(of(List)).toMatch(/^[0-9a-f]{16}$/)
  })

  it("a schema that makes new schemas without end has one too", () => {
    const endless = (): Schema.Codec<unknown> =>
      Schema.Struct({ a: Schema.suspend(endless), b: Schema.suspend(endless) })
    expect(of(endless())).toMatch(/^[0-9a-f]{16}$/)
    expect(of(endless())).toBe(of(endless()))
  })

  it("never throws, whatever the schema cannot say of itself", () => {
    const opaque = Schema.instanceOf(URL)
    const other = Schema.declare((u: unknown): u is string => typeof u === "string")
    const broken = Schema.suspend((): Schema.Codec<string> => {
      throw new Error("not ready")
    })
    const symbols = Schema.Struct({ [Symbol.for("k")]: Schema.Int })
    for (const schema of [opaque, other, broken, symbols, Schema.Struct({ opaque, broken })]) {
      expect(of(schema)).toMatch(/^[0-9a-f]{16}$/)
    }
  })

  it("lanes count by name and place", () => {
    const both = (a: string, b: string) =>
      Fingerprint.fingerprint([
        [a, Schema.String],
        [b, Schema.Int]
      ])
    expect(both("payload", "success")).not.toBe(both("success", "payload"))
    expect(both("payload", "success")).not.toBe(both("payload", "error"))
    expect(Fingerprint.fingerprint([])).toMatch(/^[0-9a-f]{16}$/)
  })
})
