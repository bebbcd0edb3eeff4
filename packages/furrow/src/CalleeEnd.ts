/**
 * The callee's end of a dialog, as its handler holds it.
 *
 * Answers for the order of words that types cannot keep: `accept` once, nothing after `end`. Values are its own, the
 * credit and the lanes are the session's.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Stream from "effect/Stream"
import { ContractBroken } from "./Dialog.ts"
import type { Accepted } from "./Dialog.ts"
import type { DialogEnd } from "./DialogEnd.ts"
import { mapKnown } from "./Known.ts"
import type { LaneCodec, Operation } from "./Operations.ts"

/**
 * The items of a lane as a stream: each is taken out of the window when the next is asked for. It ends with the other
 * end's `End`. A handler whose caller is gone without one is interrupted, also here: it must not take the loss of its
 * caller for the end of what that had to say.
 */
export const itemsOf = (end: DialogEnd, lane: LaneCodec<unknown>): Stream.Stream<unknown> =>
  Stream.fromPull(Effect.succeed(new ItemPull(end, lane)))

/** The next item of a lane. It waits for itself, so that there is nothing else to keep while it does. */
class ItemPull extends Effectable.Class<readonly [unknown], Cause.Done> {
  private readonly from: DialogEnd
  private readonly lane: LaneCodec<unknown>

  constructor(from: DialogEnd, lane: LaneCodec<unknown>) {
    super()
    this.from = from
    this.lane = lane
  }

  override asEffect(): Effect.Effect<readonly [unknown], Cause.Done> {
    const { from, lane } = this
    const taken = from.takeNow(1)
    if (taken === undefined) return from.awaitItem(this)
    const [bytes] = taken
    if (bytes !== undefined) return mapKnown(lane.decode(bytes), (item) => [item] as const)
    return from.state.role === "callee" && !from.state.receiveEnded
      ? Effect.interrupt
      : Cause.done()
  }
}

/** What a handler has once it has said its first word. */
class Speaker implements Accepted<unknown, unknown> {
  readonly #callee: DialogCallee

  constructor(callee: DialogCallee) {
    this.#callee = callee
  }

  get messages(): Stream.Stream<unknown> {
    const { end, operation } = this.#callee
    return itemsOf(end, operation.fromCaller)
  }

  /** Handlers take it out of the dialog. */
  readonly send = (item: unknown): Effect.Effect<void> => {
    const { end, limit, operation } = this.#callee
    return Effect.flatMap(operation.fromCallee.encode(item, limit), (bytes) =>
      Effect.flatMap(end.send(bytes), (refusal) =>
        refusal === undefined
          ? Effect.void
          : refusal === "ended"
            ? this.#callee.broken("its handler sent an item after it had ended its side")
            : // The caller is gone, and this handler's interruption is on its way.
              Effect.interrupt
      )
    )
  }

  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.#callee.end.endSending())
  }
}

/** The handler's end of a dialog. What can be said in it is made when it is asked for: there may be many dialogs. */
export class DialogCallee {
  readonly operation: Operation
  readonly end: DialogEnd
  /** The longest value that the caller takes, in bytes. */
  readonly limit: number

  constructor(operation: Operation, end: DialogEnd, limit: number) {
    this.operation = operation
    this.end = end
    this.limit = limit
  }

  /** Says the first word. */
  accept(started: unknown): Effect.Effect<Accepted<unknown, unknown>> {
    const { end, limit, operation } = this
    return Effect.flatMap(operation.started.encode(started, limit), (payload) =>
      Effect.suspend(() => {
        if (end.state.started) return this.broken("its handler called accept twice")
        if (end.state.exited) return Effect.interrupt
        end.say({ _tag: "Started", id: 0, window: end.window, payload })
        return Effect.succeed(new Speaker(this))
      })
    )
  }

  /** The handler has returned. */
  get returned(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { cancelled, exited, started } = this.end.state
      // One whose caller has gone need not say a first word any more.
      return started || cancelled || exited
        ? Effect.void
        : this.broken("its handler returned without having called accept")
    })
  }

  /** @internal */
  broken(detail: string): Effect.Effect<never> {
    return Effect.die(new ContractBroken({ operation: this.operation.name, detail }))
  }
}
