/**
 * The door to a child of a supervisor, which stays valid whichever life the child is in.
 *
 * Answers for an operation finding the life that is there when it is run, and for what it meets when there is none.
 * Nothing is sent twice: an operation that was under way when a life ended fails.
 */
import * as Deadline from "./Deadline.ts"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type { Client, Portal } from "./Actor.ts"
import type { ChildSpec } from "./ChildSpec.ts"
import { DeadlineExceeded, Disconnected, PortalError } from "./PortalError.ts"
import type { PortalErrorReason } from "./PortalError.ts"
import type { Standing } from "./Supervision.ts"

/** How a supervised portal behaves. */
export interface SupervisedPortalOptions {
  /**
   * What an operation does that is run while the child is down: it fails with `Disconnected` at once (`fail`, the
   * default), or waits for the next life (`wait`), as long as its deadline, or an interruption, allows.
   */
  readonly whenDown?: "fail" | "wait" | undefined
}

/**
 * A door to a supervised child that stays valid across its restarts. What is under way when a life ends fails with
 * `PortalError` `Disconnected`, what is run later reaches the next life. Once the child is not started again it fails:
 * with `Cancelled` if it, or its supervisor, was stopped on purpose, else with `Disconnected`.
 */
export interface SupervisedPortal<Ops extends Rpc.Any> {
  /** One method per operation. */
  readonly client: Client<Ops>
  /** The portal of the present life; if there is none, as for an operation. */
  readonly current: Effect.Effect<Portal<Ops>, PortalError>
}

/** Where a child is looked for. */
export interface Lookup {
  /** The path that its lives have. */
  readonly path: string
  readonly standing: () => Standing
  readonly until: (holds: () => boolean) => Effect.Effect<void>
}

/**
 * Makes the door to whatever is found.
 *
 * @internal
 */
export const make = <Ops extends Rpc.Any, R>(
  spec: ChildSpec<Ops, R>,
  lookup: Lookup,
  { whenDown = "fail" }: SupervisedPortalOptions = {}
): SupervisedPortal<Ops> => {
  const fail = (reason: PortalErrorReason) =>
    Effect.fail(new PortalError({ actor: lookup.path, reason }))
  /** The life is there, or nobody can say any more that it is not. */
  const answers = (standing: Standing): boolean =>
    standing._tag === "Gone" ||
    (standing._tag === "Up" && (whenDown === "fail" || standing.life.launched?.isEnding() !== true))
  const find: Effect.Effect<Portal<Ops>, PortalError> = Effect.suspend(() => {
    const standing = lookup.standing()
    switch (standing._tag) {
      case "Gone":
        return fail(standing.reason)
      case "Down":
        return whenDown === "fail"
          ? fail(new Disconnected({ detail: "it is down; its supervisor starts it again" }))
          : waiting
      case "Up":
        return answers(standing)
          ? // The spec that it was started from says what it serves.
            Effect.succeed(standing.life.launched!.portal as unknown as Portal<Ops>)
          : waiting
    }
  })
  const next = lookup.until(() => answers(lookup.standing()))
  const waiting = Effect.flatMap(Deadline.left, (left) =>
    left === undefined
      ? next
      : Effect.raceFirst(
          next,
          Effect.andThen(Effect.sleep(left), () => fail(new DeadlineExceeded()))
        )
  ).pipe(Effect.andThen(() => find))
  return { client: spec.client(() => Effect.map(find, ({ client }) => client)), current: find }
}
