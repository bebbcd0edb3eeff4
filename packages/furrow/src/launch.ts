/**
 * Brings up one actor: process, handshake, arguments, Layer; and keeps what is known of its life until it is reaped.
 *
 * Answers for a child that either is ready or is gone, for noticing its death from its exit and from its connection,
 * whichever is first, and for the ladder that ends it. What its crash means for others is the nursery's.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ActorExit, AnyDefinition, Handlers, Portal } from "./Actor.ts"
import * as Events from "./Events.ts"
import { reasonsOf } from "./Exits.ts"
import * as Ladder from "./Ladder.ts"
import * as Life from "./Life.ts"
import { Within } from "./NurseryKey.ts"
import type { Child, Restore } from "./NurseryKey.ts"
import { infosOf, laneCodec } from "./Operations.ts"
import type { ProcessExit } from "./ProcessExit.ts"
import { Codecs, json } from "./protocol/Codec.ts"
import type { Codec } from "./protocol/Codec.ts"
import { ActorName, shown } from "./protocol/Identity.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { FrameLimit, Versions } from "./protocol/Protocol.ts"
import type { FrameOf } from "./protocol/Protocol.ts"
import * as RootCause from "./RootCause.ts"
import { makeClient, makeServer } from "./Routers.ts"
import * as Session from "./Session.ts"
import * as SessionLimits from "./SessionLimits.ts"
import { inTime, Spawner } from "./Spawner.ts"
import type { LifeOptions, ProcessOptions, Spawned } from "./Spawner.ts"
import {
  ActorCrashed,
  CrashCause,
  HandshakeRefused,
  HandshakeTimeout,
  SpawnError,
  StartFailed,
  StartTimeout
} from "./TreeError.ts"
import type { LadderStage, SpawnErrorReason } from "./TreeError.ts"
import * as Waits from "./Waits.ts"

/** What an actor is launched from. */
export interface LaunchOptions extends LifeOptions, ProcessOptions {
  readonly arguments?: unknown
  /** A definition whose operations the child may call over the same connection. */
  readonly serve?: AnyDefinition | undefined
}

/** A child that is ready, until it is gone. */
export interface Launched extends Child {
  readonly ref: ActorRef
  /** As for any child; gives what it failed with while it ended. */
  readonly stop: (by: ActorRef, several?: number) => Effect.Effect<CrashCause | undefined>
  /** Its owner's `stop`. */
  readonly finish: Effect.Effect<CrashCause | undefined>
  /** Whether nobody is there any more who would answer: it was asked to end, or its end is known by now. */
  readonly isEnding: () => boolean
  /** Waits until its end is noticed, from its exit or from its connection, whichever is first. */
  readonly noticed: Effect.Effect<void>
  /** Whether its end, if it comes, is one that was asked for. */
  readonly wasAsked: () => boolean
  /** The door to it; its client has the methods of the definition it was launched from. */
  readonly portal: Portal<never>
}

/** The first word of either side about itself. */
export const helloOf = (
  actor: string,
  incarnation: string,
  served: AnyDefinition | undefined
): Effect.Effect<FrameOf<"Hello">> =>
  Effect.zipWith(Codecs, SessionLimits.Current, (codecs, limits) => ({
    _tag: "Hello",
    versions: Versions,
    codecs: codecs.map(({ name }) => name),
    actor,
    incarnation,
    operations: served === undefined ? [] : infosOf(served),
    settings: SessionLimits.settingsOf(limits)
  }))

/** The codec of an actor's arguments: JSON, which tells when the other program knows them otherwise. */
export const argumentsCodec = (actor: AnyDefinition, codec: Codec) =>
  laneCodec(codec, actor.actorName, "arguments", actor.argumentsSchema)

/** How long arguments may be, in bytes: they and what stands beside them in `Start` make one frame. */
const ArgumentsLimit = FrameLimit - 65_536

/**
 * Launches an actor in the current scope, which is the child's: it must be closed only when the child has ended, or to
 * end it. Runs in an uninterruptible region of which `restore` is given. Interrupting the launch, and failing it, leaves
 * nothing of the child; a launch that cannot be interrupted any more has come to a child that is ready.
 */
export const launch = (
  actor: AnyDefinition,
  life: Life.Life,
  options: LaunchOptions,
  restore: Restore
): Effect.Effect<Launched, SpawnError, Spawner | Scope.Scope> =>
  Effect.gen(function* () {
    const name = options.name ?? actor.actorName
    const path = `${life.self.path}/${name}`
    const fail = (reason: SpawnErrorReason) =>
      Effect.fail(new SpawnError({ actor: shown(path), reason }))

    // What can be refused without a process is refused before one is started.
    yield* Schema.decodeUnknownEffect(ActorName)(name).pipe(
      Effect.catch((error) =>
        fail(new StartFailed({ cause: Cause.die(new Error(error.message)), stderr: "" }))
      )
    )
    const given = yield* argumentsCodec(actor, json).encode(options.arguments, ArgumentsLimit)

    const nothingLeft = Deferred.makeUnsafe<void>()
    // The first finalizer runs last: by then the spawner has made sure of what its process has left behind.
    yield* Effect.addFinalizer(() => Deferred.succeed(nothingLeft, undefined))

    const spawner = yield* Spawner
    const spawned = yield* spawner.spawn({
      actor,
      path,
      options: options.title === undefined ? { ...options, title: `furrow:${path}` } : options
    })
    const exit = Deferred.makeUnsafe<ProcessExit>()
    yield* Effect.forkScoped(
      Effect.flatMap(spawned.exit, (how) => Deferred.succeed(exit, how)),
      { startImmediately: true }
    )
    const exited = Deferred.await(exit)

    // Whatever happens from here on, closing the scope ends with nothing left: by then a child that ended has long
    // been reaped, and one that was never ready is not worth a ladder.
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        Effect.suspend(() => (Deferred.isDoneUnsafe(exit) ? Effect.void : spawned.kill)),
        exited
      )
    )

    const patience: Ladder.Patience = {
      asked: millis(options.grace, Ladder.defaultPatience.asked),
      terminated: millis(options.terminateGrace, Ladder.defaultPatience.terminated)
    }
    const graces = yield* Life.gracesOf(life)

    /** The child did not come up: one that does not end by itself in time is ended; its last words are kept. */
    const giveUp = (
      wait: number,
      reason: (stderr: string, exit: ProcessExit) => SpawnErrorReason
    ) =>
      Effect.gen(function* () {
        const before = yield* Effect.timeoutOption(exited, wait)
        if (Option.isNone(before)) yield* spawned.kill
        const exit = yield* exited
        return yield* fail(reason(yield* spawned.stderrTail, exit))
      })

    /** It is gone; its connection may outlive it, if something that it started holds the other end. */
    const goneEarly = Effect.andThen(exited, inTime(Effect.never))

    // --- hello -----------------------------------------------------------------------------------------------------

    const helloTimeout = millis(options.helloTimeout, 10_000)
    const shaken = yield* restore(
      Session.make({
        socket: spawned.socket,
        role: "dialled",
        hello: yield* helloOf(life.self.name, life.self.incarnation, options.serve),
        expected: actor.actorName,
        calls: infosOf(actor),
        processExit: exited
      }).pipe(
        Effect.exit,
        Effect.raceFirst(Effect.as(goneEarly, undefined)),
        Effect.timeoutOption(helloTimeout)
      )
    )
    if (Option.isNone(shaken)) {
      return yield* giveUp(0, (stderr) => new HandshakeTimeout({ waited: helloTimeout, stderr }))
    }
    const noWord = (stderr: string, exit: ProcessExit) =>
      new StartFailed({ cause: Cause.empty, exit, stderr })
    if (shaken.value === undefined) return yield* giveUp(0, noWord)
    if (Exit.isFailure(shaken.value)) {
      const failure = Cause.findErrorOption(shaken.value.cause)
      if (Option.isNone(failure))
        return yield* Effect.failCause(shaken.value.cause as Cause.Cause<never>)
      const { detail, lost } = failure.value
      return yield* giveUp(patience.terminated, (stderr, exit) =>
        lost ? noWord(stderr, exit) : new HandshakeRefused({ detail })
      )
    }
    const session = shaken.value.value
    if (given.length > session.frameRoom) {
      session.close("refused", "its frames have no room for the arguments")
      return yield* giveUp(
        patience.terminated,
        () =>
          new HandshakeRefused({
            detail: `the arguments take ${given.length} bytes, and it takes at most ${session.frameRoom}. Raise the limit "frame" of its program, or send them as a call.`
          })
      )
    }
    const { differing, missing } = session.agreement
    if (differing.length + missing.length > 0) {
      yield* Events.publish({ _tag: "ContractDiffers", actor: path, differing, missing })
      if (options.contract === "exact") {
        const names = [...differing.map(({ operation }) => operation), ...missing].join(", ")
        session.close("refused", "the contract is not exactly the same")
        return yield* giveUp(
          patience.terminated,
          () =>
            new HandshakeRefused({
              detail: `the contract was asked to be exactly the same, and these operations differ: ${names}. Run both programs from the same version, or spawn with contract: "compatible".`
            })
        )
      }
    }

    // --- start -----------------------------------------------------------------------------------------------------

    const ref: ActorRef = { path, incarnation: session.peer.incarnation }
    if (options.serve !== undefined) {
      const handlers = (yield* Effect.context<never>()).mapUnsafe.get(
        options.serve.Service.key
      ) as Handlers
      const context = Context.add(handlers.context, Within, yield* Within)
      const server = yield* makeServer(options.serve, { ...handlers, context }, life)
      server.attach(session)
    }
    const answered = Deferred.makeUnsafe<FrameOf<"Ready"> | FrameOf<"StartFailed">>()
    const hub = yield* Events.CurrentHub
    const clock = yield* Clock.Clock
    let unable: FrameOf<"StartFailed"> | undefined
    let heard: { readonly at: number; readonly waits: Waits.Waits } | undefined
    session.onFrame = (frame) => {
      if (frame._tag === "StartFailed") unable = frame
      if (frame._tag === "Ready" || frame._tag === "StartFailed") {
        Deferred.doneUnsafe(answered, Exit.succeed(frame))
      }
      if (frame._tag === "Stopping") {
        const { more, waits } = frame
        heard = { at: Life.nowUnsafe(clock), waits: { waits, more } }
        Events.publishTo(hub, { _tag: "Waiting", actor: ref, waits, more })
      }
    }
    /** What ending it waits for, as far as it is known, from when it was begun. */
    const waitsFor = (begun: number, time: number): Waits.Waits | undefined =>
      session.isOver
        ? { waits: [{ actor: path, for: "exit", millis: time - begun }], more: 0 }
        : heard === undefined
          ? undefined
          : Waits.later(heard.waits, time - heard.at)
    /** Brings it to its end, by the ladder. */
    const climb: Climb = (by, { lost, several } = {}) =>
      Effect.flatMap(Life.now, (begun) =>
        Ladder.climb(
          {
            actor: ref,
            patience,
            graces,
            ask:
              lost === true || session.isOver
                ? undefined
                : (grace) => Effect.sync(() => session.send(stopWord(session, life, grace))),
            terminate: spawned.terminate,
            kill: spawned.kill,
            gone: exited,
            lastWaits: Effect.map(Life.now, (time) => waitsFor(begun, time))
          },
          by,
          several
        ).pipe(
          Life.telling(
            life,
            (time) =>
              waitsFor(begun, time) ?? {
                waits: [{ actor: path, for: "word", millis: time - begun }],
                more: 0
              }
          )
        )
      )
    const startTimeout = millis(options.startTimeout, 30_000)
    session.send({
      _tag: "Start",
      name,
      ancestors: [...life.self.ancestors, refOf(life)],
      logLevel: options.logLevel ?? (yield* References.MinimumLogLevel),
      grace: patience.terminated,
      payload: given
    })
    /**
     * Its Layer is not built yet, as far as is known here, but may hold something already, and may be ready by now. What
     * it fails with as it ends is a defect.
     */
    const end = Effect.gen(function* () {
      session.stoppedBy = refOf(life)
      const stage = yield* climb(refOf(life))
      const known = { exit: yield* exited, stage }
      const crash = yield* failedToEnd(path, session, spawned, known, () => unable)
      if (crash !== undefined)
        return yield* Effect.die(new ActorCrashed({ actor: ref, cause: crash }))
    })
    const started = yield* restore(
      Deferred.await(answered).pipe(
        Effect.raceFirst(session.end),
        Effect.raceFirst(
          Effect.andThen(goneEarly, () => {
            session.lose("the process is gone")
            return session.end
          })
        ),
        Effect.timeoutOption(startTimeout)
      )
    ).pipe(Effect.onInterrupt(() => end))
    if (Option.isNone(started)) {
      const ended = yield* Effect.exit(end)
      const timedOut = yield* Effect.exit(
        giveUp(0, (stderr) => new StartTimeout({ waited: startTimeout, stderr }))
      )
      return yield* Effect.failCause(Cause.fromReasons([timedOut, ended].flatMap(reasonsOf)))
    }
    if (started.value._tag !== "Ready") {
      const said = started.value
      const cause =
        said._tag === "Violation" ? Cause.die(said.violation) : yield* causeOf(said, session, path)
      return yield* giveUp(
        patience.terminated,
        (stderr, exit) => new StartFailed({ cause: cause ?? Cause.empty, exit, stderr })
      )
    }
    return yield* watch(
      actor,
      life,
      ref,
      session,
      spawned,
      exit,
      Deferred.await(nothingLeft),
      climb
    )
  })

/** In milliseconds, and finite: a frame cannot say "for ever". */
const millis = (input: Duration.Input | undefined, otherwise: number): number =>
  input === undefined
    ? otherwise
    : Math.min(Duration.toMillis(Duration.fromInputUnsafe(input)), Number.MAX_SAFE_INTEGER)

/**
 * Brings a child to its end by the ladder, and gives the stage that was needed. `lost`: there is nobody to be asked.
 * `several`: it shares the time with so many, itself among them.
 */
type Climb = (
  by: ActorRef,
  how?: { readonly lost?: boolean; readonly several?: number | undefined }
) => Effect.Effect<LadderStage>

const stopWord = (session: Session.Session, life: Life.Life, grace: number): FrameOf<"Stop"> => ({
  _tag: "Stop",
  by: session.stoppedBy ?? life.self,
  hops: life.stopping === undefined ? [] : [...life.stopping.hops, { actor: refOf(life) }],
  grace
})

const refOf = ({ self: { incarnation, path } }: Life.Life): ActorRef => ({ path, incarnation })

/** What an actor's root failed with, if it could still say so. */
const causeOf = (
  end: Session.SessionEnd | FrameOf<"StartFailed">,
  session: Session.Session,
  path: string
): Effect.Effect<Cause.Cause<unknown> | undefined> => {
  const payload =
    end._tag === "StartFailed"
      ? end.payload
      : end._tag === "Bye" && end.frame.why === "failed"
        ? end.frame.payload
        : undefined
  if (payload === undefined) return Effect.undefined
  return Effect.map(Effect.exit(RootCause.decode(session.codec, path, payload)), (decoded) =>
    Exit.isSuccess(decoded) ? decoded.value : decoded.cause
  )
}

/** What is known of a child that is gone, and did not end as it should. */
const crashOf = (
  spawned: Spawned,
  end: Session.SessionEnd | FrameOf<"StartFailed">,
  known: ConstructorParameters<typeof CrashCause>[0]
): Effect.Effect<CrashCause> =>
  Effect.map(
    spawned.stderrTail,
    (stderr) =>
      new CrashCause({
        ...known,
        ...(stderr === "" ? {} : { stderr }),
        ...(end._tag === "Violation" ? { detail: end.violation.message } : {})
      })
  )

/**
 * What went wrong with a child that was asked to end, and is gone: it failed while it did, or was kept from it, and
 * nobody else will tell of that. Who ends in order says so. `unable`: what it said if it could not start.
 */
const failedToEnd = Effect.fnUntraced(function* (
  path: string,
  session: Session.Session,
  spawned: Spawned,
  known: { readonly exit: ProcessExit; readonly stage: LadderStage },
  unable: () => FrameOf<"StartFailed"> | undefined = () => undefined
) {
  // Its last words may still be on their way.
  yield* inTime(session.end)
  session.lose("the process is gone")
  const ended = yield* session.end
  const end = unable() ?? ended
  const cause = yield* causeOf(end, session, path)
  if (cause !== undefined) return yield* crashOf(spawned, end, { ...known, cause })
  const inOrder = end._tag === "Bye" || (end._tag === "Lost" && known.stage !== "asked")
  return inOrder ? undefined : yield* crashOf(spawned, end, known)
})

/** From Ready to reaped. */
const watch = (
  actor: AnyDefinition,
  life: Life.Life,
  ref: ActorRef,
  session: Session.Session,
  spawned: Spawned,
  exitKnown: Deferred.Deferred<ProcessExit>,
  nothingLeft: Effect.Effect<void>,
  climb: Climb
): Effect.Effect<Launched, never, Scope.Scope> =>
  Effect.gen(function* () {
    const exited = Deferred.await(exitKnown)
    const client = yield* makeClient(actor, session, ref, life)
    const failing = Deferred.makeUnsafe<void>()
    const ended = Deferred.makeUnsafe<ActorExit>()
    let asked = false

    /** Whoever watches is told before whoever waits goes on. */
    const over = (end: ActorExit) =>
      Effect.andThen(Events.publish({ ...end, actor: ref }), Deferred.succeed(ended, end))
    const crashed = (cause: CrashCause) =>
      // Whoever meets the error says it aloud; here it leaves a trace also where nobody does.
      Effect.andThen(
        Effect.logDebug(new ActorCrashed({ actor: ref, cause }).message),
        over({ _tag: "Crashed", cause })
      )

    /** Ends it. */
    const ending = Effect.fnUntraced(function* (several: number | undefined) {
      const stage = yield* climb(session.stoppedBy ?? refOf(life), { several })
      const exit = yield* exited
      const crash = yield* failedToEnd(ref.path, session, spawned, { exit, stage })
      return yield* crash === undefined ? over({ _tag: "Stopped", stage, exit }) : crashed(crash)
    })

    const { guard, pid } = spawned
    yield* Events.publish({
      _tag: "Started",
      actor: ref,
      pid,
      ...(guard === undefined ? {} : { guard })
    })

    // Death is noticed from the exit and from the connection, whichever is first.
    const noticed = Effect.asVoid(Effect.raceFirst(exited, session.end))
    yield* Effect.gen(function* () {
      yield* noticed
      const early = yield* inTime(Effect.andThen(exited, session.end))
      if (Option.isNone(early)) session.lose("the process is gone")
      // Calls that wait for it are told first, with its exit if that is known by now.
      yield* session.settled
      if (asked) return
      Deferred.doneUnsafe(failing, Exit.void)
      const stage: LadderStage | undefined = Deferred.isDoneUnsafe(exitKnown)
        ? undefined
        : yield* climb(refOf(life), { lost: true })
      const end = yield* session.end
      const cause = yield* causeOf(end, session, ref.path)
      const crash = yield* crashOf(spawned, end, {
        exit: yield* exited,
        ...(cause === undefined ? {} : { cause }),
        ...(stage === undefined
          ? {}
          : { stage, detail: "its connection was lost while its process lived" })
      })
      yield* crashed(crash)
    }).pipe(Effect.forkScoped({ startImmediately: true }))

    const isOver = () => session.isOver || Deferred.isDoneUnsafe(exitKnown)
    const scope = yield* Effect.scope
    const gone = Deferred.await(ended)
    /** The scope closes when the end is known; whoever asks from outside goes on when that is done, too. */
    const allGone = Effect.flatMap(Within, (within) =>
      // Closing it waits for what the child is served with; there nobody may wait for that in turn.
      within.includes(scope) ? gone : Effect.tap(gone, () => nothingLeft)
    )

    /** Ends it, whoever waits for that; whoever comes second waits for the same end. */
    const stopBy = (by: ActorRef, several?: number): Effect.Effect<CrashCause | undefined> =>
      Effect.uninterruptibleMask((restore) => {
        const crashCause = Effect.map(restore(allGone), (end) =>
          end._tag === "Crashed" ? end.cause : undefined
        )
        if (asked) return crashCause
        // An end that nobody had asked for is a crash, also if somebody asks before it was looked into.
        if (isOver()) return Effect.as(restore(allGone), undefined)
        asked = true
        session.stoppedBy ??= by
        return Effect.andThen(
          Effect.forkIn(ending(several), scope, { startImmediately: true, uninterruptible: true }),
          crashCause
        )
      })

    return {
      ref,
      failing: Deferred.await(failing),
      ended: Effect.map(gone, (end) =>
        end._tag === "Crashed" ? new ActorCrashed({ actor: ref, cause: end.cause }) : undefined
      ),
      stop: stopBy,
      finish: stopBy(refOf(life)),
      isEnding: () => asked || isOver(),
      noticed,
      wasAsked: () => asked,
      portal: {
        client,
        actor: ref,
        pid: spawned.pid,
        stop: Effect.asVoid(stopBy(refOf(life))),
        exit: allGone,
        stdout: spawned.stdout,
        stderr: spawned.stderr
      }
    }
  })
