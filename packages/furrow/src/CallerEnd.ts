/**
 * The caller's end of an open dialog, as its program holds it, and as the block or the scope does that it is open in.
 *
 * Answers for what each word of the program means once the callee has ended, or this end has had enough. When that is
 * so, and how it is waited for, is the ticket's. There may be many dialogs, and most of what can be said in one is not:
 * it is made when it is asked for.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { itemsOf } from "./CalleeEnd.ts"
import { asDefects, failUnlessEmpty } from "./Dialog.ts"
import type { Caller, Held, Left } from "./Dialog.ts"
import type { DialogEnd } from "./DialogEnd.ts"
import { portalError } from "./LastWord.ts"
import { Cancelled, DeadlineExceeded, Ended } from "./PortalError.ts"
import type { PortalErrorReason } from "./PortalError.ts"
import type { Outgoing } from "./Session.ts"
import type { Final, Ticket } from "./Ticket.ts"

/** What the program has. */
class Program implements Caller<unknown, unknown, unknown, unknown, unknown> {
  readonly started: unknown
  /** Somebody who holds the dialog has met its end. */
  hasMet = false
  readonly #ticket: Ticket
  readonly #end: DialogEnd
  #send: Caller<unknown, unknown, unknown, unknown, unknown>["send"] | undefined

  constructor(ticket: Ticket, end: DialogEnd, started: unknown) {
    this.#ticket = ticket
    this.#end = end
    this.started = started
  }

  get exit(): Effect.Effect<Final> {
    return Effect.map(this.#ticket.ended, (final) => {
      this.hasMet = true
      return final
    })
  }

  get result(): Effect.Effect<unknown, unknown> {
    return Effect.flatten(this.exit)
  }

  /** Programs take it out of the dialog. */
  get send(): (item: unknown) => Effect.Effect<void, unknown> {
    return (this.#send ??= (item) => this.#sending(item))
  }

  #sending(item: unknown): Effect.Effect<void, unknown> {
    const { operation, session } = this.#ticket
    return Effect.flatMap(operation.fromCaller.encode(item, session.valueLimit), (bytes) =>
      Effect.flatMap(this.#end.send(bytes), (refusal) =>
        refusal === undefined
          ? Effect.void
          : refusal === "ended" && !this.#ticket.isOver
            ? this.#fail(new Ended())
            : Effect.flatMap(this.exit, (final) =>
                Exit.isFailure(final) ? final : this.#fail(new Ended())
              )
      )
    )
  }

  get messages(): Stream.Stream<unknown, unknown> {
    return Stream.concat(
      itemsOf(this.#end, this.#ticket.operation.fromCallee),
      Stream.unwrap(Effect.suspend(() => this.#runOut()))
    )
  }

  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.#end.endSending())
  }

  get cancel(): Effect.Effect<void> {
    const ticket = this.#ticket
    return ticket.conclude("cancel", () => new Cancelled({ by: ticket.life.self }))
  }

  #fail(reason: PortalErrorReason): Effect.Effect<never, unknown> {
    const { actor, operation } = this.#ticket
    return Effect.failCause(portalError(operation, actor.path, reason))
  }

  /**
   * The items have run out: because the time had passed before all were taken, because the callee said so, because
   * `cancel` was asked for, or because it is over.
   */
  #runOut(): Effect.Effect<Stream.Stream<never>, unknown> {
    const { cut, state } = this.#end
    const { why } = this.#ticket
    if (cut && why === "deadline") {
      // The callee may have ended well all the same: it could not know yet that nobody took what it had sent.
      return Effect.flatMap(this.exit, (final) =>
        Exit.isFailure(final) ? Effect.failCause(final.cause) : this.#fail(new DeadlineExceeded())
      )
    }
    if (state.receiveEnded || (why === "cancel" && !state.exited)) {
      return Effect.succeed(Stream.empty)
    }
    // The callee's failure, if it has one that was not asked for.
    return Effect.flatMap(this.exit, (final) =>
      Exit.isFailure(final) && !this.#ticket.endedAsAsked(final)
        ? Effect.failCause(final.cause)
        : Effect.succeed(Stream.empty)
    )
  }
}

/** What a block or a scope holds, once the callee has said its first word. */
export class HeldDialog implements Held<unknown, unknown, unknown, unknown, unknown> {
  readonly caller: Program
  readonly #ticket: Ticket

  constructor(ticket: Ticket, { end }: Outgoing, started: unknown) {
    this.#ticket = ticket
    this.caller = new Program(ticket, end, started)
  }

  get outcome(): Effect.Effect<Exit.Exit<void, unknown>> {
    return Effect.map(this.#ticket.ended, (final) => this.#concerning(final))
  }

  get settled(): Effect.Effect<Exit.Exit<void, unknown>> {
    return Effect.flatMap(this.outcome, (known) =>
      Exit.isFailure(known)
        ? Effect.succeed(known)
        : Effect.map(this.#ticket.calleeEnded, (final) => this.#concerning(final))
    )
  }

  get leave(): Effect.Effect<Left<unknown>> {
    return this.#ticket.leave("left")
  }

  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const ticket = this.#ticket
      // A scope has no channel for typed errors: what the callee fails with as it is left becomes a defect.
      if (!ticket.isGone) {
        return Effect.flatMap(this.leave, ({ cause }) => failUnlessEmpty(asDefects(cause)))
      }
      return Effect.flatMap(ticket.ended, (final) =>
        this.caller.hasMet || Exit.isSuccess(final) ? Effect.void : ticket.tellFailure(final.cause)
      )
    })
  }

  #concerning(final: Final): Exit.Exit<void, unknown> {
    return Exit.isSuccess(final) || this.#ticket.endedAsAsked(final)
      ? Exit.void
      : Exit.failCause(final.cause)
  }
}
