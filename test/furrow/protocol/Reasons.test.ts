/** A Cause crosses whole, in every codec. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as fc from "fast-check"
import { Codec, Reasons } from "furrow/protocol"
import { actor, hop } from "./arbitraries.ts"

class Boom extends Schema.TaggedError<Boom>()("Boom", { n: Schema.Int, at: Schema.Date }) {}

const boom = (n: number) => new Boom({ n, at: new Date(n) })

const here = { path: "root/a", incarnation: "1" }
const there = { path: "root/b", incarnation: "2" }

const annotation = <I, A>(reason: Cause.Reason<unknown>, key: Context.Key<I, A>): A | undefined =>
  Context.getOrUndefined(Cause.reasonAnnotations(reason), key)

/** What can be said of a reason without its identity. */
const account = (reason: Cause.Reason<unknown>) => ({
  tag: reason._tag,
  what:
    reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : reason.fiberId,
  hops: annotation(reason, Reasons.Hops),
  by: annotation(reason, Reasons.InterruptedBy),
  notJoined: annotation(reason, Reasons.NotJoined),
  guestLeft: annotation(reason, Reasons.GuestLeft)
})

const annotated = <E>(
  reason: Cause.Reason<E>,
  annotations: {
    readonly hops?: Reasons.Hops["Service"]
    readonly notJoined?: Reasons.NotJoined["Service"]
    readonly guestLeft?: Reasons.GuestLeft["Service"]
  }
): Cause.Reason<E> => {
  let context: Context.Context<never> = Context.empty()
  if (annotations.hops) context = Context.add(context, Reasons.Hops, annotations.hops)
  if (annotations.notJoined)
    context = Context.add(context, Reasons.NotJoined, annotations.notJoined)
  if (annotations.guestLeft)
    context = Context.add(context, Reasons.GuestLeft, annotations.guestLeft)
  return reason.annotate(context)
}

const annotations = fc.record(
  {
    hops: fc.array(hop, { minLength: 1, maxLength: 3 }),
    notJoined: fc.record({ actor, operation: fc.string(), waited: fc.nat() }),
    guestLeft: fc.record({ actor, guest: fc.string(), waited: fc.nat() })
  },
  { requiredKeys: [] }
)

const reason: fc.Arbitrary<Cause.Reason<Boom>> = fc
  .tuple(
    fc.oneof(
      fc.nat({ max: 3 }).map((n) => Cause.makeFailReason(boom(n))),
      fc.string().map((text) => Cause.makeDieReason(text)),
      fc.constant(Cause.makeInterruptReason()),
      actor.map((by) =>
        Cause.makeInterruptReason().annotate(Context.make(Reasons.InterruptedBy, by))
      )
    ),
    annotations
  )
  .map(([reason, annotations]) => annotated(reason, annotations))

for (const codec of [Codec.json, Codec.binary]) {
  const cross = <E extends Schema.ConstraintCodec<unknown, unknown>>(
    error: E,
    cause: Cause.Cause<E["Type"]>
  ): Effect.Effect<Cause.Cause<E["Type"]>, Schema.SchemaError> => {
    const payload = codec.payload<Schema.Codec<Cause.Cause<E["Type"]>, unknown>>(
      Reasons.Reasons(error)
    )
    return Effect.flatMap(payload.encode(cause), payload.decode)
  }

  describe(`Reasons in ${codec.name}`, () => {
    it("E3: every reason crosses, in order, with the annotations that travel; equal ones stay several", () => {
      fc.assert(
        fc.property(fc.array(reason, { maxLength: 5 }), (reasons) => {
          const cause = Cause.fromReasons(reasons)
          const arrived = Effect.runSync(cross(Boom, cause))
          expect(arrived.reasons.map(account)).toEqual(cause.reasons.map(account))
        })
      )
    })

    it.effect("E1: a typed error arrives as its class", () =>
      Effect.gen(function* () {
        const arrived = yield* cross(Boom, Cause.fail(boom(3)))
        const [reason] = arrived.reasons
        expect(reason).toMatchObject({
          _tag: "Fail",
          error: { _tag: "Boom", n: 3, at: new Date(3) }
        })
        expect(reason?._tag === "Fail" && reason.error).toBeInstanceOf(Boom)
      })
    )

    it.effect("E2: a defect keeps its stack, fields and causes", () =>
      Effect.gen(function* () {
        const defect = Object.assign(new Error("bug", { cause: "why" }), { code: 3 })
        const arrived = yield* cross(Schema.Never, Cause.die(defect))
        expect(arrived.reasons[0]).toMatchObject({
          _tag: "Die",
          defect: { message: "bug", code: 3, cause: "why", stack: defect.stack }
        })
      })
    )

    it.effect("fiber ids stay at home; who interrupted crosses", () =>
      Effect.gen(function* () {
        const cause = Cause.fromReasons<never>([
          Cause.makeInterruptReason(17).annotate(Context.make(Reasons.InterruptedBy, there))
        ])
        const [reason] = (yield* cross(Schema.Never, cause)).reasons
        expect(reason).toMatchObject({ _tag: "Interrupt", fiberId: undefined })
        expect(account(reason!).by).toEqual(there)
      })
    )

    it.effect(
      "an error that does not fit its schema becomes a defect that carries it; the rest is kept",
      () =>
        Effect.gen(function* () {
          const schema: Schema.Codec<unknown, unknown> = Boom
          const hops = [{ actor: here }]
          const arrived = yield* cross(
            schema,
            Cause.fromReasons<unknown>([
              Cause.makeFailReason(boom(1)),
              annotated(Cause.makeFailReason(new TypeError("undeclared")), { hops }),
              Cause.makeDieReason("bug")
            ])
          )
          const [fits, unfit, bug] = arrived.reasons.map(account)
          expect(fits).toMatchObject({ tag: "Fail", what: { n: 1 } })
          expect(unfit).toMatchObject({
            tag: "Die",
            what: {
              name: "UnfitError",
              side: "encode",
              cause: { name: "TypeError", message: "undeclared" }
            },
            hops
          })
          expect(String(unfit?.what)).toContain("did not fit")
          expect(bug).toMatchObject({ tag: "Die", what: "bug" })
        })
    )

    it.effect("an error that the other version's schema does not know becomes a defect there", () =>
      Effect.gen(function* () {
        const written = yield* codec
          .payload(Reasons.Reasons(Schema.Struct({ code: Schema.String })))
          .encode(
            Cause.fromReasons([Cause.makeFailReason({ code: "x" }), Cause.makeDieReason("bug")])
          )
        const arrived = yield* codec.payload(Reasons.Reasons(Boom)).decode(written)
        expect(arrived.reasons.map(account)).toMatchObject([
          { tag: "Die", what: { _tag: "UnfitError", side: "decode", cause: { code: "x" } } },
          { tag: "Die", what: "bug" }
        ])
      })
    )

    it.effect("an error schema that JSON cannot say, or that throws, loses nothing either", () =>
      Effect.gen(function* () {
        const throws = SchemaGetter.transform((_: string): string => {
          throw new Error("from the schema")
        })
        const throwing = Schema.String.pipe(
          Schema.decodeTo(Schema.String, { decode: throws, encode: throws })
        )
        expect((yield* cross(throwing, Cause.fail("a"))).reasons.map(account)).toMatchObject([
          { tag: "Die", what: { side: "encode", cause: "a" } }
        ])
        const key = Symbol.for("furrow/test/key")
        const arrived = yield* cross(Schema.Struct({ [key]: Schema.Int }), Cause.fail({ [key]: 1 }))
        expect(arrived.reasons.map(account)).toMatchObject([
          { tag: "Die", what: { side: "encode" } }
        ])
      })
    )

    it.effect("the empty Cause crosses", () =>
      Effect.gen(function* () {
        expect((yield* cross(Boom, Cause.empty)).reasons).toEqual([])
      })
    )
  })
}

describe("addHop", () => {
  it("adds a station to every reason, after those it has passed, and keeps equal reasons apart", () => {
    const cause = Cause.fromReasons([
      Cause.makeFailReason(boom(1)),
      Cause.makeFailReason(boom(1)),
      Cause.makeInterruptReason()
    ])
    const first = { actor: here, operation: "Get" }
    const moved = Reasons.addHop(Reasons.addHop(cause, first), { actor: there })
    expect(moved.reasons.map((reason) => annotation(reason, Reasons.Hops))).toEqual([
      [first, { actor: there }],
      [first, { actor: there }],
      [first, { actor: there }]
    ])
    expect(moved.reasons.map((reason) => reason._tag)).toEqual(["Fail", "Fail", "Interrupt"])
    expect(annotation(cause.reasons[0]!, Reasons.Hops)).toBe(undefined)
  })

  it("leaves the error itself untouched", () => {
    const error = boom(1)
    const [reason] = Reasons.addHop(Cause.fail(error), { actor: here }).reasons
    expect(reason?._tag === "Fail" && reason.error).toBe(error)
  })
})
