/** Opening several things at once, by itself: what is told of those that did not come to it. */
import { assert, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Gather from "furrow/Gather"
import { NotJoined } from "furrow/protocol/Reasons"

it.effect(
  "TRI-3 what failed tells of an opening that was given up, and has left somebody behind",
  () =>
    Effect.gen(function* () {
      const actor = { path: "root/slow", incarnation: "1" }
      const note = { actor, operation: "Talk", waited: 5000 }
      const left = Cause.makeInterruptReason().annotate(Context.make(NotJoined, note))
      const slow = Effect.uninterruptibleMask((restore) =>
        Effect.andThen(
          Effect.exit(restore(Effect.never)),
          Effect.failCause(Cause.fromReasons([left]))
        )
      )
      const first = Effect.andThen(Effect.yieldNow, Effect.fail("first"))
      const exit = yield* Effect.exit(Effect.scoped(Gather.all([slow, first, Effect.never])))
      assert(Exit.isFailure(exit))
      const [told, ...others] = exit.cause.reasons
      expect(others).toEqual([])
      expect(told).toMatchObject({ error: "first" })
      expect(Context.getOrUndefined(Cause.reasonAnnotations(told!), NotJoined)).toEqual(note)
    })
)
