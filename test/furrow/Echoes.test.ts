/** Which failures of a block say nothing new. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import { isEcho, reasonsWithin } from "furrow/Echoes"
import { withNotesOf } from "furrow/Exits"
import { Disconnected, PortalError } from "furrow/PortalError"
import { NotJoined } from "furrow/protocol/Reasons"
import { ActorCrashed, CrashCause, ForkFailed } from "furrow/TreeError"

const actor = { path: "root/gone", incarnation: "1" }
const crash = Cause.makeFailReason(new ActorCrashed({ actor, cause: new CrashCause({}) }))
const lost = Cause.makeFailReason(
  new PortalError({ actor: actor.path, reason: new Disconnected({ incarnation: "1" }) })
)
const forkOf = (...reasons: ReadonlyArray<Cause.Reason<unknown>>) =>
  Cause.makeFailReason(new ForkFailed({ cause: Cause.fromReasons(reasons) }))

describe("the failure of a fork", () => {
  it("is an echo if it tells of the loss of an actor whose crash is in hand", () => {
    const fork = forkOf(lost, Cause.makeInterruptReason())
    expect(isEcho(fork, [crash, fork], [])).toBe(true)
    expect(isEcho(fork, [fork], []), "without the crash it is the only word").toBe(false)
  })

  it("leaves what it tells of somebody who was left behind to be noted on the crash", () => {
    const left = { actor, operation: "Talk", waited: 5000 }
    const fork = forkOf(lost, Cause.makeInterruptReason().annotate(Context.make(NotJoined, left)))
    expect(isEcho(fork, [crash, fork], [])).toBe(true)
    const [told, ...others] = withNotesOf(reasonsWithin(fork), [crash])
    expect(others).toEqual([])
    expect(told).toMatchObject({ error: crash.error })
    expect(Context.getOrUndefined(Cause.reasonAnnotations(told!), NotJoined)).toEqual(left)
  })
})
