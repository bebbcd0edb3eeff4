/**
 * One call, stream or dialog from its caller's side: from before its Open is written until its end is known.
 *
 * Answers for leaving as a join: cancel, then wait for the callee's last word, within a bound, and say so if the bound
 * has passed. How the words are routed is the router's.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { itemsOf } from "./CalleeEnd.ts"
import { asDefects, failUnlessEmpty, sameEvent } from "./Dialog.ts"
import type { Caller, Held, Left } from "./Dialog.ts"
import type { CallerEnd, CancelWord } from "./DialogEnd.ts"
import * as Events from "./Events.ts"
import { hear, portalError } from "./LastWord.ts"
import * as Life from "./Life.ts"
import type { Operation } from "./Operations.ts"
import { Cancelled, DeadlineExceeded, Ended, PortalError } from "./PortalError.ts"
import type { PortalErrorReason } from "./PortalError.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { NotJoined } from "./protocol/Reasons.ts"
import type { Outgoing, Session } from "./Session.ts"

/** The end of an operation as its caller meets it: its own errors and `PortalError` are typed in the client's methods. */
export type Final = Exit.Exit<unknown, unknown>

/** See the module. */
export class Ticket {
  readonly operation: Operation
  readonly session: Session
  /** The actor that is called. */
  readonly actor: ActorRef
  readonly life: Life.Life
  /** Set once the Open has been handed to the session. */
  outgoing: Outgoing | undefined
  /** Is told of the end, once, outside of any fiber. */
  onFinal: (final: Final) => void = () => {}
  private readonly final = Deferred.makeUnsafe<Final>()
  /** Done when the callee is known to have ended; the end that its caller meets may be known before, if it gave up. */
  private readonly gone = Deferred.makeUnsafe<Final>()
  /** The same, known before anybody who waits goes on. */
  private goneWith: Final | undefined
  private readonly first = Deferred.makeUnsafe<Uint8Array | undefined>()
  private why: "left" | "cancel" | "deadline" | undefined
  /** What this end met itself, and cancelled for. */
  private given: Cause.Cause<unknown> | undefined

  constructor(operation: Operation, session: Session, actor: ActorRef, life: Life.Life) {
    this.operation = operation
    this.session = session
    this.actor = actor
    this.life = life
  }

  /** The key under which a ticket travels through the client router, from the method to the session. */
  static readonly Current = Context.Service<Ticket>("furrow/Ticket")

  /** Waits for the end. */
  get ended(): Effect.Effect<Final> {
    return Deferred.await(this.final)
  }

  /** Whether the end is known. */
  get isOver(): boolean {
    return Deferred.isDoneUnsafe(this.final)
  }

  /** Waits for the callee's first word; `undefined` if the dialog ended without one. */
  get started(): Effect.Effect<Uint8Array | undefined> {
    return Deferred.await(this.first)
  }

  /** The callee's first word has come. */
  onStarted(payload: Uint8Array): void {
    Deferred.doneUnsafe(this.first, Exit.succeed(payload))
  }

  /** What the end is to the caller. */
  hear(end: CallerEnd): Effect.Effect<Final> {
    return hear(this.operation, end, {
      session: this.session,
      actor: this.actor.path,
      self: this.life.self,
      why: this.why
    })
  }

  /** The callee has ended. */
  heard(end: Final): void {
    this.goneWith = end
    this.finish(end)
    Deferred.doneUnsafe(this.gone, Exit.succeed(end))
  }

  /** The end is known now; the first one counts. */
  finish(end: Final): void {
    const final =
      this.given === undefined
        ? end
        : Exit.failCause(
            Cause.fromReasons([...this.given.reasons, ...this.ownReasons(end).reasons])
          )
    if (this.isOver) return
    if (this.outgoing === undefined) this.goneWith = end
    Deferred.doneUnsafe(this.final, Exit.succeed(final))
    Deferred.doneUnsafe(this.first, Exit.succeed(undefined))
    this.onFinal(final)
    if (this.outgoing === undefined) Deferred.doneUnsafe(this.gone, Exit.succeed(end))
  }

  /** Ends it because of what this end met: cancels, joins, and ends with that Cause first, whatever the callee says. */
  fail(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.given ??= cause
      return Effect.map(this.leave("left"), () => this.finish(Exit.failCause(Cause.empty)))
    })
  }

  /** Cancels a callee that has not ended. */
  cancel(why: "left" | "cancel" | "deadline", timeLeft?: number): void {
    if (this.outgoing === undefined || this.goneWith !== undefined) return
    this.why ??= why
    this.outgoing.cancel(this.cancelWord(why, timeLeft))
  }

  /** Cancels a callee that has not ended, because its caller has left; joining it is `leave`'s. */
  get abandon(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const patience = yield* Life.joinPatience(this.life)
      const left = yield* Life.timeLeft(yield* Life.gracesOf(this.life))
      this.cancel("left", patience(left))
    })
  }

  private cancelWord(
    why: "left" | "cancel" | "deadline",
    timeLeft: number | undefined
  ): CancelWord {
    const { self, stopping } = this.life
    return {
      // Whoever has this actor stopped has what it does left; what it cancels itself is its own word.
      by: why === "left" ? (stopping?.by ?? self) : self,
      hops: stopping?.hops ?? [],
      ...(timeLeft === undefined || timeLeft === Infinity ? {} : { timeLeft })
    }
  }

  /** Whether `cancel` was asked for by the dialog's user, and the callee did as it was asked. */
  private endedAsAsked(final: Final): boolean {
    return (
      this.why === "cancel" && Exit.isFailure(final) && isCancelledBy(final.cause, this.life.self)
    )
  }

  /**
   * Cancels, and waits for the callee's end within the bound. Gives what the callee failed with of its own, and, if the
   * bound has passed, the note of it; then it also says so in an event and a warning.
   */
  leave(why: "left" | "cancel" | "deadline"): Effect.Effect<Left<unknown>> {
    return Effect.gen({ self: this }, function* () {
      if (this.goneWith !== undefined) {
        // What the callee failed with after this end had given it up is still to be told.
        const known = this.ownReasons(yield* this.ended).reasons
        const late = withoutMachinery(this.goneWith).reasons
        const unknown = late.filter((reason) => !known.some((other) => sameEvent(other, reason)))
        return left(Cause.fromReasons([...known, ...unknown]))
      }
      // The end of the time that was given has been met, and waited for, once.
      if (this.why === "deadline" && this.isOver) return left(this.ownReasons(yield* this.ended))
      if (this.outgoing === undefined) return left(Cause.empty)
      const { outgoing } = this
      const before = yield* Life.now
      const actor = this.actor.path
      const operation = this.operation.rpc._tag
      const joined = yield* Life.waitFor(
        Deferred.await(this.gone),
        yield* Life.gracesOf(this.life),
        yield* Life.joinPatience(this.life),
        (wait, again) =>
          Effect.sync(() => {
            if (again) outgoing.hurry(this.cancelWord(why, wait))
            else this.cancel(why, wait)
          })
      ).pipe(
        Life.telling(this.life, (time) => ({
          waits: [{ actor, for: "callee", operation, millis: time - before }],
          more: 0
        }))
      )
      if (joined) {
        const cause = withoutMachinery(yield* Deferred.await(this.gone))
        if (cause.reasons.length > 0) yield* this.tellFailure(cause)
        return left(cause)
      }
      const waited = Math.round((yield* Life.now) - before)
      const note = { actor: this.actor, operation: this.operation.rpc._tag, waited }
      const fiber = Fiber.getCurrent()?.id ?? 0
      yield* Events.publish({ _tag: "NotJoined", fiber, ...note })
      yield* Effect.logWarning(
        `Left ${this.operation.rpc._tag} of "${this.actor.path}" without having seen its end: it was cancelled ${waited} ms ago and has not ended (fiber #${fiber}).`
      )
      return { cause: Cause.empty, notJoined: Context.make(NotJoined, note) }
    })
  }

  /** What concerns whoever leaves: once this end has left or cancelled, the machinery's words say nothing new. */
  private ownReasons(final: Final): Cause.Cause<unknown> {
    if (Exit.isSuccess(final)) return Cause.empty
    return this.why === undefined || this.why === "deadline" ? final.cause : withoutMachinery(final)
  }

  private tellFailure(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Effect.andThen(
      Events.publish({
        _tag: "FailedWhileEnding",
        actor: this.actor,
        operation: this.operation.rpc._tag,
        cause
      }),
      Effect.logWarning(
        `${this.operation.rpc._tag} of "${this.actor.path}" failed, and its caller had left or did not ask.`,
        cause
      )
    )
  }

  /** At the end of the time that was given: cancels, joins, and ends with `DeadlineExceeded` in any case. */
  expire(): Effect.Effect<void> {
    return this.conclude("deadline", new DeadlineExceeded())
  }

  /** Cancels and joins; a callee that has not ended by then is given up, and this is the end all the same. */
  private conclude(why: "cancel" | "deadline", reason: PortalErrorReason): Effect.Effect<void> {
    return Effect.flatMap(this.leave(why), ({ notJoined }) =>
      Effect.sync(() =>
        this.finish(
          Exit.failCause(
            Cause.annotate(portalError(this.operation, this.actor.path, reason), notJoined)
          )
        )
      )
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // A dialog's caller
  // -------------------------------------------------------------------------------------------------------------------

  /** What a block or a scope holds, once the callee has said its first word. */
  hold(outgoing: Outgoing, started: unknown): Held<unknown, unknown, unknown, unknown, unknown> {
    const { end } = outgoing
    const { fromCaller, fromCallee } = this.operation
    /** Somebody who holds the dialog has met its end. */
    let met = false
    const ending = Effect.map(this.ended, (final) => {
      met = true
      return final
    })

    /** The callee's failure, if it has one that was not asked for. */
    const failure = Effect.flatMap(ending, (final) =>
      Exit.isFailure(final) && !this.endedAsAsked(final)
        ? Effect.failCause(final.cause)
        : Effect.void
    )
    const ended = Effect.failCause(portalError(this.operation, this.actor.path, new Ended()))
    /** The callee may have ended well all the same: it could not know yet that nobody took what it had sent. */
    const expired = Effect.flatMap(ending, (final) =>
      Effect.failCause(
        Exit.isFailure(final)
          ? final.cause
          : portalError(this.operation, this.actor.path, new DeadlineExceeded())
      )
    )

    const caller: Caller<unknown, unknown, unknown, unknown, unknown> = {
      started,
      send: (item) =>
        Effect.flatMap(fromCaller.encode(item, this.session.valueLimit), (bytes) =>
          Effect.flatMap(end.send(bytes), (refusal) =>
            refusal === undefined
              ? Effect.void
              : refusal === "ended" && !this.isOver
                ? ended
                : Effect.flatMap(ending, (final) => (Exit.isFailure(final) ? final : ended))
          )
        ),
      messages: Stream.concat(
        itemsOf(end, fromCallee),
        // The items have run out: because the time had passed before all were taken, because the callee said so, because
        // `cancel` was asked for, or because it is over.
        Stream.unwrap(
          Effect.suspend(() =>
            end.cut && this.why === "deadline"
              ? expired
              : end.state.receiveEnded || (this.why === "cancel" && !end.state.exited)
                ? Effect.succeed(Stream.empty)
                : Effect.as(failure, Stream.empty)
          )
        )
      ),
      end: Effect.sync(() => end.endSending()),
      cancel: this.conclude("cancel", new Cancelled({ by: this.life.self })),
      result: Effect.flatten(ending),
      exit: ending
    }
    const concerning = (final: Final): Exit.Exit<void, unknown> =>
      Exit.isSuccess(final) || this.endedAsAsked(final) ? Exit.void : Exit.failCause(final.cause)
    const outcome = Effect.map(this.ended, concerning)
    return {
      caller,
      outcome,
      settled: Effect.flatMap(outcome, (known) =>
        Exit.isFailure(known)
          ? Effect.succeed(known)
          : Effect.map(Deferred.await(this.gone), concerning)
      ),
      leave: this.leave("left"),
      release: Effect.suspend(() => {
        // A scope has no channel for typed errors: what the callee fails with as it is left becomes a defect.
        if (this.goneWith === undefined) {
          return Effect.flatMap(this.leave("left"), ({ cause }) =>
            failUnlessEmpty(asDefects(cause))
          )
        }
        return Effect.flatMap(this.ended, (final) =>
          met || Exit.isSuccess(final) ? Effect.void : this.tellFailure(final.cause)
        )
      })
    }
  }
}

const withoutMachinery = (final: Final): Cause.Cause<unknown> =>
  Exit.isSuccess(final)
    ? Cause.empty
    : Cause.fromReasons(
        final.cause.reasons.filter(
          (reason) => !(Cause.isFailReason(reason) && reason.error instanceof PortalError)
        )
      )

const left = (cause: Cause.Cause<unknown>): Left<unknown> => ({ cause, notJoined: Context.empty() })

const isCancelledBy = (cause: Cause.Cause<unknown>, by: ActorRef): boolean =>
  cause.reasons.every(
    (reason) =>
      Cause.isFailReason(reason) &&
      reason.error instanceof PortalError &&
      reason.error.reason instanceof Cancelled &&
      reason.error.reason.by.incarnation === by.incarnation
  )
