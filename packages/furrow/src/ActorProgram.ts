/**
 * The child's side: one life of an actor, from its first word to its last.
 *
 * Answers for the handshake, the arguments, the actor's Layer inside a nursery of its own, serving its operations, and
 * ending in order. Where the connection comes from, and what becomes of the process afterwards, is the world's.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Program } from "./Actor.ts"
import { argumentsCodec, helloOf } from "./launch.ts"
import * as Life from "./Life.ts"
import { runIn } from "./Nursery.ts"
import { ParentSession } from "./Portal.ts"
import type { FrameOf, Wait } from "./protocol/Protocol.ts"
import * as RootCause from "./RootCause.ts"
import { makeServer } from "./Routers.ts"
import * as Session from "./Session.ts"
import type * as Waits from "./Waits.ts"
import * as SessionLimits from "./SessionLimits.ts"

/** How a life ended: as it was asked to, because whoever spawned it was gone, or because it failed. */
export type LifeEnd =
  | { readonly _tag: "Stopped" }
  | { readonly _tag: "Orphaned" }
  | { readonly _tag: "Refused"; readonly detail: string }
  | { readonly _tag: "Failed"; readonly cause: Cause.Cause<unknown> }

/**
 * Lives one life of an actor over a connection to whoever spawned it. Ends when it is told to stop, when the connection
 * is lost, or when the actor fails; by then every finalizer has run and every child is gone. Interrupting it ends the
 * actor in the same order; for its owner that is a crash.
 */
export const live = <R>(
  program: Program<R>,
  socket: Socket.Socket,
  options?: {
    /** Nobody else may ever have had it. Defaults to a random UUID. */
    readonly incarnation?: string
    /**
     * An actor whose connection has ended has nobody left who would lose patience with it: this runs when it has not
     * ended within its grace, and is to end it by force. Defaults to waiting.
     */
    readonly lastResort?: Effect.Effect<void>
  }
): Effect.Effect<LifeEnd, never, R> =>
  Effect.gen(function* () {
    const { actor } = program
    const incarnation = options?.incarnation ?? crypto.randomUUID()
    const made = yield* helloOf(actor.actorName, incarnation, actor).pipe(
      Effect.flatMap((hello) => Session.make({ socket, role: "accepted", hello })),
      Effect.provideService(SessionLimits.Current, program.limits),
      Effect.exit
    )
    if (Exit.isFailure(made)) {
      const detail = Cause.pretty(Cause.map(made.cause, (failed) => new Error(failed.detail)))
      return { _tag: "Refused", detail } satisfies LifeEnd
    }
    const session = made.value
    const clock = yield* Clock.Clock
    const begun = Deferred.makeUnsafe<Begun>()
    let born: Begun | undefined
    session.onFrame = (frame) => {
      if (frame._tag === "Start" && born === undefined) {
        born = { _tag: "Begun", start: frame, life: lifeOf(frame, incarnation) }
        Deferred.doneUnsafe(begun, Exit.succeed(born))
      }
      if (frame._tag === "Stop" && born !== undefined) {
        const { by, grace, hops } = frame
        Life.stop(born.life, { by, hops, at: Life.nowUnsafe(clock) }, grace)
      }
    }

    const first = yield* Effect.raceFirst(Deferred.await(begun), session.end)
    if (first._tag !== "Begun") {
      return first._tag === "Bye" && first.frame.why === "refused"
        ? ({ _tag: "Refused", detail: first.frame.detail } satisfies LifeEnd)
        : ({ _tag: "Orphaned" } satisfies LifeEnd)
    }
    const { life, start } = first
    return yield* Effect.provideContext(
      inOrder(program, session, life, start, options?.lastResort ?? Effect.void),
      Context.make(ParentSession, { session, life }).pipe(
        Context.add(References.MinimumLogLevel, start.logLevel as LogLevel.LogLevel)
      )
    )
  }).pipe(Effect.scoped) as Effect.Effect<LifeEnd, never, R>

/** A life that has been told who it is. */
interface Begun {
  readonly _tag: "Begun"
  readonly start: FrameOf<"Start">
  readonly life: Life.Life
}

const lifeOf = ({ ancestors, name }: FrameOf<"Start">, incarnation: string): Life.Life => {
  const above = ancestors.at(-1)
  const path = above === undefined ? name : `${above.path}/${name}`
  return Life.make({ name, path, incarnation, ancestors })
}

/** What the root of an actor waits for by itself, once its handlers have ended: that its Layer is built, or released. */
const ownWaits =
  (life: Life.Life, ready: Deferred.Deferred<void>) =>
  (time: number): Waits.Waits => {
    const millis = time - (life.stopping?.at ?? time)
    const what = Deferred.isDoneUnsafe(ready) ? "finalizers" : "start"
    return { waits: [{ actor: life.self.path, for: what, millis }], more: 0 }
  }

/** From Start to Bye. */
const inOrder = (
  program: Program<unknown>,
  session: Session.Session,
  life: Life.Life,
  start: FrameOf<"Start">,
  lastResort: Effect.Effect<void>
): Effect.Effect<LifeEnd, never, unknown> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      // Nobody above is left who would lose patience: it is lost here.
      const losingPatience = yield* Effect.forkChild(
        session.end.pipe(
          Effect.andThen(
            Life.waitFor(
              Effect.never,
              [life.grace],
              (left) => Math.min(start.grace, left),
              () => Effect.void
            )
          ),
          Effect.andThen(lastResort)
        ),
        { startImmediately: true }
      )
      yield* Effect.forkChild(sayWhy(session, life), { startImmediately: true })
      const told = Deferred.makeUnsafe<void>()
      const running = yield* Effect.forkChild(
        restore(
          runIn(
            life,
            Effect.scoped(serve(program, session, life, start, told)).pipe(
              Life.telling(life, ownWaits(life, told))
            )
          )
        ),
        { uninterruptible: "inherit", startImmediately: true }
      )
      const why = yield* Effect.exit(
        restore(
          Effect.raceFirst(
            Effect.as(Fiber.await(running), "ended" as const),
            Effect.raceFirst(
              Effect.as(Deferred.await(life.told), "told" as const),
              Effect.as(session.end, "lost" as const)
            )
          )
        )
      )
      // Its connection was lost, or its process was told by a signal.
      if (!(Exit.isSuccess(why) && why.value !== "lost")) {
        Life.stop(life, { by: life.self, hops: [], at: yield* Life.now }, start.grace)
      }
      yield* Fiber.interrupt(running)
      const ended = yield* Fiber.await(running)
      // What is left to do is bounded by itself, however long this process may not have been running meanwhile.
      yield* Fiber.interrupt(losingPatience)

      if (Exit.isFailure(ended) && !Cause.hasInterruptsOnly(ended.cause)) {
        // That it was interrupted, whoever told it to stop knows.
        const cause = Cause.fromReasons(
          ended.cause.reasons.filter(
            (reason) => life.stopping === undefined || !Cause.isInterruptReason(reason)
          )
        )
        const payload = yield* RootCause.encode(
          session.codec,
          life.self.path,
          cause,
          session.frameRoom
        )
        if (Deferred.isDoneUnsafe(told)) session.close("failed", "", payload)
        else {
          session.send({ _tag: "StartFailed", payload })
          session.close("ended")
        }
        return { _tag: "Failed", cause } satisfies LifeEnd
      }
      session.close("ended")
      if (Exit.isFailure(why)) return yield* Effect.failCause(why.cause)
      return why.value === "lost"
        ? ({ _tag: "Orphaned" } satisfies LifeEnd)
        : ({ _tag: "Stopped" } satisfies LifeEnd)
    })
  )

/** How soon an actor that ends says what it waits for, in milliseconds: before half of its grace has passed. */
const FirstWord = 250

/** How long after one word the next comes, in milliseconds; or a tenth of the time that it has taken, if that is more. */
const NextWord = 1000

/** Once it is told to stop, says to whoever spawned it what it still waits for. */
const sayWhy = (session: Session.Session, life: Life.Life): Effect.Effect<never> =>
  Effect.gen(function* () {
    yield* Deferred.await(life.told)
    yield* Effect.sleep(Math.min(FirstWord, (yield* Life.timeLeft([life.grace])) / 2))
    while (true) {
      const { more, waits } = yield* Life.waits(life)
      const isOwn = ({ actor }: Wait) => actor === life.self.path
      const isHandled = waits.some((wait) => wait.for === "operation" && isOwn(wait))
      session.send({
        _tag: "Stopping",
        waits: waits.filter((wait) => !(isHandled && wait.for === "finalizers" && isOwn(wait))),
        more
      })
      const taken = (yield* Life.now) - (life.stopping?.at ?? 0)
      yield* Effect.sleep(Math.max(NextWord, taken / 10))
    }
  })

/** Builds the actor and serves it until it is interrupted. */
const serve = (
  program: Program<unknown>,
  session: Session.Session,
  life: Life.Life,
  start: FrameOf<"Start">,
  ready: Deferred.Deferred<void>
) =>
  Effect.gen(function* () {
    const { actor } = program
    const given = yield* argumentsCodec(actor, session.json).decode(start.payload)
    const built = yield* Layer.buildWithMemoMap(
      program.layer,
      Layer.makeMemoMapUnsafe(),
      yield* Scope.Scope
    ).pipe(Effect.provideService(actor.Arguments, given))
    const server = yield* makeServer(
      actor,
      Context.get(built as Context.Context<unknown>, actor.Service),
      life
    )
    server.attach(session)
    Deferred.doneUnsafe(ready, Exit.void)
    session.send({ _tag: "Ready" })
    return yield* Effect.never
  })
