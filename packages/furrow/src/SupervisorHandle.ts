/**
 * What a supervisor can be asked for while it runs.
 *
 * Answers for the questions and orders, and for each finding the supervisor in whichever life it is: one below another
 * has several. What is done about them is `Supervision`'s, what a portal meets is `SupervisedPortal`'s.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type { ChildSpec } from "./ChildSpec.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import type { Spawner } from "./Spawner.ts"
import * as SupervisedPortal from "./SupervisedPortal.ts"
import type { SupervisedPortalOptions } from "./SupervisedPortal.ts"
import type { Member, Standing, Supervision } from "./Supervision.ts"
import type {
  ActorNames,
  AnySpec,
  Children,
  ChildrenOf,
  OperationsOf,
  SupervisorNames,
  SupervisorSpec
} from "./SupervisorSpec.ts"
import { NurseryClosed, SpawnError } from "./TreeError.ts"
import type { ActorCrashed } from "./TreeError.ts"

/** Any of the children, or one that was added. */
type AnyName<C extends Children> = (keyof C & string) | (string & {})

/** What is known of a child now. */
export interface ChildState {
  readonly name: string
  /**
   * `up`; `starting`; `waiting` for its backoff, or for its turn; `stopping`; `ended` for good by itself; `stopped`
   * because somebody asked for it, or because its supervisor has ended.
   */
  readonly state: Member["state"]
  /** Its present life; absent without one, and for a supervisor. */
  readonly actor: ActorRef | undefined
  /** How often it has been started again. */
  readonly restarts: number
}

/** A supervisor that runs. */
export interface Supervisor<C extends Children> {
  /** The door to a child, which stays valid across its restarts. */
  readonly portal: <K extends ActorNames<C>>(
    name: K,
    options?: SupervisedPortalOptions
  ) => SupervisedPortal.SupervisedPortal<OperationsOf<C[K]>>
  /** A supervisor below, as it is in whichever life of it is there. */
  readonly below: <K extends SupervisorNames<C>>(name: K) => Supervisor<ChildrenOf<C[K]>>
  /**
   * Adds a child, the last in order, and returns when it is up, with its door. What its first start fails with, or dies
   * of, is no crash, and leaves nothing of it; interrupting this while it comes up does neither. It is forgotten when it has been stopped, or has ended for good. Fails with
   * `SpawnError`: `LimitReached` beyond `maxChildren`, `StartFailed` for a name that is taken, `NurseryClosed` when the
   * supervisor is ending.
   */
  readonly start: <Ops extends Rpc.Any, R>(
    name: string,
    spec: ChildSpec<Ops, R>,
    options?: SupervisedPortalOptions
  ) => Effect.Effect<SupervisedPortal.SupervisedPortal<Ops>, SpawnError, Spawner | R>
  /**
   * Stops a child, also one that is coming up or waits for its restart, and returns when it is gone. It stays so until
   * somebody restarts it. Fails with `ActorCrashed` if it failed as it ended. Does nothing to one that is not there.
   * Whoever stops waiting does not keep it from ending.
   */
  readonly stop: (name: AnyName<C>) => Effect.Effect<void, ActorCrashed>
  /**
   * Ends a child's life, if it has one, and starts a new one at once; returns when it is up, or stopped by somebody
   * else. That counts as no crash; not coming up does. Fails with `SpawnError`: `StartFailed` for a name that is not
   * known, `NurseryClosed` when the supervisor is ending. Whoever stops waiting does not stop it.
   */
  readonly restart: (name: AnyName<C>) => Effect.Effect<void, SpawnError>
  /** Every child, in order. */
  readonly list: Effect.Effect<ReadonlyArray<ChildState>>
  /** Stops every child, the last started first, and waits for them; it is no failure. Nothing is started any more. */
  readonly shutDown: Effect.Effect<void>
  /** Waits until the supervisor has ended, and every child with it. */
  readonly ended: Effect.Effect<void>
}

/** Where a supervisor is looked for: one below another has several lives. */
interface Whole {
  readonly path: string
  readonly find: () => Supervision | undefined
  readonly standing: (name: string) => Standing
  readonly until: (holds: () => boolean) => Effect.Effect<void>
}

/** The one at the top of its tree. */
export const top = (supervision: Supervision): Whole => ({
  path: supervision.ref.path,
  find: () => supervision,
  // Those of a supervisor's own children are never forgotten.
  standing: (name) => supervision.standingOf(supervision.member(name)!),
  until: (holds) => supervision.changes.until(holds)
})

const under = (above: Whole, name: string): Whole => {
  const find = () => {
    const standing = above.standing(name)
    return standing._tag === "Up" ? standing.life.below : undefined
  }
  return {
    path: above.path,
    until: above.until,
    find,
    standing: (child) => {
      const supervision = find()
      if (supervision === undefined) return above.standing(name)
      const standing = supervision.standingOf(supervision.member(child)!)
      // What comes after its end is for whoever is above to say, who will know of it in a moment.
      return standing._tag === "Gone" && supervision.isClosing ? { _tag: "Down" } : standing
    }
  }
}

/** What of a spec says how its lives are called. */
const nameOf = (name: string, spec: AnySpec): string =>
  spec._tag === "Actor" ? (spec.options.name ?? name) : name

/** An actor among the children: its name's type says that it is one, and what it serves. */
const actorIn = <C extends Children, K extends ActorNames<C>>(children: C, name: K) =>
  children[name] as unknown as ChildSpec<OperationsOf<C[K]>>

/** A supervisor among the children, as its name's type says. */
const supervisorIn = <C extends Children, K extends SupervisorNames<C>>(children: C, name: K) =>
  children[name] as unknown as SupervisorSpec<ChildrenOf<C[K]>>

/** What may be asked of a supervisor, wherever it is looked for. */
export const handle = <C extends Children>(whole: Whole, children: C): Supervisor<C> => {
  /** Asks the one that is there. */
  const ask = <A, E, R>(
    use: (supervision: Supervision) => Effect.Effect<A, E, R>,
    otherwise: Effect.Effect<A, E>
  ): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const supervision = whole.find()
      return supervision === undefined ? otherwise : use(supervision)
    })
  const closed = (name: string) =>
    Effect.fail(new SpawnError({ actor: `${whole.path}/${name}`, reason: new NurseryClosed() }))
  return {
    portal: (name, options) =>
      SupervisedPortal.make(
        actorIn(children, name),
        {
          path: `${whole.path}/${nameOf(name, children[name]!)}`,
          standing: () => whole.standing(name),
          until: whole.until
        },
        options
      ),
    below: (name) => handle(under(whole, name), supervisorIn(children, name).options.children),
    start: (name, spec, options) =>
      ask(
        (supervision) =>
          Effect.map(supervision.add(name, spec), (member) =>
            SupervisedPortal.make(
              spec,
              {
                path: `${whole.path}/${nameOf(name, spec)}`,
                standing: () => supervision.standingOf(member),
                until: whole.until
              },
              options
            )
          ),
        closed(name)
      ),
    stop: (name) =>
      ask((supervision) => {
        const member = supervision.member(name)
        return member === undefined
          ? Effect.void
          : Effect.flatMap(supervision.remove(member), (reasons) =>
              reasons.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(reasons))
            )
      }, Effect.void),
    restart: (name) => ask((supervision) => supervision.renew(name), closed(name)),
    list: ask(
      ({ isClosing, members }) =>
        Effect.sync(() =>
          members.map(({ life, name, restarts, state }) => ({
            name,
            // Nothing comes back any more.
            state: isClosing && state === "waiting" ? "stopped" : state,
            actor: life?.launched?.ref,
            restarts
          }))
        ),
      Effect.succeed([])
    ),
    shutDown: ask(
      (supervision) =>
        Effect.suspend(() => {
          supervision.stop()
          return supervision.ended
        }),
      Effect.void
    ),
    ended: ask((supervision) => supervision.ended, Effect.void)
  }
}
