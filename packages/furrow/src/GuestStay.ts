/**
 * One stay of a guest: code that is not Effect, from its start until it has ended, or is left behind.
 *
 * Answers for what the guest is given (its signal, its end of the channel), for what its end means, and for asking it to
 * stop and waiting for that, within a bound that is said when it has passed. What a host makes of it is `Guest`'s.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Self } from "./Actor.ts"
import { ContractBroken } from "./Dialog.ts"
import * as Events from "./Events.ts"
import { GuestCancelled, GuestEnded } from "./GuestEnds.ts"
import type { Channel, Code, Guest, GuestOptions, Host } from "./GuestEnds.ts"
import { reasonsOf } from "./Exits.ts"
import { Later } from "./Known.ts"
import * as Life from "./Life.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { GuestLeft } from "./protocol/Reasons.ts"
import * as Waits from "./Waits.ts"

/** See {@link GuestOptions}; in milliseconds. */
const DefaultPatience = 3000

/** See {@link GuestOptions}. */
const DefaultWindow = 64

/** How long a guest that was ended by force may take to be gone, in milliseconds. */
const ForcePatience = 1000

// ---------------------------------------------------------------------------------------------------------------------
// One stay
// ---------------------------------------------------------------------------------------------------------------------

/** What guests of any platform end with when they were aborted. */
const isAbortError = (error: unknown): boolean => {
  try {
    return (
      typeof error === "object" && error !== null && "name" in error && error.name === "AbortError"
    )
  } catch {
    // A value that does not like to be looked at is an error like any other.
    return false
  }
}

/** An error as platforms throw it at whoever they abort. */
const abortError = (message: string): Error =>
  Object.assign(new Error(message), { name: "AbortError" })

/** What is known of a guest's own end once its host has gone on. */
interface Left<E> {
  readonly cause: Cause.Cause<E>
  /** The note of it, if it was left behind. */
  readonly note: Context.Context<never>
}

/** See the module. */
export class Stay<Started, FromHost, FromGuest, A, E> {
  readonly name: string
  /** How it ended; interrupted, if it did as it was asked. */
  readonly ended = new Later<Exit.Exit<A, E | GuestCancelled>>()
  private readonly actor: ActorRef
  private readonly life: Life.Life | undefined
  private readonly options: GuestOptions<E>
  /** In milliseconds. */
  private readonly patience: number
  private readonly controller = new AbortController()
  private readonly first = Deferred.makeUnsafe<Started, E | GuestCancelled>()
  private readonly toGuest: Queue.Queue<FromHost, Cause.Done>
  private readonly toHost: Queue.Queue<FromGuest, E | GuestCancelled | Cause.Done>
  private readonly runPromiseExit: <B, F>(effect: Effect.Effect<B, F>) => Promise<Exit.Exit<B, F>>

  private constructor(
    name: string,
    given: {
      readonly actor: ActorRef
      readonly life: Life.Life | undefined
      readonly options: GuestOptions<E>
      readonly patience: number
      readonly toGuest: Queue.Queue<FromHost, Cause.Done>
      readonly toHost: Queue.Queue<FromGuest, E | GuestCancelled | Cause.Done>
      readonly context: Context.Context<never>
    }
  ) {
    this.name = name
    this.actor = given.actor
    this.life = given.life
    this.options = given.options
    this.patience = given.patience
    this.toGuest = given.toGuest
    this.toHost = given.toHost
    this.runPromiseExit = Effect.runPromiseExitWith(given.context)
  }

  /** Starts a guest. Whoever does has to `leave` it. */
  static begin<Started, FromHost, FromGuest, A, E>(
    name: string,
    code: Code<Started, FromHost, FromGuest, A>,
    options: GuestOptions<E>
  ): Effect.Effect<Stay<Started, FromHost, FromGuest, A, E>, never, Self> {
    return Effect.gen(function* () {
      const { incarnation, path } = yield* Self
      const { patience = DefaultPatience, window = DefaultWindow } = options
      const stay = new Stay<Started, FromHost, FromGuest, A, E>(name, {
        actor: { path, incarnation },
        life: yield* Life.CurrentLife,
        options,
        // Read now: what is none is told before the guest runs.
        patience: Duration.toMillis(Duration.fromInputUnsafe(patience)),
        toGuest: yield* Queue.bounded<FromHost, Cause.Done>(window),
        toHost: yield* Queue.bounded<FromGuest, E | GuestCancelled | Cause.Done>(window),
        context: yield* Effect.context<never>()
      })
      stay.run(code)
      return stay
    })
  }

  private run(code: Code<Started, FromHost, FromGuest, A>): void {
    let isStarted = false
    const host: Host<Started, FromHost, FromGuest> = {
      signal: this.controller.signal,
      started: (value) => {
        if (isStarted) throw this.contractBroken("it has said its first word twice")
        isStarted = true
        Deferred.doneUnsafe(this.first, Exit.succeed(value))
        return this.channel
      }
    }
    // A throw before the first `await` is a rejection like any other.
    const running = (async () => code(host))()
    void running.then(
      (value) => this.over(this.isAborted ? asked : Exit.succeed(value)),
      (error: unknown) => this.over(this.failure(error))
    )
  }

  private get isAborted(): boolean {
    return this.controller.signal.aborted
  }

  private contractBroken(detail: string): ContractBroken {
    return new ContractBroken({ operation: `the guest "${this.name}"`, detail })
  }

  private failure(error: unknown): Exit.Exit<never, E | GuestCancelled> {
    if (this.isAborted && (error === this.controller.signal.reason || isAbortError(error))) {
      return asked
    }
    if (isAbortError(error)) {
      return Exit.fail(new GuestCancelled({ guest: this.name, cause: error }))
    }
    if (this.options.catch === undefined) return Exit.die(error)
    try {
      return Exit.fail(this.options.catch(error))
    } catch (defect) {
      return Exit.die(defect)
    }
  }

  private over(exit: Exit.Exit<A, E | GuestCancelled>): void {
    // Known before anybody who waits goes on.
    this.ended.know(exit)
    Deferred.doneUnsafe(
      this.first,
      Exit.isFailure(exit)
        ? Exit.failCause(exit.cause)
        : Exit.die(
            this.contractBroken(
              "it has returned without having said its first word; call `started` before"
            )
          )
    )
    Queue.shutdownUnsafe(this.toGuest)
    if (Exit.isFailure(exit)) Queue.failCauseUnsafe(this.toHost, exit.cause)
    else Queue.endUnsafe(this.toHost)
    this.ended.tell(exit)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The guest's end
  // -------------------------------------------------------------------------------------------------------------------

  private get channel(): Channel<FromHost, FromGuest> {
    return {
      send: (item) => {
        const sending = this.sendToHost(item)
        // A guest that does not look whether it was heard is none that has failed.
        sending.catch(() => {})
        return sending
      },
      messages: { [Symbol.asyncIterator]: () => ({ next: () => this.takeFromHost() }) }
    }
  }

  private async sendToHost(item: FromGuest): Promise<void> {
    const sent = await this.runPromiseExit(Queue.offer(this.toHost, item))
    if (!(Exit.isSuccess(sent) && sent.value)) throw this.refusal
  }

  private async takeFromHost(): Promise<IteratorResult<FromHost>> {
    const taken = await this.runPromiseExit(Queue.take(this.toGuest))
    if (Exit.isSuccess(taken)) return { done: false, value: taken.value }
    if (Pull.isDoneCause(taken.cause)) return { done: true, value: undefined }
    throw this.refusal
  }

  /** Why a guest can neither send nor take. */
  private get refusal(): unknown {
    return this.isAborted
      ? this.controller.signal.reason
      : new Error(`The guest "${this.name}" has ended: nothing is left of its channel.`)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The host's end
  // -------------------------------------------------------------------------------------------------------------------

  /** Waits for the first word, and gives the host's end with it. */
  get opened(): Effect.Effect<
    Guest<Started, FromHost, FromGuest, A, E | GuestCancelled>,
    E | GuestCancelled
  > {
    return Effect.map(Deferred.await(this.first), (started) => ({
      name: this.name,
      started,
      send: (item) =>
        Effect.flatMap(Queue.offer(this.toGuest, item), (taken) =>
          taken ? Effect.void : Effect.suspend(() => this.notTaken())
        ),
      messages: Stream.fromPull(Effect.succeed(Effect.map(this.take, Arr.of))),
      end: Effect.asVoid(Queue.end(this.toGuest)),
      result: Effect.flatten(this.ended.wait)
    }))
  }

  /** Takes one item of the guest. */
  get take(): Effect.Effect<FromGuest, E | GuestCancelled | Cause.Done> {
    return Queue.take(this.toHost)
  }

  private notTaken(): Effect.Effect<never, E | GuestCancelled | GuestEnded> {
    const end = this.ended.value
    return end !== undefined && Exit.isFailure(end)
      ? Effect.failCause(end.cause)
      : Effect.fail(new GuestEnded({ guest: this.name }))
  }

  /** Whether it has ended by failing, other than as it was asked. */
  get hasFailed(): boolean {
    const end = this.ended.value
    return end !== undefined && end !== asked && Exit.isFailure(end)
  }

  /** Waits until it has failed; for ever, if it ends well. */
  get failed(): Effect.Effect<void> {
    return Effect.flatMap(this.ended.wait, () => (this.hasFailed ? Effect.void : Effect.never))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Leaving
  // -------------------------------------------------------------------------------------------------------------------

  /**
   * Asks the guest to end, because its host has, and waits for it, within the bound. Gives what it failed with of its
   * own; if it had ended before, that is what it ended with.
   */
  leave(host: Exit.Exit<unknown, unknown>): Effect.Effect<Left<E | GuestCancelled>> {
    return Effect.gen({ self: this }, function* () {
      if (this.ended.value !== undefined) return known(this.ended.value)
      this.controller.abort(this.reasonOf(host))
      Queue.shutdownUnsafe(this.toGuest)
      Queue.shutdownUnsafe(this.toHost)
      const before = yield* Life.now
      const graces = this.life === undefined ? [] : yield* Life.gracesOf(this.life)
      const within = (bound: number, share: number) =>
        Life.waitFor(
          this.ended.wait,
          graces,
          (left) => Math.min(bound, left * share),
          () => Effect.void
        )
      let forced: Exit.Exit<void> = Exit.void
      const waiting = Effect.gen({ self: this }, function* () {
        if (yield* within(this.patience, 0.5)) return
        if (this.options.force === undefined) return
        forced = yield* Effect.exit(Effect.sync(this.options.force))
        yield* within(ForcePatience, 0.6)
      })
      yield* this.life === undefined
        ? waiting
        : Life.telling(this.life, this.waits(before))(waiting)
      const { cause, note }: Left<E | GuestCancelled> =
        this.ended.value !== undefined
          ? known(this.ended.value)
          : {
              cause: Cause.empty,
              note: yield* this.report(Math.round((yield* Life.now) - before))
            }
      return { cause: Cause.fromReasons([...cause.reasons, ...reasonsOf(forced)]), note }
    })
  }

  private reasonOf(host: Exit.Exit<unknown, unknown>): unknown {
    if (Exit.isSuccess(host)) {
      return abortError(`The guest "${this.name}" is to end: its host has ended.`)
    }
    if (!Cause.hasInterruptsOnly(host.cause)) return Cause.squash(host.cause)
    const by = this.life?.stopping?.by.path
    return abortError(
      `The guest "${this.name}" was cancelled${by === undefined ? "" : ` by "${by}"`}.`
    )
  }

  private waits(before: number): (time: number) => Waits.Waits {
    return (time) =>
      Waits.same(1, {
        actor: this.actor.path,
        for: "guest",
        operation: this.name,
        millis: time - before
      })
  }

  /** Says that it was left behind, and, should it fail later, that it did: nobody else would hear of it. */
  private report(waited: number): Effect.Effect<Context.Context<never>> {
    const { actor, name } = this
    const note = { actor, guest: name, waited }
    const late = Effect.flatMap(this.ended.wait, (end) =>
      Exit.isSuccess(end) || Cause.hasInterruptsOnly(end.cause)
        ? Effect.void
        : Effect.andThen(
            Events.publish({
              _tag: "FailedWhileEnding",
              actor,
              operation: name,
              cause: end.cause
            }),
            warning(`The guest "${name}" of "${actor.path}" failed after it was left.`, end.cause)
          )
    )
    return Events.publish({ _tag: "GuestLeft", ...note }).pipe(
      Effect.andThen(
        warning(
          `The guest "${name}" of "${actor.path}" has not ended ${Waits.seconds(waited)} after its AbortSignal was aborted. It is left behind and may still run.`
        )
      ),
      Effect.andThen(Effect.forkDetach(late)),
      Effect.as(Context.make(GuestLeft, note))
    )
  }
}

/** It did as it was asked. */
const asked: Exit.Exit<never> = Exit.interrupt()

const known = <E>(end: Exit.Exit<unknown, E>): Left<E> => ({
  cause: Exit.isSuccess(end) || end === asked ? Cause.empty : Cause.fromReasons(end.cause.reasons),
  note: Context.empty()
})

/** What the program writes to stdout is its own. */
const warning = (...text: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.provideService(Effect.logWarning(...text), Logger.LogToStderr, true)
