/**
 * One call, stream or dialog from its caller's side: from before its Open is written until its end is known.
 *
 * Answers for leaving as a join: cancel, then wait for the callee's last word, within a bound, and say so if the bound
 * has passed. How the words are routed is the router's.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { RequestId } from "effect/rpc/RpcMessage"
import { sameEvent } from "./Dialog.ts"
import type { Left } from "./Dialog.ts"
import type { CallerEnd, CancelWord } from "./DialogEnd.ts"
import * as Events from "./Events.ts"
import { isKnown, Later } from "./Known.ts"
import { hear, portalError } from "./LastWord.ts"
import * as Life from "./Life.ts"
import type { Operation } from "./Operations.ts"
import { Cancelled, DeadlineExceeded, PortalError } from "./PortalError.ts"
import type { PortalErrorReason } from "./PortalError.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { NotJoined } from "./protocol/Reasons.ts"
import type { CallerListener, Outgoing, Session } from "./Session.ts"

/** The end of an operation as its caller meets it: its own errors and `PortalError` are typed in the client's methods. */
export type Final = Exit.Exit<unknown, unknown>

/** Why a caller cancels: it leaves, its program asked for it, or the time that was given has passed. */
export type Why = "left" | "cancel" | "deadline"

/** What all tickets of a client share. */
export interface Calling {
  readonly session: Session
  /** The actor that is called. */
  readonly actor: ActorRef
  readonly life: Life.Life
  readonly runFork: (effect: Effect.Effect<void>) => void
  /** Hands an end to whoever asked the router. */
  readonly answer: (requestId: RequestId, end: Final) => void
  /** Hands items to whoever asked the router for a stream, as there is room for them. */
  readonly deliver: (requestId: RequestId, items: ReadonlyArray<unknown>) => Effect.Effect<void>
}

/** See the module. */
export class Ticket implements CallerListener {
  readonly operation: Operation
  readonly calling: Calling
  /** Set once the Open has been handed to the session. */
  outgoing: Outgoing | undefined
  /** The router's number for it, once it has one. */
  requestId: RequestId | undefined
  /** Is told of the end, once, outside of any fiber. Defaults to answering the router's request. */
  onFinal: ((final: Final) => void) | undefined
  /** The caller has left before there was a dialog. */
  isLeft = false
  private readonly final = new Later<Final>()
  /** Known when the callee is known to have ended; the end that its caller meets may be known before, if it gave up. */
  private readonly gone = new Later<Final>()
  /** There, while somebody waits for it, or has not taken it yet. */
  private first: Later<Uint8Array | undefined> | undefined
  private cancelledFor: Why | undefined
  /** What this end met itself, and cancelled for. */
  private given: Cause.Cause<unknown> | undefined

  constructor(operation: Operation, calling: Calling) {
    this.operation = operation
    this.calling = calling
  }

  get session(): Session {
    return this.calling.session
  }

  /** The actor that is called. */
  get actor(): ActorRef {
    return this.calling.actor
  }

  get life(): Life.Life {
    return this.calling.life
  }

  /** The key under which a ticket travels through the client router, from the method to the session. */
  static readonly Current = Context.Service<Ticket>("furrow/Ticket")

  /** Waits for the end. */
  get ended(): Effect.Effect<Final> {
    return this.final.wait
  }

  /** Whether the end is known. */
  get isOver(): boolean {
    return this.final.value !== undefined
  }

  /** Whether the callee is known to have ended. */
  get isGone(): boolean {
    return this.gone.value !== undefined
  }

  /** Why this end has cancelled it, if it has. */
  get why(): Why | undefined {
    return this.cancelledFor
  }

  /** Waits until the callee is known to have ended, and gives its end. */
  get calleeEnded(): Effect.Effect<Final> {
    return this.gone.wait
  }

  /** Waits for the callee's first word, once; `undefined` if the dialog ended without one. */
  get started(): Effect.Effect<Uint8Array | undefined> {
    if (this.first === undefined && this.isOver) return Effect.undefined
    const { wait } = (this.first ??= new Later())
    return Effect.map(wait, (payload) => {
      // It would keep the chunk that it came in for as long as the dialog.
      this.first = undefined
      return payload
    })
  }

  /** The callee's first word has come. */
  onStarted(payload: Uint8Array): void {
    ;(this.first ??= new Later()).tell(payload)
  }

  /** The callee has ended; what its end is to the caller may have to be found out. */
  onEnd(end: CallerEnd): void {
    const final = hear(this, end)
    if (isKnown(final)) this.heard(final.value)
    else this.calling.runFork(Effect.map(final, (known) => this.heard(known)))
  }

  private heard(end: Final): void {
    // Known before anybody who waits goes on.
    this.gone.know(end)
    this.finish(end)
    this.gone.tell(end)
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
    if (this.outgoing === undefined) this.gone.know(end)
    this.final.tell(final)
    this.first?.tell(undefined)
    if (this.onFinal !== undefined) this.onFinal(final)
    else this.answer(final)
    if (this.outgoing === undefined) this.gone.tell(end)
  }

  /** Answers the router's request. */
  answer(end: Final): void {
    if (this.requestId !== undefined) this.calling.answer(this.requestId, end)
  }

  /** Ends it because of what this end met: cancels, joins, and ends with that Cause first, whatever the callee says. */
  fail(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.given ??= cause
      return Effect.map(this.leave("left"), () => this.finish(Exit.failCause(Cause.empty)))
    })
  }

  /** Cancels a callee that has not ended. */
  cancel(why: Why, timeLeft?: number): void {
    if (this.outgoing === undefined || this.isGone) return
    this.cancelledFor ??= why
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

  private cancelWord(why: Why, timeLeft: number | undefined): CancelWord {
    const { self, stopping } = this.life
    return {
      // Whoever has this actor stopped has what it does left; what it cancels itself is its own word.
      by: why === "left" ? (stopping?.by ?? self) : self,
      hops: stopping?.hops ?? [],
      ...(timeLeft === undefined || timeLeft === Infinity ? {} : { timeLeft })
    }
  }

  /** Whether `cancel` was asked for by the dialog's user, and the callee did as it was asked. */
  endedAsAsked(final: Final): boolean {
    return (
      this.cancelledFor === "cancel" &&
      Exit.isFailure(final) &&
      isCancelledBy(final.cause, this.life.self)
    )
  }

  /**
   * Cancels, and waits for the callee's end within the bound. Gives what the callee failed with of its own, and, if the
   * bound has passed, the note of it; then it also says so in an event and a warning.
   */
  leave(why: Why): Effect.Effect<Left<unknown>> {
    return Effect.gen({ self: this }, function* () {
      const goneWith = this.gone.value
      if (goneWith !== undefined) {
        // What the callee failed with after this end had given it up is still to be told.
        const known = this.ownReasons(yield* this.ended).reasons
        const late = withoutMachinery(goneWith).reasons
        const unknown = late.filter((reason) => !known.some((other) => sameEvent(other, reason)))
        return left(Cause.fromReasons([...known, ...unknown]))
      }
      // The end of the time that was given has been met, and waited for, once.
      if (this.cancelledFor === "deadline" && this.isOver)
        return left(this.ownReasons(yield* this.ended))
      if (this.outgoing === undefined) return left(Cause.empty)
      const { outgoing } = this
      const before = yield* Life.now
      const actor = this.actor.path
      const operation = this.operation.rpc._tag
      const joined = yield* Life.waitFor(
        this.calleeEnded,
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
        const cause = withoutMachinery(yield* this.calleeEnded)
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
    return this.cancelledFor === undefined || this.cancelledFor === "deadline"
      ? final.cause
      : withoutMachinery(final)
  }

  /** Tells of a failure that nobody else would tell of. */
  tellFailure(cause: Cause.Cause<unknown>): Effect.Effect<void> {
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
    return this.conclude("deadline", () => new DeadlineExceeded())
  }

  /** Cancels and joins; a callee that has not ended by then is given up, and this is the end all the same. */
  conclude(why: "cancel" | "deadline", reason: () => PortalErrorReason): Effect.Effect<void> {
    return Effect.flatMap(this.leave(why), ({ notJoined }) =>
      Effect.sync(() =>
        this.finish(
          Exit.failCause(
            Cause.annotate(portalError(this.operation, this.actor.path, reason()), notJoined)
          )
        )
      )
    )
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
