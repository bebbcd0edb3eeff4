/**
 * An actor's operations as the wire sees them: their kinds, their fingerprints, and a codec for each of their lanes.
 *
 * Answers for values becoming bytes and back, with errors that name the operation and the lane. Each lane is compiled
 * once per operation and codec, by the first value that it carries.
 */
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import type { AnyDefinition } from "./Actor.ts"
import { DecodeError, EncodeError, issueOf } from "./CodecError.ts"
import type { LaneName } from "./CodecError.ts"
import { lanesOf } from "./Dialog.ts"
import { isKnown } from "./Known.ts"
import type { Codec } from "./protocol/Codec.ts"
import type { Kind } from "./protocol/DialogState.ts"
import { fingerprint } from "./protocol/Fingerprint.ts"
import type { OperationInfo } from "./protocol/Protocol.ts"
import { Reasons } from "./protocol/Reasons.ts"

/** One lane of one operation: values to bytes and back. What does not fit is a defect. */
export interface LaneCodec<A> {
  /** Fails as a defect (`EncodeError`) if the value does not fit, or is longer than `limit` bytes. */
  readonly encode: (value: A, limit: number) => Effect.Effect<Uint8Array>
  /** Fails as a defect (`DecodeError`) if the bytes do not fit. */
  readonly decode: (bytes: Uint8Array) => Effect.Effect<A>
}

/** One operation, ready for a session. */
export interface Operation {
  readonly rpc: Rpc.AnyWithProps
  /** The actor's name and the operation's: `Counter.Increment`. */
  readonly name: string
  readonly kind: Kind
  /** What its payloads are written in. */
  readonly codec: Codec
  readonly payload: LaneCodec<unknown>
  readonly started: LaneCodec<unknown>
  readonly fromCaller: LaneCodec<unknown>
  /** The items of a stream, or of a dialog's callee. */
  readonly fromCallee: LaneCodec<unknown>
  readonly success: LaneCodec<unknown>
  readonly failure: LaneCodec<Reasons<Schema.Top>["Type"]>
}

/** The schemas of an operation, lane by lane, in the order that its fingerprint takes them. */
const schemasOf = (rpc: Rpc.AnyWithProps) => {
  const lanes = lanesOf(rpc)
  const stream = RpcSchema.isStreamSchema(rpc.successSchema) ? rpc.successSchema : undefined
  const errors: Array<Schema.Top> = [rpc.errorSchema]
  if (stream !== undefined) errors.push(stream.error)
  for (const middleware of rpc.middlewares) errors.push(middleware.error)
  return {
    kind: lanes !== undefined ? "dialog" : stream !== undefined ? "stream" : "call",
    payload: rpc.payloadSchema,
    started: lanes?.started ?? Schema.Void,
    fromCaller: lanes?.fromCaller ?? Schema.Never,
    fromCallee: lanes?.fromCallee ?? stream?.success ?? Schema.Never,
    success: lanes?.success ?? (stream === undefined ? rpc.successSchema : Schema.Void),
    error: errors.length === 1 ? rpc.errorSchema : Schema.Union(errors)
  } satisfies { readonly kind: Kind } & Record<string, unknown>
}

/** Whether an operation is a call, a stream or a dialog. */
export const kindOf = (operation: Rpc.Any): Kind => schemasOf(operation as Rpc.AnyWithProps).kind

/** The codec of one lane. */
export const laneCodec = <S extends Schema.Constraint>(
  codec: Codec,
  operation: string,
  lane: LaneName,
  schema: S
): LaneCodec<S["Type"]> => {
  const payload = codec.payload(schema)
  const unfit = (error: Schema.SchemaError) =>
    Effect.die(new EncodeError({ operation, lane, issue: issueOf(error) }))
  const misfit = (error: Schema.SchemaError) =>
    Effect.die(new DecodeError({ operation, lane, issue: issueOf(error) }))
  const within = (limit: number) => (bytes: Uint8Array) =>
    bytes.length > limit
      ? Effect.die(
          new EncodeError({
            operation,
            lane,
            issue: `it takes ${bytes.length} bytes, and the other end takes at most ${limit}. Send it in pieces, as a stream`
          })
        )
      : Effect.succeed(bytes)
  // A codec may ask for services of the actor it runs in; they are in the context of the fiber that runs it.
  return {
    encode: (value, limit) => {
      const encoded = payload.encode(value)
      return (
        isKnown(encoded)
          ? encoded.value.length > limit
            ? within(limit)(encoded.value)
            : encoded
          : Effect.flatMap(Effect.catch(encoded, unfit), within(limit))
      ) as Effect.Effect<Uint8Array>
    },
    decode: (bytes) => {
      const decoded = payload.decode(bytes)
      return (isKnown(decoded) ? decoded : Effect.catch(decoded, misfit)) as Effect.Effect<
        S["Type"]
      >
    }
  }
}

/** A lane that is compiled when it is needed: most actors use few lanes of some operations, and start sooner so. */
const later = <A>(make: () => LaneCodec<A>): LaneCodec<A> => {
  let made: LaneCodec<A> | undefined
  const lane = () => (made ??= make())
  return {
    encode: (value, limit) => lane().encode(value, limit),
    decode: (bytes) => lane().decode(bytes)
  }
}

/** By codec and definition, then by actor: several actors may share a definition, and its name is theirs. */
const compiled = new WeakMap<Codec, WeakMap<Rpc.Any, Map<string, Operation>>>()

/** An operation ready for sessions that use this codec. */
export const operationOf = (codec: Codec, actor: string, rpc: Rpc.AnyWithProps): Operation => {
  let ofCodec = compiled.get(codec)
  if (ofCodec === undefined) compiled.set(codec, (ofCodec = new WeakMap()))
  let ofRpc = ofCodec.get(rpc)
  if (ofRpc === undefined) ofCodec.set(rpc, (ofRpc = new Map()))
  let operation = ofRpc.get(actor)
  if (operation === undefined) {
    const schemas = schemasOf(rpc)
    const name = `${actor}.${rpc._tag}`
    const lane = <S extends Schema.Constraint>(laneName: LaneName, schema: () => S) =>
      later(() => laneCodec(codec, name, laneName, schema()))
    operation = {
      rpc,
      name,
      kind: schemas.kind,
      codec,
      payload: lane("payload", () => schemas.payload),
      started: lane("started", () => schemas.started),
      fromCaller: lane("fromCaller", () => schemas.fromCaller),
      fromCallee: lane("fromCallee", () => schemas.fromCallee),
      success: lane("success", () => schemas.success),
      failure: lane("error", () => Reasons(schemas.error))
    }
    ofRpc.set(actor, operation)
  }
  return operation
}

/** Every operation of a definition by its tag, ready for sessions that use this codec. */
export const operationsOf = (codec: Codec, actor: AnyDefinition): ReadonlyMap<string, Operation> =>
  new Map(
    [...actor.group.requests].map(([tag, rpc]) => [
      tag,
      operationOf(codec, actor.actorName, rpc as Rpc.AnyWithProps)
    ])
  )

const told = new WeakMap<Rpc.Any, OperationInfo>()

const infoOf = (rpc: Rpc.AnyWithProps): OperationInfo => {
  let info = told.get(rpc)
  if (info === undefined) {
    const { kind, ...lanes } = schemasOf(rpc)
    info = { name: rpc._tag, kind, fingerprint: fingerprint(Object.entries(lanes)) }
    told.set(rpc, info)
  }
  return info
}

/** A definition's operations as `Hello` tells them. */
export const infosOf = (actor: AnyDefinition): ReadonlyArray<OperationInfo> =>
  [...actor.group.requests.values()].map((rpc) => infoOf(rpc as Rpc.AnyWithProps))

/**
 * The operations of a definition for calling an end that serves these: those that it knows in another shape are written
 * in JSON, which tells when a value does not fit; bytes of the binary codec may be taken for another value.
 */
export const operationsFor = (
  { codec, json }: { readonly codec: Codec; readonly json: Codec },
  actor: AnyDefinition,
  served: ReadonlyArray<OperationInfo>
): ReadonlyMap<string, Operation> => {
  const fingerprints = new Map(served.map((info) => [info.name, info.fingerprint]))
  return new Map(
    [...operationsOf(codec, actor)].map(([tag, operation]) => [
      tag,
      fingerprints.get(tag) === infoOf(operation.rpc).fingerprint
        ? operation
        : operationOf(json, actor.actorName, operation.rpc)
    ])
  )
}
