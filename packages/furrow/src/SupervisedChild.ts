/**
 * What a supervisor knows of one child: the spec, the life it is in, and why it is not there if it is not.
 *
 * Answers for the values only; they change in `Supervision`.
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import type { Nursery } from "./NurseryKey.ts"
import type { PortalErrorReason } from "./PortalError.ts"
import type { Spawner } from "./Spawner.ts"
import type { LastWords, Living } from "./SupervisedLife.ts"
import type { AnySpec } from "./SupervisorSpec.ts"
import type { Crash, SpawnError } from "./TreeError.ts"

/** What is known of one child. */
export class Member<Below> {
  readonly name: string
  readonly spec: AnySpec
  /** What a child that was added at run time is started with; absent for the others. */
  readonly added: Context.Context<Nursery | Spawner> | undefined
  /** Why it is not there, and not to be: it has ended for good, or was stopped. */
  resting: { readonly how: "ended" | "stopped"; readonly crash?: Crash | undefined } | undefined
  life: Living<Below> | undefined
  /** The end of its life is the supervisor's doing: nobody has to act on it. */
  expected = false
  birth: Fiber.Fiber<unknown> | undefined
  everUp = false
  /** When its life, or its last one, came up. */
  upSince = 0
  restarts = 0
  /** Its place in the backoff; none at its beginning. */
  step: Step | undefined
  /** Why it did not come up when it was added. */
  refused: Cause.Cause<SpawnError> | undefined
  /** What its last start failed with as it was ended before it was there. */
  undone: LastWords = []

  constructor(name: string, spec: AnySpec, added?: Context.Context<Nursery | Spawner>) {
    this.name = name
    this.spec = spec
    this.added = added
  }

  /** There, and to be there. */
  get isUp(): boolean {
    return this.life !== undefined && !this.expected
  }

  /** What it is doing, for whoever asks. */
  get state(): "up" | "starting" | "waiting" | "stopping" | "ended" | "stopped" {
    if (this.life !== undefined) return this.expected ? "stopping" : "up"
    if (this.resting !== undefined) return this.resting.how
    return this.birth === undefined ? "waiting" : "starting"
  }
}

type Step = (now: number, crash: Crash) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

/** Whether a child can be called now. */
export type Standing<Below> =
  | { readonly _tag: "Up"; readonly life: Living<Below> }
  /** It comes back, or may. */
  | { readonly _tag: "Down" }
  | { readonly _tag: "Gone"; readonly reason: PortalErrorReason }
