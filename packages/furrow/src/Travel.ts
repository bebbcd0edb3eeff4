/**
 * Values that follow a call into the callee, and on from there: `Context.Reference`s declared as travelling.
 *
 * Answers for which references travel and for their form on the wire. The trace context, the log annotations and the
 * deadline travel by themselves.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import type { FrameOf } from "./protocol/Protocol.ts"

/** A reference that follows the calls of an actor that declares it, with the schema that carries its value. */
export interface Travelling<A> {
  readonly reference: Context.Reference<A>
  readonly schema: Schema.Codec<A, unknown>
}

/** Any {@link Travelling}. */
export interface AnyTravelling {
  readonly reference: Context.Key<never, unknown>
  readonly schema: Schema.Top
}

/**
 * Declares that a reference's value follows every call: both ends name it in `Actor.make(…, { travelling: [...] })`.
 * The reference's key is its name on the wire; a callee that does not know it ignores it. A value that does not encode,
 * or has no room in the 64 KiB of JSON that all of a call may take, stays behind, with a warning.
 *
 * **Example** (A tenant that follows the call)
 *
 * ```ts
 * const Tenant = Context.Reference<string>("app/Tenant", { defaultValue: () => "nobody" })
 * class Orders extends Actor.make("Orders", [List], { travelling: [Travel.make(Tenant, Schema.String)] }) {}
 * ```
 */
export const make = <A, I>(
  reference: Context.Reference<A>,
  schema: Schema.Codec<A, I>
): Travelling<A> => ({ reference, schema })

// ---------------------------------------------------------------------------------------------------------------------
// On the wire
// ---------------------------------------------------------------------------------------------------------------------

/** The name under which log annotations travel. */
const Annotations = "furrow/annotations"

/** The most that log annotations may take with them, in bytes of JSON; beyond it they stay behind. */
const AnnotationsLimit = 4096

/** The most that all travelling values of a call may take, in bytes of JSON; those beyond it stay behind. */
const TravellingLimit = 65_536

/**
 * What of a fiber travels with a call; `undefined` if nothing does.
 *
 * @internal
 */
export const pack = (
  fiber: Fiber.Fiber<unknown, unknown>,
  travelling: ReadonlyArray<AnyTravelling>
): Effect.Effect<FrameOf<"Open">["travelling"]> => {
  const { context } = fiber
  const annotations = scalars(fiber.getRef(References.CurrentLogAnnotations))
  if (annotations === undefined && travelling.length === 0) return nothing
  const present = travelling.filter(({ reference }) => context.mapUnsafe.has(reference.key))
  if (present.length === 0) {
    return Effect.succeed(annotations === undefined ? undefined : { [Annotations]: annotations })
  }
  const packed: Record<string, Schema.Json> = {}
  if (annotations !== undefined) packed[Annotations] = annotations
  let room = TravellingLimit
  return Effect.as(
    Effect.forEach(
      present,
      ({ reference, schema }) =>
        Effect.suspend(() => encodeJson(schema)(Context.get(context, reference))).pipe(
          Effect.flatMap((json) => {
            const size = sizeOf(json)
            if (size > room) return Effect.fail(`It takes ${size} bytes; ${room} are left.`)
            room -= size
            packed[reference.key] = json
            return Effect.void
          }),
          Effect.catchCause((cause) =>
            Effect.logWarning(
              `The value of ${reference.key} cannot travel with this call and stays behind.`,
              cause
            )
          )
        ),
      { discard: true }
    ),
    packed
  )
}

const nothing = Effect.succeed(undefined)

/**
 * What travelled here, as a context for the callee's handler; log annotations are added to its own. Unknown names, and
 * values that do not fit, are ignored.
 *
 * @internal
 */
export const unpack = (
  travelling: ReadonlyArray<AnyTravelling>,
  packed: Record<string, Schema.Json>
): Effect.Effect<Context.Context<never>> =>
  Effect.withFiber((fiber) =>
    Effect.gen(function* () {
      let context = Context.empty()
      const annotations = packed[Annotations]
      if (isRecord(annotations)) {
        context = Context.add(context, References.CurrentLogAnnotations, {
          ...fiber.getRef(References.CurrentLogAnnotations),
          ...scalars(annotations)
        })
      }
      for (const { reference, schema } of travelling) {
        const json = packed[reference.key]
        if (json === undefined) continue
        const value = yield* Effect.exit(Effect.suspend(() => decodeJson(schema)(json)))
        if (Exit.isSuccess(value)) context = Context.add(context, reference, value.value)
      }
      return context
    })
  )

const isRecord = (json: Schema.Json | undefined): json is { readonly [key: string]: Schema.Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const isScalar = (value: unknown): value is string | number | boolean | null =>
  value === null ||
  typeof value === "string" ||
  typeof value === "boolean" ||
  (typeof value === "number" && Number.isFinite(value))

/**
 * Whether nothing stands in a record, found out without a list of what does.
 *
 * @internal
 */
export const isEmpty = (record: object): boolean => {
  for (const _ in record) return false
  return true
}

const scalars = (
  annotations: Readonly<Record<string, unknown>>
): Record<string, Schema.Json> | undefined => {
  if (isEmpty(annotations)) return undefined
  const entries = Object.entries(annotations).filter((entry): entry is [string, Schema.Json] =>
    isScalar(entry[1])
  )
  if (entries.length === 0) return undefined
  const record = Object.fromEntries(entries)
  return sizeOf(record) > AnnotationsLimit ? undefined : record
}

const encoder = new TextEncoder()

/** Bytes of JSON. Throws for what JSON cannot say. */
const sizeOf = (json: Schema.Json): number =>
  encoder.encode(JSON.stringify(assertJson(json))).length

const assertJson = Schema.decodeUnknownSync(Schema.Json)

const encodeJson = (schema: Schema.Top) =>
  Schema.encodeUnknownEffect(Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>))

const decodeJson = (schema: Schema.Top) =>
  Schema.decodeUnknownEffect(Schema.toCodecJson(schema as Schema.Codec<never, unknown>))
