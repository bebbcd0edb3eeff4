/**
 * A live, typed door to one running actor.
 *
 * Answers for the door to the actor's own parent. Doors to children come from `Nursery.spawn`; what goes through a door
 * is the router's.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schema from "effect/Schema"
import type { Client, Definition, Portal, Self } from "./Actor.ts"
import type { Life } from "./Life.ts"
import { makeClient } from "./Routers.ts"
import type { Session } from "./Session.ts"

export type { ActorExit, Portal } from "./Actor.ts"

/**
 * The connection to whoever spawned this actor; none in a root.
 *
 * @internal
 */
export const ParentSession = Context.Reference<
  { readonly session: Session; readonly life: Life } | undefined
>("furrow/Portal/ParentSession", { defaultValue: () => undefined })

/** The door to the actor's parent: it can be called, not stopped. */
export type ParentPortal<Ops extends Rpc.Any> = Pick<Portal<Ops>, "client" | "actor">

/**
 * The door to the actor that spawned this one, over the connection they share. What the parent does not serve (spawn
 * option `serve`) fails with `PortalError` `Unimplemented`. In a root, which has no parent, it is a defect.
 *
 * **Example** (Telling the parent)
 *
 * ```ts
 * const root = yield* Portal.parent(Root)
 * yield* root.client.Report({ done: 3 })
 * ```
 */
export const parent = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top>(
  actor: Definition<Name, Ops, Args>
): Effect.Effect<ParentPortal<Ops>, never, Self | Rpc.MiddlewareClient<Ops>> =>
  Effect.flatMap(ParentSession, (above) => {
    const ref = above?.life.self.ancestors.at(-1)
    if (above === undefined || ref === undefined) {
      return Effect.die(
        new Error(
          `There is no parent to call ${actor.actorName} on: this is the root of its tree. Portal.parent is for actors that were spawned.`
        )
      )
    }
    return Effect.map(makeClient(actor, above.session, ref, above.life), (client) => ({
      client: client as Client<Ops>,
      actor: ref
    }))
  })
