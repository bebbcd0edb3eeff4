/**
 * What a supervisor has to know of an actor that it keeps alive: how it is started, and when it is started again.
 *
 * Answers for the value and its types only. A spec starts nothing; keeping to it is the supervisor's.
 */
import type * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schema from "effect/Schema"
import type { AnyDefinition, Client, Definition } from "./Actor.ts"
import type { LaunchOptions } from "./launch.ts"
import type { SpawnOptions } from "./Nursery.ts"
import type { PortalError } from "./PortalError.ts"
import type { Restart } from "./RestartPlan.ts"
import { via } from "./Via.ts"

/**
 * When a child is started again, OTP's words: `permanent` (the default) always; `transient` if it did not end normally,
 * which is its process ending by itself with exit code 0 while its root had not failed; `temporary` never. A child that
 * is stopped, by its supervisor or by its portal's `stop`, is not started again, whichever it is.
 *
 * The end of a `significant` child, unless it was asked for or is followed by a restart, may end its supervisor: see
 * `autoShutdown`. A permanent child cannot be significant, because it never ends for good. Defaults to `false`.
 */
export type Keeping =
  | { readonly restart?: "permanent" | undefined; readonly significant?: false | undefined }
  | {
      readonly restart: "transient" | "temporary"
      readonly significant?: boolean | undefined
    }

/** How a child is started and kept: everything that `Nursery.spawn` takes, and {@link Keeping}. */
export type ChildOptions<Args extends Schema.Top, S = never> = SpawnOptions<Args, S> & Keeping

/** The options are required if the actor takes arguments. */
type ChildParameters<Args extends Schema.Top, S> = [Args] extends [Schema.Void]
  ? [options?: ChildOptions<Args, S>]
  : [options: ChildOptions<Args, S>]

declare const Requires: unique symbol

/** What a supervisor knows of any such spec. */
export interface AnyChildSpec {
  readonly _tag: "Actor"
  readonly actor: AnyDefinition
  /** As `Nursery.spawn` has them. */
  readonly options: LaunchOptions
  readonly restart: Restart
  readonly significant: boolean
  /**
   * A client whose operations each find the actor that they go to.
   *
   * @internal
   */
  readonly client: (find: never) => unknown
}

/** How to start one actor, as often as need be; `R` is what its start needs beside a world. Made with {@link make}. */
export interface ChildSpec<Ops extends Rpc.Any, out R = never> extends AnyChildSpec {
  readonly [Requires]?: (_: never) => R
  /** @internal */
  readonly client: (find: () => Effect.Effect<Client<Ops>, PortalError>) => Client<Ops>
}

/**
 * Says how an actor is started and when it is started again. Its life is called what the supervisor calls the child,
 * unless `name` is given.
 *
 * **Example** (A worker that is started again whenever it has crashed)
 *
 * ```ts
 * const counter = ChildSpec.make(Counter, { main: new URL("./counter.main.ts", import.meta.url), arguments: { from: 40 } })
 * ```
 */
export const make = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top, S = never>(
  actor: Definition<Name, Ops, Args>,
  ...[given]: ChildParameters<Args, S>
): ChildSpec<Ops, Rpc.MiddlewareClient<Ops> | S> => {
  const {
    restart = "permanent",
    significant = false,
    ...options
  }: LaunchOptions & Keeping = given ?? {}
  return {
    _tag: "Actor",
    actor,
    options,
    restart,
    significant,
    client: (find) => via(actor, find)
  }
}
