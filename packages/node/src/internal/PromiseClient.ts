/**
 * The typed client of an actor as a program without Effect has it: calls are promises, streams async iterables, dialogs
 * objects of both.
 *
 * Answers for that shape, for what is thrown, and for an `AbortSignal` being a cancel that is joined. What an operation
 * does is the client's that it is made from.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Headers from "effect/http/Headers"
import type * as Rpc from "effect/rpc/Rpc"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CallOptions as EffectCallOptions, Client as EffectClient } from "furrow/Actor"
import { Opening } from "furrow/Dialog"
import type { Caller } from "furrow/Dialog"

// ---------------------------------------------------------------------------------------------------------------------
// Types
// ---------------------------------------------------------------------------------------------------------------------

/** What can be said with a single call. */
export interface CallOptions {
  /**
   * Aborting it cancels the callee, waits until that has ended (5 s at most), and rejects with the signal's reason. A
   * dialog is left as a whole.
   */
  readonly signal?: AbortSignal | undefined
  /** Headers for the callee's middleware and handler. */
  readonly headers?: Headers.Input | undefined
}

/** The caller's end of an open dialog. */
export interface Dialog<Started, FromCaller, FromCallee, Success> extends AsyncDisposable {
  /** The callee's first word. */
  readonly started: Started
  /** Sends one item; resolves when the callee has room for it. */
  readonly send: (item: FromCaller) => Promise<void>
  /** What the callee sends, each item once, in order. Iterated again, it goes on where it stopped. */
  readonly messages: AsyncIterable<FromCallee>
  /** Sends nothing more; receiving goes on. */
  readonly end: () => Promise<void>
  /** Asks the callee to stop and waits until it has. */
  readonly cancel: () => Promise<void>
  /** The callee's last word. */
  readonly result: () => Promise<Success>
  /** Leaves the dialog: cancels a callee that has not ended, and waits until it has. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** What an operation gives, as a program without Effect has it. */
type PromiseOf<Out> =
  Out extends Opening<
    infer Started,
    infer FromCaller,
    infer FromCallee,
    infer Success,
    infer _Error
  >
    ? Promise<Dialog<Started, FromCaller, FromCallee, Success>>
    : Out extends Stream.Stream<infer A, infer _E, infer _R>
      ? AsyncIterable<A>
      : Out extends Effect.Effect<infer A, infer _E, infer _R>
        ? Promise<A>
        : never

/** One method of a client, as a program without Effect has it. */
type PromiseMethod<Method> = Method extends (
  payload: infer Payload,
  options?: EffectCallOptions
) => infer Out
  ? (payload: Payload, options?: CallOptions) => PromiseOf<Out>
  : never

/** A typed client: one method per operation. */
export type Client<Ops extends Rpc.Any> = {
  readonly [Tag in keyof EffectClient<Ops>]: PromiseMethod<EffectClient<Ops>[Tag]>
}

// ---------------------------------------------------------------------------------------------------------------------
// What is thrown
// ---------------------------------------------------------------------------------------------------------------------

const errorsOf = (reason: Cause.Reason<unknown>): ReadonlyArray<unknown> =>
  Cause.isFailReason(reason) ? [reason.error] : Cause.isDieReason(reason) ? [reason.defect] : []

/**
 * A failure as it is thrown: the one error that it is, or an `AggregateError` of several, in their order. An
 * interruption that the signal has asked for is the signal's reason.
 */
export const thrown = (cause: Cause.Cause<unknown>, signal?: AbortSignal): unknown => {
  const aborted =
    signal?.aborted === true && cause.reasons.some(Cause.isInterruptReason)
      ? [signal.reason as unknown]
      : []
  const errors = [...aborted, ...cause.reasons.flatMap(errorsOf)]
  if (errors.length === 1) return errors[0]
  if (errors.length === 0) {
    return Object.assign(new Error("It was interrupted: its tree is ending."), {
      name: "AbortError"
    })
  }
  const texts = errors.map((error) => (error instanceof Error ? error.message : String(error)))
  return new AggregateError(errors, `${errors.length} errors: ${texts.join("; ")}`)
}

// ---------------------------------------------------------------------------------------------------------------------
// Values
// ---------------------------------------------------------------------------------------------------------------------

/** Runs an effect of a tree as a promise. */
export type Run<R> = <A, E>(effect: Effect.Effect<A, E, R>, signal?: AbortSignal) => Promise<A>

/** The way to run effects with these services. */
export const runIn =
  <R>(context: Context.Context<R>): Run<R> =>
  async (effect, signal) => {
    signal?.throwIfAborted()
    const options = signal === undefined ? {} : { signal }
    const exit = await Effect.runPromiseExitWith(context)(effect, options)
    if (Exit.isSuccess(exit)) return exit.value
    throw thrown(exit.cause, signal)
  }

/** The same promise; what it rejects with that is told elsewhere is no error of the process if nobody looks at it. */
export const quiet = <A>(promise: Promise<A>, isTold: (error: unknown) => boolean): Promise<A> => {
  const same = new Promise<A>((resolve, reject) => {
    promise.then(resolve, (error: unknown) => {
      if (isTold(error)) same.catch(() => {})
      reject(error)
    })
  })
  return same
}

/** Fails with the signal's reason when it is aborted. */
const aborted = (signal: AbortSignal): Effect.Effect<never, unknown> =>
  Effect.callback((resume) => {
    const onAbort = () => resume(Effect.fail(signal.reason as unknown))
    if (signal.aborted) return onAbort()
    signal.addEventListener("abort", onAbort)
    return Effect.sync(() => signal.removeEventListener("abort", onAbort))
  })

/** A stream as something to be iterated; each time anew. */
export const iterable = <A, E>(
  stream: Stream.Stream<A, E>,
  signal?: AbortSignal
): AsyncIterable<A> =>
  Stream.toAsyncIterable(
    (signal === undefined ? stream : Stream.interruptWhen(stream, aborted(signal))).pipe(
      Stream.catchCause((cause) => Stream.fail(thrown(cause, signal)))
    )
  )

/** Makes promises quiet in the way of one client. */
type Quietly = <A>(promise: Promise<A>) => Promise<A>

type AnyOpening = Opening<unknown, unknown, unknown, unknown, unknown>
type AnyDialog = Dialog<unknown, unknown, unknown, unknown>

const openDialog = async (
  opening: AnyOpening,
  run: Run<never>,
  quietly: Quietly,
  signal: AbortSignal | undefined
): Promise<AnyDialog> => {
  const scope = Scope.makeUnsafe()
  const caller: Caller<unknown, unknown, unknown, unknown, unknown> = await run(
    Effect.provideService(opening.asEffect(), Scope.Scope, scope).pipe(
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    ),
    signal
  )
  let left: Promise<void> | undefined
  const leave = () => (left ??= quietly(run(Scope.close(scope, Exit.void))))
  // Whoever disposes of the dialog is told how that went.
  const onAbort = () => void leave().catch(() => {})
  signal?.addEventListener("abort", onAbort)
  // It may have been aborted when the dialog was open, and nobody listened yet.
  if (signal?.aborted === true) {
    await leave()
    signal.throwIfAborted()
  }
  return {
    started: caller.started,
    send: (item) => quietly(run(caller.send(item), signal)),
    messages: iterable(caller.messages, signal),
    end: () => quietly(run(caller.end)),
    cancel: () => quietly(run(caller.cancel)),
    result: () => quietly(run(caller.result, signal)),
    [Symbol.asyncDispose]: () => {
      signal?.removeEventListener("abort", onAbort)
      return leave()
    }
  }
}

/** A method of a client, whatever its types. */
type AnyMethod = (
  payload: unknown,
  options: EffectCallOptions
) => AnyOpening | Stream.Stream<unknown, unknown> | Effect.Effect<unknown, unknown>

/** The same client, for a program without Effect; what `isTold` of its failures may go unseen (see {@link quiet}). */
export const make = <Ops extends Rpc.Any>(
  client: EffectClient<Ops>,
  operations: Iterable<string>,
  run: Run<never>,
  isTold: (error: unknown) => boolean
): Client<Ops> => {
  const methods = client as unknown as Readonly<Record<string, AnyMethod>>
  const quietly: Quietly = (promise) => quiet(promise, isTold)
  const promised = Array.from(operations, (tag) => {
    const method = (payload: unknown, { headers, signal }: CallOptions = {}) => {
      const out = methods[tag]!(payload, { headers })
      if (Stream.isStream(out)) return iterable(out, signal)
      return quietly(
        out instanceof Opening ? openDialog(out, run, quietly, signal) : run(out, signal)
      )
    }
    return [tag, method] as const
  })
  // One method for each operation, each as its kind has it.
  return Object.fromEntries(promised) as never
}
