/**
 * A client whose operations each find the actor that they go to when they are run.
 *
 * Answers for an operation keeping what it found for exactly as long as it lasts: a call until it has answered, a
 * stream until its consumer has left, a dialog until both ends have ended. Which actor that is, and what is to be done
 * when there is none, is said by whoever makes the client: a supervisor, a pool, a cluster.
 */
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CallOptions, Client, Definition } from "./Actor.ts"
import { Opening } from "./Dialog.ts"
import type { PortalError } from "./PortalError.ts"
import { kindOf } from "./Operations.ts"
import type * as Schema from "effect/Schema"

/** One operation that is about to be run, for whoever chooses where. */
export interface Running {
  readonly operation: string
  readonly payload: unknown
}

/**
 * Says at once what is to be done when the operation has ended, however it ends; the last word counts. It is done
 * whether or not something was found.
 */
export type Hold = (release: Effect.Effect<unknown>) => void

/** What is held, and its end: asked twice, it does nothing more. */
class Holding {
  private release: Effect.Effect<unknown> = Effect.void
  readonly hold: Hold = (release) => {
    this.release = release
  }
  readonly end: Effect.Effect<unknown> = Effect.suspend(() => {
    const { release } = this
    this.release = Effect.void
    return release
  })
}

/**
 * Runs an effect that may hold something until it has ended. Beside a scope it costs next to nothing.
 *
 * @internal
 */
export const holding = <A, E, R>(
  body: (hold: Hold) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const { end, hold } = new Holding()
    return Effect.ensuring(body(hold), end)
  })

/** A client's method, whatever its types: what it gives is an effect, a stream or an opening. */
type AnyMethod<Out> = (payload: unknown, options?: CallOptions) => Out

/**
 * Makes a client that runs `find` for each operation, in the fiber that runs the operation, and goes through what that
 * gives. What `find` holds is released when the operation has ended.
 *
 * @internal
 */
export const via = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top, E>(
  actor: Definition<Name, Ops, Args>,
  find: (running: Running, hold: Hold) => Effect.Effect<Client<Ops>, E>
): Client<Ops, PortalError | E> => {
  const methods = [...actor.group.requests.values()].map((operation: Rpc.Any) => {
    const { _tag: tag } = operation
    const look = (payload: unknown, hold: Hold) => find({ operation: tag, payload }, hold)
    /** The method of the client that was found. */
    const method = <Out>(client: Client<Ops>) =>
      (client as unknown as Readonly<Record<string, AnyMethod<Out>>>)[tag]!
    const kinds = {
      call: (payload: unknown, options?: CallOptions) =>
        holding((hold) =>
          Effect.flatMap(look(payload, hold), (client) =>
            method<Effect.Effect<unknown, unknown>>(client)(payload, options)
          )
        ),
      stream: (payload: unknown, options?: CallOptions) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const { end, hold } = new Holding()
            yield* Scope.addFinalizer(yield* Effect.scope, end)
            return method<Stream.Stream<unknown, unknown>>(yield* look(payload, hold))(
              payload,
              options
            )
          })
        ),
      dialog: (payload: unknown, options?: CallOptions) =>
        opening((hold) =>
          Effect.map(look(payload, hold), (client) => method<AnyOpening>(client)(payload, options))
        )
    }
    return [tag, kinds[kindOf(operation)]] as const
  })
  // One method for each operation, each as its kind has it.
  return Object.fromEntries(methods) as never
}

type AnyOpening = Opening<unknown, unknown, unknown, unknown, unknown>

/** A dialog through something that is found, and held until both ends have ended. */
const opening = (find: (hold: Hold) => Effect.Effect<AnyOpening, unknown>): AnyOpening =>
  new Opening((restore) =>
    Effect.gen(function* () {
      const { end, hold } = new Holding()
      const held = yield* restore(Effect.suspend(() => find(hold))).pipe(
        Effect.flatMap((found) => found.open(restore)),
        Effect.onError(() => end)
      )
      return {
        caller: held.caller,
        outcome: held.outcome,
        // Whoever waits for this may be interrupted; what has begun to end, ends.
        settled: Effect.tap(held.settled, () => Effect.uninterruptible(end)),
        leave: Effect.ensuring(held.leave, end),
        release: Effect.ensuring(held.release, end)
      }
    })
  )
