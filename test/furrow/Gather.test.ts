/** Opening several things at once, by itself: what is told of those that did not come to it. */
import { assert, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Gather from "furrow/Gather"
import { NotJoined } from "furrow/protocol/Reasons"

it.effect(
  "TRI-3 an opening that is given up, and leaves somebody behind, is told beside what failed",
  () =>
    Effect.gen(function* () {
      const actor = { path: "root/slow", incarnation: "1" }
      const left = Cause.makeInterruptReason().annotate(
        Context.make(NotJoined, { actor, operation: "Talk", waited: 5000 })
      )
      const slow = Effect.uninterruptibleMask((restore) =>
        Effect.andThen(
          Effect.exit(restore(Effect.never)),
          Effect.failCause(Cause.fromReasons([left]))
        )
      )
      const first = Effect.andThen(Effect.yieldNow, Effect.fail("first"))
      const exit = yield* Effect.exit(Effect.scoped(Gather.all([slow, first, Effect.never])))
      assert(Exit.isFailure(exit))
      expect(exit.cause.reasons).toEqual([Cause.makeFailReason("first"), left])
    })
)
