/**
 * A client whose operations each find the actor that they go to when they are run.
 *
 * Answers for an operation keeping what it found for exactly as long as it lasts: a call until it has answered, a
 * stream until its consumer has left, a dialog until both ends have ended. Which actor that is, and what is to be done
 * when there is none, is said by whoever makes the client: a supervisor, a pool, a cluster.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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

/** A client's method, whatever its types: what it gives is an effect, a stream or an opening. */
type AnyMethod<Out> = (payload: unknown, options?: CallOptions) => Out

/**
 * Makes a client that runs `find` for each operation, in the fiber that runs the operation, and goes through what that
 * gives. What `find` acquires in its scope is released when the operation has ended.
 *
 * @internal
 */
export const via = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top, E>(
  actor: Definition<Name, Ops, Args>,
  find: (running: Running) => Effect.Effect<Client<Ops>, E, Scope.Scope>
): Client<Ops, PortalError | E> => {
  const methods = [...actor.group.requests.values()].map((operation: Rpc.Any) => {
    const { _tag: tag } = operation
    /** The method of the client that was found. */
    const found = <Out>(payload: unknown) =>
      Effect.map(
        find({ operation: tag, payload }),
        (client) => (client as unknown as Readonly<Record<string, AnyMethod<Out>>>)[tag]!
      )
    const kinds = {
      call: (payload: unknown, options?: CallOptions) =>
        Effect.scoped(
          Effect.flatMap(found<Effect.Effect<unknown, unknown>>(payload), (method) =>
            method(payload, options)
          )
        ),
      stream: (payload: unknown, options?: CallOptions) =>
        Stream.unwrap(
          Effect.map(found<Stream.Stream<unknown, unknown>>(payload), (method) =>
            method(payload, options)
          )
        ),
      dialog: (payload: unknown, options?: CallOptions) =>
        opening(Effect.map(found<AnyOpening>(payload), (method) => method(payload, options)))
    }
    return [tag, kinds[kindOf(operation)]] as const
  })
  // One method for each operation, each as its kind has it.
  return Object.fromEntries(methods) as never
}

type AnyOpening = Opening<unknown, unknown, unknown, unknown, unknown>

/** A dialog through something that is found, and held until both ends have ended. */
const opening = (find: Effect.Effect<AnyOpening, unknown, Scope.Scope>): AnyOpening =>
  new Opening((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const close = Scope.close(scope, Exit.void)
      const held = yield* restore(Effect.provideService(find, Scope.Scope, scope)).pipe(
        Effect.flatMap((found) => found.open(restore)),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      return {
        caller: held.caller,
        outcome: held.outcome,
        settled: Effect.tap(held.settled, () => close),
        leave: Effect.ensuring(held.leave, close),
        release: Effect.ensuring(held.release, close)
      }
    })
  )
