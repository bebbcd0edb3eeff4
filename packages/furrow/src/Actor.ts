/**
 * The definition of an actor: a name, its operations, its arguments. Contract and implementation meet only here.
 *
 * Answers for the types that follow from a definition: what its handlers look like, what its client looks like, what
 * its Layer provides. Running it is `ActorProgram`'s, starting it `Nursery`'s.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Headers from "effect/http/Headers"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import type * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { CurrentCallee, isDialog } from "./Dialog.ts"
import type { CalleeOf, Lanes, Opening } from "./Dialog.ts"
import type { Nursery } from "./NurseryKey.ts"
import type { PortalError } from "./PortalError.ts"
import type { ProcessExit } from "./ProcessExit.ts"
import { ActorName, shown } from "./protocol/Identity.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { make as makeLimits } from "./SessionLimits.ts"
import type { SessionLimits } from "./SessionLimits.ts"
import type { AnyTravelling } from "./Travel.ts"
import type { CrashCause, LadderStage } from "./TreeError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Who am I
// ---------------------------------------------------------------------------------------------------------------------

/** The actor that a fiber runs in: its name, its life, and those above it, root first. */
export interface SelfInfo extends ActorRef {
  readonly name: string
  readonly ancestors: ReadonlyArray<ActorRef>
}

/** The actor that the current fiber runs in. Given by `Nursery.run` (the root) and to every actor's Layer. */
export class Self extends Context.Service<Self, SelfInfo>()("furrow/Actor/Self") {}

// ---------------------------------------------------------------------------------------------------------------------
// Types that follow from a definition
// ---------------------------------------------------------------------------------------------------------------------

/** Identifies the one service that an actor's Layer provides: its handlers, keyed by the actor's name. */
export interface Service<Name extends string> {
  readonly _: unique symbol
  readonly actor: Name
}

/** Identifies the arguments an actor was started with. */
export interface ArgumentsOf<Name extends string> {
  readonly _: unique symbol
  readonly argumentsOf: Name
}

/** Identifies a running actor's portal as a service, see `Nursery.layer`. */
export interface PortalOf<Name extends string> {
  readonly _: unique symbol
  readonly portalOf: Name
}

/** What an actor's handlers are, as the router takes them: a context of effect/rpc handlers, and how many run at once. */
export interface Handlers {
  readonly context: Context.Context<never>
  readonly concurrency: number | "unbounded"
}

/** The handler of one operation: what it gets, and what it answers with. */
export type HandlerOf<Op extends Rpc.Any> = [CalleeOf<Op>] extends [never]
  ? Rpc.ToHandlerFn<Op>
  : (
      payload: Rpc.Payload<Op>,
      dialog: CalleeOf<Op>,
      options: HandlerOptions<Op>
    ) => Rpc.WrapperOr<Rpc.ResultFrom<Op, any>>

/** What a handler can learn about its request beside the payload. */
export interface HandlerOptions<Op extends Rpc.Any> {
  readonly client: Rpc.ServerClient
  readonly headers: Headers.Headers
  readonly rpc: Op
}

/** A record with the handler of every operation. */
export type HandlersFrom<Ops extends Rpc.Any> = {
  readonly [Op in Ops as Op["_tag"]]: HandlerOf<Op>
}

/** A method of the client: a call, a stream, or a dialog to be opened. `F` is what the machinery may fail it with. */
export type ClientMethod<Op extends Rpc.Any, F = PortalError> =
  Op extends Rpc.Rpc<infer _Tag, infer P, infer S, infer E, infer M, infer _Requires>
    ? [S] extends [Lanes<infer Started, infer FromCaller, infer FromCallee, infer A>]
      ? (
          payload: P["~type.make.in"],
          options?: CallOptions
        ) => Opening<
          Started["Type"],
          FromCaller["Type"],
          FromCallee["Type"],
          A["Type"],
          E["Type"] | M["error"]["Type"] | M["~ClientError"] | F
        >
      : [S] extends [RpcSchema.Stream<infer A, infer SE>]
        ? (
            payload: P["~type.make.in"],
            options?: CallOptions
          ) => Stream.Stream<
            A["Type"],
            SE["Type"] | E["Type"] | M["error"]["Type"] | M["~ClientError"] | F
          >
        : (
            payload: P["~type.make.in"],
            options?: CallOptions
          ) => Effect.Effect<S["Type"], E["Type"] | M["error"]["Type"] | M["~ClientError"] | F>
    : never

/** What can be said with a single call. */
export interface CallOptions {
  /**
   * Headers for the callee's middleware and handler, beside those of `RpcClient.withHeaders`. More than 64 Ki characters
   * of them are a defect.
   */
  readonly headers?: Headers.Input | undefined
}

/** A typed client: one method per operation. `F` is what the machinery may fail each with. */
export type Client<Ops extends Rpc.Any, F = PortalError> = {
  readonly [Op in Ops as Op["_tag"]]: ClientMethod<Op, F>
}

/**
 * A live, typed door to one running actor. It belongs to the scope or the nursery it was obtained in, and it can be
 * lost: then every operation fails with `PortalError` `Disconnected`.
 */
export interface Portal<Ops extends Rpc.Any> {
  /** One method per operation. */
  readonly client: Client<Ops>
  /** The life behind the door. */
  readonly actor: ActorRef
  /** The actor's process, where it has one. */
  readonly pid: number | undefined
  /**
   * Ends the actor: asks it, then walks the ladder, and waits until it is gone and reaped. Asked twice, or of an actor
   * that is gone, it does nothing more. Whoever stops waiting does not keep the actor from ending.
   */
  readonly stop: Effect.Effect<void>
  /** Waits until the actor is gone and reaped: how it ended. */
  readonly exit: Effect.Effect<ActorExit>
  /** What the actor's process writes there, if it was spawned with `stdout: "pipe"`; else empty. */
  readonly stdout: Stream.Stream<Uint8Array>
  /** The same for `stderr`. */
  readonly stderr: Stream.Stream<Uint8Array>
}

/** How an actor ended: because it was asked to, with the last stage of the ladder that was needed, or by a crash. */
export type ActorExit =
  | { readonly _tag: "Stopped"; readonly stage: LadderStage; readonly exit: ProcessExit }
  | { readonly _tag: "Crashed"; readonly cause: CrashCause }

/**
 * A runnable actor: a definition with its Layer. Give it to `NodeActor.runMain` in the actor's main module, or to
 * `TestWorld.layer` in a test. `R` is what its Layer needs beyond what every actor is given.
 */
export interface Program<out R = never> {
  readonly [ProgramTypeId]: { readonly _R: (_: never) => R }
  readonly actor: AnyDefinition
  readonly layer: Layer.Layer<never, unknown, unknown>
  readonly limits: SessionLimits
}

/** What every actor's Layer is given: a nursery of its own, its arguments, and who it is. */
export type Given<Name extends string> = Nursery | Self | ArgumentsOf<Name>

// ---------------------------------------------------------------------------------------------------------------------
// The definition
// ---------------------------------------------------------------------------------------------------------------------

const ProgramTypeId = "~furrow/Actor/Program"

/** Whether a value is a {@link Program}. */
export const isProgram = (u: unknown): u is Program<unknown> =>
  typeof u === "object" && u !== null && ProgramTypeId in u

/** What the machinery knows of any definition. */
export interface AnyDefinition {
  readonly actorName: string
  readonly group: RpcGroup.Any & { readonly requests: ReadonlyMap<string, Rpc.Any> }
  readonly argumentsSchema: Schema.Top
  readonly travelling: ReadonlyArray<AnyTravelling>
  readonly Service: Context.Key<unknown, Handlers>
  readonly Arguments: Context.Key<unknown, unknown>
}

/** An actor: its name, its operations, its arguments, and what follows from them. Made with {@link make}. */
export interface Definition<
  Name extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top
> extends Pick<AnyDefinition, "travelling"> {
  new (_: never): {}
  readonly actorName: Name
  readonly group: RpcGroup.RpcGroup<Ops>
  readonly argumentsSchema: Args
  /** The one service that {@link toLayer} provides: the actor's handlers. */
  readonly Service: Context.Service<Service<Name>, Handlers>
  /** The arguments this life was started with; given to the actor's Layer. */
  readonly Arguments: Context.Service<ArgumentsOf<Name>, Args["Type"]>
  /** A portal to one such actor as a service; given by `Nursery.layer`. */
  readonly Portal: Context.Service<PortalOf<Name>, Portal<Ops>>
  /** The handlers as they are, with their types checked and inferred. */
  of<const H extends HandlersFrom<Ops>>(handlers: H): H
  /**
   * The actor's implementation: builds its state, gives its handlers. May require `Nursery`, and `Self`, and the
   * actor's `Arguments`, which every actor is given.
   */
  toLayer<H extends HandlersFrom<Ops>, E = never, R = never>(
    build: H | Effect.Effect<H, E, R>,
    options?: {
      /**
       * How many handlers may run at once, over all callers of one life; what a parent serves to its children counts
       * for each child. `Rpc.fork` is exempt. Defaults to `"unbounded"`. With a bound, actors that call each other in a
       * circle can wait for ever: give such calls a deadline.
       */
      readonly concurrency?: number | "unbounded" | undefined
    }
  ): Layer.Layer<
    Service<Name>,
    E,
    Exclude<R, Scope.Scope> | RpcGroup.HandlersServices<Ops, H> | Rpc.Middleware<Ops>
  >
  /** The actor as a program that can be run: this definition with its implementation. */
  program<E, R>(
    layer: Layer.Layer<Service<Name>, E, R>,
    options?: {
      /** What the actor's end of its connection takes, where that differs from the defaults of `SessionLimits`. */
      readonly limits?: Partial<SessionLimits> | undefined
    }
  ): Program<Exclude<R, Given<Name>>>
  /** The same actor with an effect/rpc middleware around every operation. */
  middleware<M extends RpcMiddleware.AnyService>(
    middleware: M
  ): Definition<Name, Rpc.AddMiddleware<Ops, M>, Args>
}

/** The operations of a definition. */
export type OperationsOf<D> =
  D extends Definition<infer _Name, infer Ops, infer _Args> ? Ops : never

/**
 * Defines an actor by its name, its operations (`Rpc.make`, `Dialog.make`) and, if it needs any, the arguments it is
 * started with and the references that travel with its calls.
 *
 * The name is the definition's, and the default for each life's own name. A name with control characters or `/`, and
 * two operations of one name, are refused with an error.
 *
 * **Example** (A counter)
 *
 * ```ts
 * const Increment = Rpc.make("Increment", { payload: { by: Schema.Int }, success: Schema.Int })
 * class Counter extends Actor.make("Counter", [Increment], { arguments: { from: Schema.Int } }) {}
 * ```
 */
export const make = <
  const Name extends string,
  const Ops extends ReadonlyArray<Rpc.Any>,
  Args extends Schema.Top | Schema.Struct.Fields = Schema.Void
>(
  name: Name,
  operations: Ops,
  options?: {
    readonly arguments?: Args
    readonly travelling?: ReadonlyArray<AnyTravelling>
  }
): Definition<
  Name,
  Ops[number],
  Args extends Schema.Struct.Fields ? Schema.Struct<Args> : Args
> => {
  assertName(name)
  const group = RpcGroup.make(...operations)
  if (group.requests.size !== operations.length) {
    const names = operations.map((operation) => operation._tag)
    const twice = names.find((tag, index) => names.indexOf(tag) !== index)
    throw new Error(
      `The actor "${name}" has two operations called ${JSON.stringify(twice)}; give one of them another name.`
    )
  }
  const given: Schema.Top | Schema.Struct.Fields = options?.arguments ?? Schema.Void
  return define(
    name,
    group,
    Schema.isSchema(given) ? given : Schema.Struct(given),
    options?.travelling ?? []
    // What was put into the options is what the type says of it.
  ) as never
}

const assertName = (name: string): void => {
  const checked = Schema.decodeUnknownExit(ActorName)(name)
  if (checked._tag === "Failure") {
    throw new Error(
      `This cannot be the name of an actor: "${shown(name)}". A name has 1 to 128 characters, no control characters and no "/".`
    )
  }
}

const define = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top>(
  name: Name,
  group: RpcGroup.RpcGroup<Ops>,
  argumentsSchema: Args,
  travelling: ReadonlyArray<AnyTravelling>
): Definition<Name, Ops, Args> => {
  const service = Context.Service<Service<Name>, Handlers>(`furrow/Actor/${name}`)
  const members: Omit<Definition<Name, Ops, Args>, never> = {
    actorName: name,
    group,
    argumentsSchema,
    travelling,
    Service: service,
    Arguments: Context.Service<ArgumentsOf<Name>, Args["Type"]>(`furrow/Actor/${name}/Arguments`),
    Portal: Context.Service<PortalOf<Name>, Portal<Ops>>(`furrow/Actor/${name}/Portal`),
    of: (handlers) => handlers,
    toLayer: (build, options) =>
      Layer.effect(
        service,
        Effect.gen(function* () {
          const handlers = Effect.isEffect(build) ? yield* build : build
          const ambient = yield* Effect.context<never>()
          const routed = yield* group.toHandlers(routable(group.requests, handlers))
          return {
            context: Context.merge(ambient, routed),
            concurrency: options?.concurrency ?? "unbounded"
          }
        })
      ) as never,
    program: (layer, options) => ({
      [ProgramTypeId]: { _R: identity },
      actor: members,
      layer,
      limits: makeLimits(options?.limits ?? {})
    }),
    middleware: (middleware) =>
      define(name, group.middleware(middleware), argumentsSchema, travelling)
  }
  return Object.assign(class {}, members) as never
}

/**
 * Handlers as effect/rpc's router calls them. A dialog's handler gets the callee's end as its second argument: a
 * front for the dialog that the request's fiber is in.
 */
const routable = (operations: ReadonlyMap<string, Rpc.Any>, handlers: object): never => {
  const routed: Record<string, unknown> = {}
  for (const [tag, handler] of Object.entries(handlers)) {
    const operation = operations.get(tag)
    routed[tag] =
      operation !== undefined && isDialog(operation)
        ? (payload: unknown, options: unknown) =>
            Rpc.wrapMap(handler(payload, calleeFront, options), returning)
        : handler
  }
  return routed as never
}

/** A handler that returns without a first word has broken the contract: a defect of its own fiber, so that here, too, it is known. */
const returning = (handling: Effect.Effect<unknown, unknown, unknown>) =>
  Effect.flatMap(handling, returned)

const returned = (value: unknown) =>
  // One that is answered later may say its first word until then.
  Deferred.isDeferred(value)
    ? Effect.succeed(value)
    : Effect.flatMap(CurrentCallee, (end) => Effect.as(end.returned, value))

const calleeFront = {
  accept: (started: never) => Effect.flatMap(CurrentCallee, (end) => end.accept(started))
}

// ---------------------------------------------------------------------------------------------------------------------
// Without Furrow
// ---------------------------------------------------------------------------------------------------------------------

/** The operations that are no dialogs: those that stock effect/rpc can carry. */
export type CallsAndStreams<Ops extends Rpc.Any> = Ops extends Rpc.Any
  ? [CalleeOf<Ops>] extends [never]
    ? Ops
    : never
  : never

/** An actor's calls and streams as stock effect/rpc takes them, see {@link stock}. */
export interface Stock<Name extends string, Ops extends Rpc.Any> {
  readonly group: RpcGroup.RpcGroup<Ops>
  /** Handlers and middleware out of the actor's own Layer, which they share its state with. */
  readonly handlers: Layer.Layer<Rpc.ToHandler<Ops> | Rpc.Middleware<Ops>, never, Service<Name>>
}

/**
 * An actor's calls and streams for programs without Furrow: `group` for a stock `RpcServer` or `RpcClient`, `handlers`
 * for the server. What Furrow adds (a join on cancel, deadlines, hops, the actor's bound of `concurrency`) is not there;
 * dialogs need a session and are left out.
 *
 * **Example** (A counter behind a stock socket)
 *
 * ```ts
 * const { group, handlers } = Actor.stock(Counter)
 * const Server = RpcServer.layer(group).pipe(
 *   Layer.provide([handlers, RpcServer.layerProtocolSocketServer]),
 *   Layer.provide(CounterLive)
 * )
 * ```
 */
export const stock = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top>(
  actor: Definition<Name, Ops, Args>
): Stock<Name, CallsAndStreams<Ops>> => {
  const operations = [...actor.group.requests.values()].filter((operation) => !isDialog(operation))
  const keys = new Set<string>()
  for (const operation of operations as ReadonlyArray<Rpc.Any>) {
    keys.add(operation.key)
    for (const { key } of (operation as Rpc.AnyWithProps).middlewares) keys.add(key)
  }
  return {
    group: RpcGroup.make(...operations) as never,
    handlers: Layer.effectContext(
      Effect.map(actor.Service, ({ context }) =>
        Context.makeUnsafe(new Map([...context.mapUnsafe].filter(([key]) => keys.has(key))))
      )
    )
  }
}
