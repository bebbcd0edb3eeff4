/**
 * How a Cause crosses a process border whole: every reason, in its order, with the annotations that travel.
 *
 * Answers for reading back the same reasons (errors by their own schema, defects by `Defect`, interruptions with who
 * asked for them) and for losing none: an error that does not fit its schema becomes a defect that says so. Fiber ids
 * stay at home; they name nothing in another process.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Defect, MaxText } from "./Defect.ts"
import { ActorRef, Hop } from "./Identity.ts"

/** Annotation of a reason: the stations it has passed on its way here, the first one first. */
export class Hops extends Context.Service<Hops, ReadonlyArray<Hop>>()("furrow/Hops") {}

/** Annotation of an interruption: the actor that asked for it. */
export class InterruptedBy extends Context.Service<InterruptedBy, ActorRef>()(
  "furrow/InterruptedBy"
) {}

/**
 * Annotation of an interruption, or of a `Cancelled`: the callee had not ended when the wait for it did; `waited` is in
 * milliseconds.
 */
export class NotJoined extends Context.Service<
  NotJoined,
  { readonly actor: ActorRef; readonly operation: string; readonly waited: number }
>()("furrow/NotJoined") {}

/**
 * Annotation of what a block failed with: code that is not Effect had not ended when the wait for it did, and was left
 * behind in `actor`; `waited` is in milliseconds.
 */
export class GuestLeft extends Context.Service<
  GuestLeft,
  { readonly actor: ActorRef; readonly guest: string; readonly waited: number }
>()("furrow/GuestLeft") {}

/** The same Cause with one more station for every reason. */
export const addHop = <E>(cause: Cause.Cause<E>, hop: Hop): Cause.Cause<E> =>
  Cause.fromReasons(
    cause.reasons.map((reason) =>
      reason.annotate(Context.make(Hops, [...hopsOf(reason), hop]), { overwrite: true })
    )
  )

/** A typed error that its operation's error schema could not write, or not read back. */
export class UnfitError extends Schema.TaggedError<UnfitError>()("UnfitError", {
  side: Schema.Literals(["encode", "decode"]),
  issue: Schema.String,
  /** The error itself, or what had arrived of it. */
  cause: Schema.Unknown
}) {
  override get message() {
    const end = this.side === "encode" ? "where it was raised" : "where it arrived"
    return `An error did not fit its operation's error schema ${end}: ${this.issue}`
  }
}

const Travelling = {
  hops: Schema.Array(Hop),
  notJoined: Schema.optional(
    Schema.Struct({ actor: ActorRef, operation: Schema.String, waited: Schema.Finite })
  ),
  guestLeft: Schema.optional(
    Schema.Struct({ actor: ActorRef, guest: Schema.String, waited: Schema.Finite })
  )
}

/**
 * One reason on the wire; `error` is JSON by the operation's error schema, in every codec, and `stack` the place where
 * it was made, which no error schema holds.
 */
export const Reason = Schema.Union([
  Schema.TaggedStruct("Fail", {
    ...Travelling,
    error: Schema.Json,
    stack: Schema.optional(Schema.String)
  }),
  Schema.TaggedStruct("Die", { ...Travelling, defect: Defect }),
  Schema.TaggedStruct("Interrupt", { ...Travelling, by: Schema.optional(ActorRef) })
])

type ReasonType = typeof Reason.Type

/** Schema of a Cause whose typed errors are of schema `E`; on the wire an array of {@link Reason}. */
export interface Reasons<E extends Schema.Constraint> extends Schema.Codec<
  Cause.Cause<E["Type"]>,
  ReadonlyArray<typeof Reason.Encoded>,
  E["DecodingServices"],
  E["EncodingServices"]
> {}

/** The schema of a Cause whose typed errors are of the given schema. It never refuses a Cause. */
export const Reasons = <E extends Schema.Constraint>(error: E): Reasons<E> => {
  let schema: Reasons<E> | undefined = made.get(error)
  if (schema === undefined) made.set(error, (schema = make(error)))
  return schema
}

/** One schema for each error schema, so that codecs compile each once. */
const made = new WeakMap<Schema.Constraint, Reasons<any>>()

/** An account of what does not fit quotes the value. */
const tellValue = { reportInput: true } as const

const make = <E extends Schema.Constraint>(error: E): Reasons<E> => {
  type Reason = Cause.Reason<E["Type"]>
  // Derived only when an error is there: a schema that JSON cannot say is met as an error that does not fit.
  const encode = (value: unknown) =>
    Schema.encodeUnknownEffect(Schema.toCodecJson(error), tellValue)(value)
  const decode = (json: unknown) =>
    Schema.decodeUnknownEffect(Schema.toCodecJson(error), tellValue)(json)

  const write = (reason: Reason): Effect.Effect<ReasonType, never, E["EncodingServices"]> => {
    const annotations = Cause.reasonAnnotations(reason)
    const notJoined = Context.getOrUndefined(annotations, NotJoined)
    const guestLeft = Context.getOrUndefined(annotations, GuestLeft)
    const travelling = {
      hops: hopsOf(reason),
      ...(notJoined && { notJoined }),
      ...(guestLeft && { guestLeft })
    }
    switch (reason._tag) {
      case "Fail":
        return Effect.match(fit("encode", reason.error, encode), {
          onSuccess: (error) => ({ _tag: "Fail", ...travelling, error, ...stackOf(reason.error) }),
          onFailure: (defect) => ({ _tag: "Die", ...travelling, defect })
        })
      case "Die":
        return Effect.succeed({ _tag: "Die", ...travelling, defect: reason.defect })
      case "Interrupt": {
        const by = Context.getOrUndefined(annotations, InterruptedBy)
        return Effect.succeed({ _tag: "Interrupt", ...travelling, ...(by && { by }) })
      }
    }
  }

  const read = (wire: ReasonType): Effect.Effect<Reason, never, E["DecodingServices"]> => {
    const annotations = annotationsOf(wire)
    switch (wire._tag) {
      case "Fail":
        return Effect.match(fit("decode", wire.error, decode), {
          onSuccess: (error): Reason =>
            Cause.makeFailReason(withStack(error, wire.stack)).annotate(annotations),
          onFailure: (defect): Reason => Cause.makeDieReason(defect).annotate(annotations)
        })
      case "Die":
        return Effect.succeed(Cause.makeDieReason(wire.defect).annotate(annotations))
      case "Interrupt":
        return Effect.succeed(Cause.makeInterruptReason().annotate(annotations))
    }
  }

  return Schema.Array(Reason).pipe(
    Schema.decodeTo(
      Schema.declare<Cause.Cause<E["Type"]>>(Cause.isCause),
      SchemaTransformation.transformEffect<
        Cause.Cause<E["Type"]>,
        ReadonlyArray<ReasonType>,
        E["DecodingServices"],
        E["EncodingServices"]
      >({
        decode: (wire) => Effect.map(Effect.forEach(wire, read), Cause.fromReasons),
        encode: (cause) => Effect.forEach(cause.reasons, write)
      })
    )
  )
}

/** Where an error was made, if it is one. */
const stackOf = (error: unknown): { readonly stack?: string } => {
  try {
    const stack = error instanceof Error ? error.stack : undefined
    return typeof stack === "string" ? { stack: stack.slice(0, MaxText) } : {}
  } catch {
    return {}
  }
}

/** Gives an error that was read the place where it was made, and not that of its reading. */
const withStack = <E>(error: E, stack: string | undefined): E => {
  if (stack !== undefined && error instanceof Error && Object.isExtensible(error)) {
    Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true })
  }
  return error
}

/** Runs a typed error through its schema. Not to fit, or to make the schema's own code die, is the same failure. */
const fit = <A, B, R>(
  side: UnfitError["side"],
  error: A,
  run: (error: A) => Effect.Effect<B, Schema.SchemaError, R>
): Effect.Effect<B, UnfitError, R> =>
  Effect.catchCause(
    Effect.suspend(() => run(error)),
    (cause) => {
      const issue = Cause.prettyErrors(cause).map(String).join("; ")
      return Effect.fail(new UnfitError({ side, issue, cause: error }))
    }
  )

const hopsOf = (reason: Cause.Reason<unknown>): ReadonlyArray<Hop> =>
  Context.getOrUndefined(Cause.reasonAnnotations(reason), Hops) ?? []

const annotationsOf = (wire: ReasonType): Context.Context<never> => {
  let annotations: Context.Context<never> = Context.empty()
  if (wire.hops.length > 0) annotations = Context.add(annotations, Hops, wire.hops)
  if (wire.notJoined) annotations = Context.add(annotations, NotJoined, wire.notJoined)
  if (wire.guestLeft) annotations = Context.add(annotations, GuestLeft, wire.guestLeft)
  if (wire._tag === "Interrupt" && wire.by !== undefined) {
    annotations = Context.add(annotations, InterruptedBy, wire.by)
  }
  return annotations
}
