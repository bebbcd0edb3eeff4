/**
 * The two-way operation: its definition, and the two ends that hold one that is open.
 *
 * Answers for the types of both ends and for the block form (`use`). Carrying the words is the session's, routing them
 * to a handler the router's. Calls and streams are plain `Rpc.make`.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"

const LanesTypeId = "~furrow/Dialog/Lanes"

/**
 * The success schema of a dialog, with the schemas of its three other lanes. They stand here, and not on the
 * operation, because effect/rpc rebuilds an operation (`.annotate`, `.prefix`, middleware) and keeps only its schemas.
 */
export interface Lanes<
  Started extends Schema.Constraint,
  FromCaller extends Schema.Constraint,
  FromCallee extends Schema.Constraint,
  Success extends Schema.Constraint
> extends Schema.BottomLazy<SchemaAST.AST, Lanes<Started, FromCaller, FromCallee, Success>> {
  readonly Type: Success["Type"]
  readonly Encoded: Success["Encoded"]
  readonly DecodingServices: Success["DecodingServices"]
  readonly EncodingServices: Success["EncodingServices"]
  readonly Rebuild: Lanes<Started, FromCaller, FromCallee, Success>
  readonly "~type.make.in": Success["Type"]
  readonly "~type.make": Success["Type"]
  readonly Iso: Success["Encoded"]
  readonly [LanesTypeId]: typeof LanesTypeId
  readonly started: Started
  readonly fromCaller: FromCaller
  readonly fromCallee: FromCallee
  readonly success: Success
}

/** The lanes of any dialog. */
export type AnyLanes = Lanes<Schema.Top, Schema.Top, Schema.Top, Schema.Top>

const isLanes = (schema: object): schema is AnyLanes => LanesTypeId in schema

/** The three lanes of an operation beside its result, or nothing for a call or a stream. */
export const lanesOf = (operation: Rpc.Any): AnyLanes | undefined => {
  const { successSchema } = operation as Rpc.AnyWithProps
  return isLanes(successSchema) ? successSchema : undefined
}

/** Whether an operation is a dialog. */
export const isDialog = (operation: Rpc.Any): boolean => lanesOf(operation) !== undefined

/** An operation in which both sides send items, defined with {@link make}. */
export type Dialog<
  Tag extends string,
  Payload extends Schema.Top,
  Started extends Schema.Top,
  FromCaller extends Schema.Top,
  FromCallee extends Schema.Top,
  Success extends Schema.Top,
  Error extends Schema.Top
> = Rpc.Rpc<Tag, Payload, Lanes<Started, FromCaller, FromCallee, Success>, Error>

/**
 * Defines a dialog. `payload` opens it, `started` is the callee's first word, `fromCaller` and `fromCallee` are what
 * each side sends, `success` is the callee's last word and `error` what it may fail with instead. What is left out
 * defaults to `Schema.Void`, `error` and the two lanes of items to `Schema.Never`: a lane that is not named cannot be
 * used.
 *
 * **Example** (A chat room)
 *
 * ```ts
 * const Chat = Dialog.make("Chat", {
 *   payload: { room: Schema.String },
 *   started: Schema.String,
 *   fromCaller: Schema.String,
 *   fromCallee: Schema.String,
 *   success: Schema.Int
 * })
 * ```
 */
export const make = <
  const Tag extends string,
  Payload extends Schema.Top | Schema.Struct.Fields = Schema.Void,
  Started extends Schema.Top = Schema.Void,
  FromCaller extends Schema.Top = Schema.Never,
  FromCallee extends Schema.Top = Schema.Never,
  Success extends Schema.Top = Schema.Void,
  Error extends Schema.Top = Schema.Never
>(
  tag: Tag,
  options?: {
    readonly payload?: Payload
    readonly started?: Started
    readonly fromCaller?: FromCaller
    readonly fromCallee?: FromCallee
    readonly success?: Success
    readonly error?: Error
  }
): Dialog<
  Tag,
  Payload extends Schema.Struct.Fields ? Schema.Struct<Payload> : Payload,
  Started,
  FromCaller,
  FromCallee,
  Success,
  Error
> => {
  const success: Schema.Top = options?.success ?? Schema.Void
  const lanes = Schema.make<AnyLanes>(success.ast, {
    [LanesTypeId]: LanesTypeId,
    started: options?.started ?? Schema.Void,
    fromCaller: options?.fromCaller ?? Schema.Never,
    fromCallee: options?.fromCallee ?? Schema.Never,
    success
  })
  // The one place where what was put into the options becomes what the type says of it.
  return Rpc.make(tag, {
    payload: options?.payload,
    success: lanes,
    error: options?.error
  } as never) as never
}

// ---------------------------------------------------------------------------------------------------------------------
// The caller's end
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The caller's end of an open dialog. `E` is the operation's own error and `PortalError`; once the callee has failed,
 * every word here fails with its failure.
 */
export interface Caller<Started, FromCaller, FromCallee, Success, E> {
  /** The callee's first word. */
  readonly started: Started
  /**
   * Sends one item; waits while the callee has no room for it. Fails with the callee's failure if there is one, else
   * with `PortalError` `Ended` after the callee's end or one's own. A value that does not fit is a defect here.
   */
  readonly send: (item: FromCaller) => Effect.Effect<void, E>
  /** What the callee sends, each item once, in order. May be run again and then goes on where it stopped. */
  readonly messages: Stream.Stream<FromCallee, E>
  /** Sends nothing more; receiving goes on. Doing it twice does nothing. */
  readonly end: Effect.Effect<void>
  /**
   * Asks the callee to stop and waits until it has, at most 5 s by default (see `Deadline.JoinBound`). Then `messages`
   * ends, `exit` is a value, and `result` fails with `Cancelled` by this actor.
   */
  readonly cancel: Effect.Effect<void>
  /** The callee's last word, or its failure. Waits for it; may be asked again. */
  readonly result: Effect.Effect<Success, E>
  /** The same as a value: never fails, waits for the end. */
  readonly exit: Effect.Effect<Exit.Exit<Success, E>>
}

/**
 * What the block and the scoped form need to know of an open dialog beyond what its user sees.
 *
 * @internal
 */
export interface Held<Started, FromCaller, FromCallee, Success, E> {
  readonly caller: Caller<Started, FromCaller, FromCallee, Success, E>
  /**
   * Waits for the end as the caller meets it: a failure that concerns the block, or nothing, if it ended well or as
   * `cancel` asked.
   */
  readonly outcome: Effect.Effect<Exit.Exit<void, E>>
  /** The same, and, if it is no failure, waits until the callee has really ended, also if `cancel` did not. */
  readonly settled: Effect.Effect<Exit.Exit<void, E>>
  /** Cancels a callee that has not ended and joins it. */
  readonly leave: Effect.Effect<Left<E>>
  /**
   * The same for a scope: what the callee fails with while it is left is a defect. A failure from before that nobody has
   * met is told of in an event and a warning.
   */
  readonly release: Effect.Effect<void>
}

/**
 * What was learnt on leaving: what the callee failed with of its own, and, if the join was given up, the note of it.
 *
 * @internal
 */
export interface Left<E> {
  readonly cause: Cause.Cause<E>
  readonly notJoined: Context.Context<never>
}

/** Gives an effect the interruptibility back that a region around it took, as `Effect.uninterruptibleMask` does. */
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Opens a dialog inside an uninterruptible region: it is waited for as `restore` allows, and whoever gets it has it,
 * also if an interruption came at that very moment.
 *
 * @internal
 */
export type Open<Started, FromCaller, FromCallee, Success, E> = (
  restore: Restore
) => Effect.Effect<Held<Started, FromCaller, FromCallee, Success, E>, E>

/**
 * A dialog about to be opened. As an effect it opens the dialog for a scope: leaving the scope cancels a callee that
 * has not ended and joins it. With {@link use} it is opened for a block.
 */
export class Opening<Started, FromCaller, FromCallee, Success, E> extends Effectable.Class<
  Caller<Started, FromCaller, FromCallee, Success, E>,
  E,
  Scope.Scope
> {
  /** @internal */
  readonly open: Open<Started, FromCaller, FromCallee, Success, E>

  /** @internal */
  constructor(open: Open<Started, FromCaller, FromCallee, Success, E>) {
    super()
    this.open = open
  }

  override asEffect(): Effect.Effect<
    Caller<Started, FromCaller, FromCallee, Success, E>,
    E,
    Scope.Scope
  > {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.open(restore), (held) =>
        Effect.withFiber((fiber) => {
          const scope = Context.getUnsafe(fiber.context, Scope.Scope)
          return Effect.as(
            Scope.addFinalizerExit(scope, releasing(held, fiber.context)),
            held.caller
          )
        })
      )
    )
  }
}

/**
 * What a scope keeps of an open dialog. A function of its own, so that it keeps nothing of how the dialog was opened, as
 * `Effect.acquireRelease` does.
 */
const releasing =
  (held: { readonly release: Effect.Effect<void> }, context: Context.Context<never>) =>
  (): Effect.Effect<void> =>
    Effect.provideContext(held.release, context)

/**
 * Holds a dialog for the length of a block, which ends only when both ends have ended; the block's value is its body's.
 *
 * A body that ends well waits, interruptibly, for the callee's last word: a value it did not take with `result` is
 * dropped, a failure fails the block. A body that fails or is interrupted cancels the callee and joins it; what the
 * callee's finalizers failed with is kept after the body's own reasons. A callee that fails meanwhile interrupts the
 * body, and the block fails with the callee's failure.
 *
 * The body is as interruptible as the caller of the block allows: in an uninterruptible region it cannot be ended from
 * outside.
 *
 * **Example** (Saying one thing and taking the result)
 *
 * ```ts
 * const n = yield* chatter.client.Chat({ room: "lobby" }).pipe(
 *   Dialog.use(Effect.fnUntraced(function*(chat) {
 *     yield* chat.send("hello")
 *     yield* chat.end
 *     return yield* chat.result
 *   }))
 * )
 * ```
 */
export const use =
  <Started, FromCaller, FromCallee, Success, E, A, E2, R2>(
    body: (dialog: Caller<Started, FromCaller, FromCallee, Success, E>) => Effect.Effect<A, E2, R2>
  ) =>
  (opening: Opening<Started, FromCaller, FromCallee, Success, E>): Effect.Effect<A, E | E2, R2> =>
    Effect.uninterruptibleMask(
      Effect.fnUntraced(function* (restore) {
        const held = yield* opening.open(restore)
        const running = yield* Effect.forkChild(restore(Effect.suspend(() => body(held.caller))), {
          uninterruptible: "inherit"
        })
        const watching = yield* Effect.forkChild(
          Effect.flatMap(held.outcome, (outcome) =>
            Exit.isFailure(outcome) ? Fiber.interrupt(running) : Effect.void
          )
        )
        // Interrupting the block interrupts the wait; the body is then ended by hand, so that its reasons are kept.
        const waited = yield* Effect.exit(restore(Fiber.await(running)))
        if (Exit.isFailure(waited)) yield* Fiber.interrupt(running)
        const ended = yield* Fiber.await(running)
        const reasons: Array<Cause.Reason<E | E2>> = []
        if (Exit.isFailure(waited)) reasons.push(...waited.cause.reasons)
        if (Exit.isSuccess(ended) && Exit.isSuccess(waited)) {
          const outcome = yield* Effect.exit(restore(held.settled))
          if (Exit.isSuccess(outcome)) {
            yield* Fiber.interrupt(watching)
            return Exit.isSuccess(outcome.value)
              ? ended.value
              : yield* Effect.failCause(outcome.value.cause)
          }
          reasons.push(...outcome.cause.reasons)
        }
        yield* Fiber.interrupt(watching)
        const left = yield* held.leave
        const remote = left.cause.reasons
        if (Exit.isFailure(ended)) {
          // The interruption with which the callee's failure ended the body says nothing that the failure does not.
          const byRemote = remote.length > 0 || Exit.isFailure(waited)
          for (const reason of ended.cause.reasons) {
            if (!(byRemote && Cause.isInterruptReason(reason))) reasons.push(reason)
          }
        }
        for (const reason of remote)
          if (!reasons.some((local) => sameEvent(local, reason))) reasons.push(reason)
        return yield* Effect.failCause(
          Cause.fromReasons(
            reasons.map((reason) =>
              Cause.isInterruptReason(reason) ? reason.annotate(left.notJoined) : reason
            )
          )
        )
      })
    )

/**
 * Whether the two reasons tell of one event: a body that failed with what the callee failed with adds nothing.
 *
 * @internal
 */
export const sameEvent = (a: Cause.Reason<unknown>, b: Cause.Reason<unknown>): boolean =>
  Cause.isFailReason(a) && Cause.isFailReason(b)
    ? a.error === b.error
    : Cause.isDieReason(a) && Cause.isDieReason(b) && a.defect === b.defect

/** @internal */
export const asDefects = (cause: Cause.Cause<unknown>): Cause.Cause<never> =>
  Cause.fromReasons(
    cause.reasons.map((reason) =>
      Cause.isFailReason(reason)
        ? Cause.makeDieReason(reason.error).annotate(Cause.reasonAnnotations(reason))
        : reason
    )
  )

/** @internal */
export const failUnlessEmpty = (cause: Cause.Cause<never>): Effect.Effect<void> =>
  cause.reasons.length === 0 ? Effect.void : Effect.failCause(cause)

// ---------------------------------------------------------------------------------------------------------------------
// The callee's end
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The callee's end of a dialog, as its handler gets it. A callee whose caller leaves, or is gone, is interrupted;
 * therefore nothing here has an error.
 */
export interface Callee<Started, FromCaller, FromCallee> {
  /**
   * Says the first word, and so gives the means to say more. A handler that returns without it has broken the contract
   * (`ContractBroken`), and so has one that says it twice.
   */
  readonly accept: (started: Started) => Effect.Effect<Accepted<FromCaller, FromCallee>>
}

/** What {@link Callee.accept} gives. */
export interface Accepted<FromCaller, FromCallee> {
  /** What the caller sends, each item once, in order, until it ends its side. May be run again and goes on. */
  readonly messages: Stream.Stream<FromCaller>
  /** Sends one item; waits while the caller has no room for it. A value that does not fit is a defect. */
  readonly send: (item: FromCallee) => Effect.Effect<void>
  /** Sends nothing more; receiving goes on. Doing it twice does nothing. */
  readonly end: Effect.Effect<void>
}

/**
 * The dialog that the current fiber answers. A handler meets it as its second argument; `returned` is run when the
 * handler has returned, and is a defect if it must not have.
 *
 * @internal
 */
export class CurrentCallee extends Context.Service<
  CurrentCallee,
  Callee<never, unknown, never> & { readonly returned: Effect.Effect<void> }
>()("furrow/Dialog/CurrentCallee") {}

/** The callee's end of a dialog by its operation, or `never` for a call or a stream. */
export type CalleeOf<R> =
  R extends Rpc.Rpc<infer _Tag, infer _Payload, infer S, infer _Error, infer _M, infer _Q>
    ? [S] extends [Lanes<infer Started, infer FromCaller, infer FromCallee, infer _Success>]
      ? Callee<Started["Type"], FromCaller["Type"], FromCallee["Type"]>
      : never
    : never

/** A dialog's handler, or its caller's program, broke the contract that its types and its laws make. */
export class ContractBroken extends Schema.TaggedError<ContractBroken>()("ContractBroken", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The contract of ${this.operation} was broken: ${this.detail}`
  }
}
