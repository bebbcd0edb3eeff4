/**
 * The callee's end of a dialog, as its handler holds it.
 *
 * Answers for the order of words that types cannot keep: `accept` once, nothing after `end`. Values are its own, the
 * credit and the lanes are the session's.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ContractBroken } from "./Dialog.ts"
import type { Accepted, CurrentCallee } from "./Dialog.ts"
import type { DialogEnd } from "./DialogEnd.ts"
import type { LaneCodec, Operation } from "./Operations.ts"

/**
 * The items of a lane as a stream: each is taken out of the window when the next is asked for. It ends with the other
 * end's `End`. A handler whose caller is gone without one is interrupted, also here: it must not take the loss of its
 * caller for the end of what that had to say.
 */
export const itemsOf = (end: DialogEnd, lane: LaneCodec<unknown>): Stream.Stream<unknown> =>
  Stream.fromPull(
    Effect.succeed(
      Effect.flatMap(end.take(1), ([bytes]) =>
        bytes === undefined
          ? end.state.role === "callee" && !end.state.receiveEnded
            ? Effect.interrupt
            : Cause.done()
          : Effect.map(lane.decode(bytes), (item) => [item] as const)
      )
    )
  )

/** The handler's end of a dialog; `limit` is the longest value that the caller takes, in bytes. */
export const make = (
  operation: Operation,
  end: DialogEnd,
  limit: number
): CurrentCallee["Service"] => {
  const broken = (detail: string) =>
    Effect.die(new ContractBroken({ operation: operation.name, detail }))

  const accepted: Accepted<unknown, unknown> = {
    messages: itemsOf(end, operation.fromCaller),
    send: (item) =>
      Effect.flatMap(operation.fromCallee.encode(item, limit), (bytes) =>
        Effect.flatMap(end.send(bytes), (refusal) =>
          refusal === undefined
            ? Effect.void
            : refusal === "ended"
              ? broken("its handler sent an item after it had ended its side")
              : // The caller is gone, and this handler's interruption is on its way.
                Effect.interrupt
        )
      ),
    end: Effect.sync(() => end.endSending())
  }

  return {
    accept: (started: unknown) =>
      Effect.flatMap(operation.started.encode(started, limit), (payload) =>
        Effect.suspend(() => {
          if (end.state.started) return broken("its handler called accept twice")
          if (end.state.exited) return Effect.interrupt
          end.say({ _tag: "Started", id: 0, window: end.window, payload })
          return Effect.succeed(accepted)
        })
      ),
    returned: Effect.suspend(() =>
      // One whose caller has gone need not say a first word any more.
      end.state.started || end.state.cancelled || end.state.exited
        ? Effect.void
        : broken("its handler returned without having called accept")
    )
  }
}
