/**
 * Between effect/rpc's routers and the session: the only file that knows both.
 *
 * The routers call handlers, run middleware, headers, concurrency and schemas' constructors; the session carries
 * frames. This file does what the routers do not, and the four laws decide where they differ:
 *
 *  1. holds the Exit back until the request's scope has closed, and adds that scope's own failures to it;
 *  2. joins a cancelled callee beyond the client router's one second;
 *  3. runs with `disableFatalDefects`: one handler's bug ends one request;
 *  4. runs with `disableClientAcks` and `supportsAck: false`, and blocks on credit instead;
 *  5. splits chunks into items, so that the window holds;
 *  6. delivers outside the session's read loop: a consumer that calls per item does not block it;
 *  7. suspends each client method: a payload that does not fit fails the effect and throws nothing;
 *  8. turns the routers' own interruptions into `PortalError`;
 *  9. hands the server router no frame that it would answer with one of its own;
 * 10. runs handlers in the actor's own context.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import * as Option from "effect/Option"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { RequestId } from "effect/rpc/RpcMessage"
import type { FromServer, Request as RpcRequest } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Schema from "effect/Schema"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { AnyDefinition, CallOptions, Handlers } from "./Actor.ts"
import { ById } from "./ById.ts"
import { DialogCallee } from "./CalleeEnd.ts"
import { HeldDialog } from "./CallerEnd.ts"
import { EncodeError, issueOf } from "./CodecError.ts"
import { CurrentDeadline, JoinBound, leftOf } from "./Deadline.ts"
import {
  asDefects,
  ContractBroken,
  CurrentCallee,
  failUnlessEmpty,
  Opening,
  sameEvent
} from "./Dialog.ts"
import * as Events from "./Events.ts"
import { isKnown, mapKnown } from "./Known.ts"
import { portalError, result, say } from "./LastWord.ts"
import * as Life from "./Life.ts"
import { operationsFor, operationsOf } from "./Operations.ts"
import type { LaneCodec, Operation } from "./Operations.ts"
import { DeadlineExceeded, Disconnected, Unimplemented } from "./PortalError.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import type { FrameOf } from "./protocol/Protocol.ts"
import type { Answerer, Incoming, Rare, Session } from "./Session.ts"
import { Ticket } from "./Ticket.ts"
import type { Calling, Final } from "./Ticket.ts"
import * as Travel from "./Travel.ts"
import * as Waits from "./Waits.ts"

/** The routers' types want every operation by name; here they are a set of any operations. */
type AnyGroup = RpcGroup.RpcGroup<Rpc.Any>

const groupOf = (actor: AnyDefinition): AnyGroup => actor.group as unknown as AnyGroup

/** Whether there is anybody to tell of a span: an installed tracer, or a span around the call. */
const isTraced = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.cache.tracer !== undefined || fiber.cache.span !== undefined

// ---------------------------------------------------------------------------------------------------------------------
// The callee's side
// ---------------------------------------------------------------------------------------------------------------------

/** One actor's server: every session that is attached to it is a client of the one router. */
export interface Server {
  /** Answers the Opens of a session from now on. */
  readonly attach: (session: Session) => void
}

/** One request between its Open and its Exit; of a dialog, its handler's end as well. */
class Request extends DialogCallee implements Answerer {
  readonly incoming: Incoming
  /** The session it came by, as the router counts them. */
  readonly client: number
  /** The router has begun to run the handler. */
  running = false
  /** What the router answered while the request's scope was still open. */
  held: Exit.Exit<unknown, unknown> | undefined
  /** The first time that the caller said it. */
  cancel: FrameOf<"Cancel"> | undefined
  /** How long the caller waits, once it has left. */
  readonly grace = new Life.Grace()
  lost = false
  /** When its caller left, in milliseconds of the monotonic clock. */
  leftAt: number | undefined
  /** @internal */
  after: Request | undefined = undefined
  private readonly serving: Serving

  constructor(
    serving: Serving,
    operation: Operation,
    incoming: Incoming,
    client: number,
    limit: number
  ) {
    super(operation, incoming.end, limit)
    this.serving = serving
    this.incoming = incoming
    this.client = client
  }

  get id(): number {
    return this.incoming.id
  }

  /** The router begins to run it, unless its caller has left while the payload was decoded. */
  begin(): boolean {
    this.incoming.taken()
    this.running = this.cancel === undefined && !this.lost
    return this.running
  }

  /** Its handler has ended, and the scope of that has closed. */
  ran(done: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { held } = this
    this.running = false
    // A handler that gave a Deferred has ended and not yet answered.
    return held === undefined && Exit.isSuccess(done)
      ? Effect.void
      : this.serving.answer(this, withScopeFailures(held, done))
  }

  onLeft(why: FrameOf<"Cancel"> | "lost"): void {
    const { clock, interrupt } = this.serving
    this.leftAt ??= Life.nowUnsafe(clock)
    if (why === "lost") this.lost = true
    else {
      if (why.timeLeft !== undefined) this.grace.shorten(Life.nowUnsafe(clock) + why.timeLeft)
      // Said again, it leaves less time, and interrupts nothing that is being interrupted.
      if (this.cancel !== undefined) return
      this.cancel = why
    }
    interrupt(this)
  }
}

/** What all requests of a server share. */
interface Serving {
  readonly clock: Clock.Clock
  /** Interrupts the handler of a request. */
  readonly interrupt: (request: Request) => void
  /** Says the last word of a request. */
  readonly answer: (request: Request, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

/**
 * The run of a request's handler, its scope included: the last word is said when it is over. There may be many that run
 * for long; what is not needed to end is not kept.
 */
class Running<A, E, R> extends Effectable.Class<A, E, R> {
  private readonly request: Request
  private readonly trace: FrameOf<"Open">["trace"]
  private readonly run: Effect.Effect<A, E, R>

  constructor(request: Request, trace: FrameOf<"Open">["trace"], run: Effect.Effect<A, E, R>) {
    super()
    this.request = request
    this.trace = trace
    this.run = run
  }

  override asEffect(): Effect.Effect<A, E, R> {
    const { request, run, trace } = this
    const fiber = Fiber.getCurrent()!
    const running = request.begin() ? traced(fiber, request, trace, run) : Effect.interrupt
    enter(fiber, request)
    return Effect.onExit(running, (done) => request.ran(done))
  }
}

/**
 * Serves an actor's handlers. Closing the scope interrupts every request, and waits until each has answered.
 */
export const makeServer = (
  actor: AnyDefinition,
  handlers: Handlers,
  life: Life.Life
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const own = handlers.context
    const clock = yield* Clock.Clock
    const runFork = Effect.runForkWith(own)
    const clients = new Map<number, ById<Request>>()
    let lastClient = 0

    let closing: number | undefined
    const answer = (request: Request, exit: Exit.Exit<unknown, unknown>) => {
      if (request.lost) return Effect.map(unheard(request, exit), () => forget(request))
      if (isCrashing(request, exit)) return Effect.sync(() => forget(request))
      const { cancel, incoming, operation } = request
      if (operation.kind !== "dialog" && cancel === undefined && Exit.isSuccess(exit)) {
        const encoded = operation.success.encode(exit.value, request.limit)
        if (isKnown(encoded)) {
          forget(request)
          incoming.exit(result(encoded.value))
          return Effect.void
        }
      }
      // A handler's own return is checked in its fiber; this is for what stands in for it.
      const unstarted =
        operation.kind === "dialog" &&
        Exit.isSuccess(exit) &&
        cancel === undefined &&
        !incoming.end.state.started
      return mapKnown(
        say(
          operation,
          unstarted
            ? Exit.die(
                new ContractBroken({
                  operation: operation.name,
                  detail: "its handler returned without having called accept"
                })
              )
            : exit,
          {
            self: life.self,
            interruptedBy: cancel?.by ?? life.stopping?.by ?? life.self,
            hops: cancel?.hops ?? life.stopping?.hops ?? [],
            cancelSeen: cancel !== undefined,
            limit: request.limit
          }
        ),
        (frame) => {
          forget(request)
          incoming.exit(frame)
        }
      )
    }
    /**
     * The handler is interrupted because its own actor ends unasked. That is no answer: the actor's last word says why,
     * and its callers meet the loss of it.
     */
    const isCrashing = ({ cancel }: Request, exit: Exit.Exit<unknown, unknown>): boolean =>
      closing !== undefined &&
      cancel === undefined &&
      (life.stopping?.by ?? life.self).incarnation === life.self.incarnation &&
      Exit.isFailure(exit) &&
      Cause.hasInterruptsOnly(exit.cause)
    /** A failure whose caller is gone: nobody else will tell of it. */
    const unheard = (
      { operation }: Request,
      exit: Exit.Exit<unknown, unknown>
    ): Effect.Effect<void> => {
      if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return Effect.void
      const { incarnation, path } = life.self
      return Effect.andThen(
        Events.publish({
          _tag: "FailedWhileEnding",
          actor: { path, incarnation },
          operation: operation.rpc._tag,
          cause: exit.cause
        }),
        Effect.logWarning(`${operation.name} failed, and its caller is gone.`, exit.cause)
      )
    }
    const forget = ({ client, grace, id, incoming }: Request) => {
      incoming.taken()
      // Whatever it has left behind is not waited for any more.
      grace.lift()
      clients.get(client)?.delete(id)
    }

    /** Handlers that were interrupted and have not ended: by their callers, or because the server ends. */
    const waits = (time: number): Waits.Waits =>
      Waits.join(
        Array.from(clients.values(), (requests) => ({
          waits: requests.all().flatMap(({ leftAt, operation }) => {
            const begun = leftAt ?? closing
            return begun === undefined
              ? []
              : [
                  {
                    actor: life.self.path,
                    for: "operation" as const,
                    operation: operation.rpc._tag,
                    millis: time - begun
                  }
                ]
          }),
          more: 0
        }))
      )
    life.waiting.add(waits)
    yield* Effect.addFinalizer(() => Effect.sync(() => life.waiting.delete(waits)))

    /** A stream's chunk, item by item; waits for credit. */
    const sendItems = (
      request: Request,
      values: ReadonlyArray<unknown>,
      from = 0
    ): Effect.Effect<void> =>
      Effect.suspend(() => {
        const { incoming, limit, operation } = request
        for (let at = from; at < values.length; at++) {
          const encoded = operation.fromCallee.encode(values[at], limit)
          if (isKnown(encoded) && incoming.end.sendNow(encoded.value)) continue
          return Effect.yieldNow.pipe(
            // Many items are one step, in which nobody else has had a turn.
            Effect.andThen(encoded),
            Effect.flatMap((bytes) => incoming.end.send(bytes)),
            Effect.flatMap((refusal) =>
              // The caller is gone, and this handler's interruption is on its way.
              refusal === undefined ? sendItems(request, values, at + 1) : Effect.interrupt
            )
          )
        }
        return Effect.void
      })

    const making: Effect.Effect<
      RpcServer.RpcServer<Rpc.Any>,
      never,
      Scope.Scope
    > = RpcServer.makeNoSerialization<Rpc.Any>(groupOf(actor), {
      concurrency: handlers.concurrency,
      disableTracing: true,
      disableClientAcks: true,
      disableFatalDefects: true,
      onFromServer: (response) => {
        if (response._tag === "ClientEnd") return Effect.void
        if (response._tag === "Defect") return Effect.logError("A router failed.", response.defect)
        const request = clients.get(response.clientId)?.get(Number(response.requestId))
        if (request === undefined) return Effect.void
        if (response._tag === "Chunk") return sendItems(request, response.values)
        if (!request.running) return answer(request, response.exit)
        request.held = response.exit
        return Effect.void
      }
    })
    const router = yield* Effect.updateContext(making, (scoped: Context.Context<Scope.Scope>) =>
      Context.merge(own, scoped)
    )

    // Runs before the router interrupts its requests.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closing = Life.nowUnsafe(clock)
      })
    )

    const begin = (request: Request, open: FrameOf<"Open">): Effect.Effect<void> => {
      const payload = request.operation.payload.decode(open.payload)
      if (isKnown(payload)) return beginWith(request, open, payload.value)
      return Effect.flatMap(Effect.exit(payload), (known) =>
        Exit.isFailure(known) ? answer(request, known) : beginWith(request, open, known.value)
      )
    }

    /** Hands a request to the router, in the context that came with it. */
    const beginWith = (
      request: Request,
      open: FrameOf<"Open">,
      payload: unknown
    ): Effect.Effect<void> => {
      const { operation } = request
      if (request.cancel !== undefined || request.lost) return answer(request, Exit.interrupt())
      const write = router.write(
        request.client,
        {
          _tag: "Request",
          id: RequestId(request.id),
          tag: operation.rpc._tag,
          payload,
          headers: open.headers === undefined ? Headers.empty : Headers.fromInput(open.headers)
        } as RpcRequest<Rpc.Any>,
        { onRequest: (run) => new Running(request, open.trace, run) }
      )
      if (open.travelling === undefined && open.timeLeft === undefined) return write
      return Effect.gen(function* () {
        let context: Context.Context<never> = Context.empty()
        if (open.travelling !== undefined) {
          context = yield* Travel.unpack(actor.travelling, open.travelling)
        }
        if (open.timeLeft !== undefined) {
          context = Context.add(context, CurrentDeadline, (yield* Life.now) + open.timeLeft)
        }
        return yield* Effect.provideContext(write, context)
      })
    }

    const serving: Serving = {
      clock,
      answer,
      // The router answers an interruption of a request that it does not run; such a request answers by itself.
      interrupt: ({ client, id }) => {
        runFork(
          router.write(client, { _tag: "Interrupt", requestId: RequestId(id), interruptors: [] })
        )
      }
    }
    const attach = (session: Session) => {
      const client = ++lastClient
      const requests = new ById<Request>()
      clients.set(client, requests)
      const operations = operationsOf(session.codec, actor)
      const inJson = operationsOf(session.json, actor)
      session.callee = {
        kindOf: (operation) => operations.get(operation)?.kind,
        refuse: (_operation, why, cancel) => ({
          _tag: "Exit",
          id: 0,
          exit: why,
          cancelSeen: cancel !== undefined,
          hops: [{ actor: life.self }],
          payload: new Uint8Array(0)
        }),
        onOpen: (incoming, open) => {
          const operation = (open.json === true ? inJson : operations).get(open.operation)!
          const request = new Request(serving, operation, incoming, client, session.valueLimit)
          requests.add(request)
          runFork(begin(request, open))
          return request
        }
      }
      runFork(
        Effect.andThen(session.end, () => {
          clients.delete(client)
          return router.disconnect(client)
        })
      )
    }
    return { attach }
  })

/** The request's Exit, and what its scope failed with when it was closed after it. */
const withScopeFailures = (
  held: Exit.Exit<unknown, unknown> | undefined,
  done: Exit.Exit<unknown, unknown>
): Exit.Exit<unknown, unknown> => {
  if (held === undefined || Exit.isSuccess(done)) return held ?? done
  if (Exit.isSuccess(held)) return done
  const reasons = [...held.cause.reasons]
  for (const reason of done.cause.reasons) {
    const isKnown = (known: Cause.Reason<unknown>) =>
      known === reason || sameEvent(known, reason) || becameDefect(known, reason)
    if (!reasons.some(isKnown)) reasons.push(reason)
  }
  return Exit.failCause(Cause.fromReasons(reasons))
}

/** A scope that fails to close makes a defect of the error that it was closed with. */
const becameDefect = (error: Cause.Reason<unknown>, defect: Cause.Reason<unknown>): boolean =>
  Cause.isFailReason(error) && Cause.isDieReason(defect) && error.error === defect.defect

/** What the context of a request's own fiber says of it, for as long as the fiber runs. */
const enter = (fiber: Fiber.Fiber<unknown, unknown>, request: Request): void => {
  const graced = Context.add(fiber.context, Life.CurrentGrace, request.grace)
  fiber.setContext(
    request.operation.kind === "dialog" ? Context.add(graced, CurrentCallee, request) : graced
  )
}

const traced = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  { operation }: Request,
  trace: FrameOf<"Open">["trace"],
  run: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  trace === undefined && !isTraced(fiber)
    ? run
    : Effect.withSpan(run, operation.name, {
        kind: "server",
        ...(trace === undefined ? {} : { parent: Tracer.externalSpan(trace) })
      })

// ---------------------------------------------------------------------------------------------------------------------
// The caller's side
// ---------------------------------------------------------------------------------------------------------------------

/** How many requests go by one client router before another takes its place. */
const RequestsOfRoute = 1024

/** How many items of a stream are handed to the client router at once; half a window keeps the sender going. */
const PumpSize = 32

/** The flat client of effect/rpc, its types left to `Actor.Client`. */
type FlatClient = (
  tag: string,
  payload: unknown,
  options: {
    readonly headers: Headers.Input | undefined
    readonly context: Context.Context<never>
  }
) => unknown

/** The values of some items, in order. */
const decodeAll = (
  lane: LaneCodec<unknown>,
  items: ReadonlyArray<Uint8Array>
): Effect.Effect<ReadonlyArray<unknown>> => {
  const values: Array<unknown> = []
  for (const bytes of items) {
    const decoded = lane.decode(bytes)
    if (!isKnown(decoded)) return Effect.forEach(items, (bytes) => lane.decode(bytes))
    values.push(decoded.value)
  }
  return Effect.succeed(values)
}

/** The most that the headers of a call may take, in bytes of JSON: they stand in one frame with everything else. */
const HeadersLimit = 65_536

const encoder = new TextEncoder()

const noHeaders = Effect.succeed<ReadonlyArray<readonly [string, string]>>([])

/** One thing on top of it costs less than a context of its own. */
const noContext = Context.empty()

/** The headers of a call. What is no text, or too much of it, fails as a defect. */
const headersOf = (
  operation: Operation,
  headers: Headers.Headers
): Effect.Effect<ReadonlyArray<readonly [string, string]>> => {
  if (Travel.isEmpty(headers)) return noHeaders
  const entries = Object.entries(headers)
  const unfit = (issue: string) =>
    Effect.die(new EncodeError({ operation: operation.name, lane: "headers", issue }))
  for (const [name, value] of entries) {
    if (typeof value !== "string") return unfit(`the value of ${JSON.stringify(name)} is no text`)
  }
  const { length } = encoder.encode(JSON.stringify(entries))
  return length > HeadersLimit
    ? unfit(`they take ${length} bytes, and may take ${HeadersLimit}`)
    : Effect.succeed(entries)
}

/** The span that may be told of: one that is kept to itself leaves its place to those around it. */
const propagated = (span: Tracer.AnySpan | undefined): Tracer.AnySpan | undefined =>
  span !== undefined && Context.get(span.annotations, Tracer.DisablePropagation)
    ? span._tag === "Span"
      ? propagated(Option.getOrUndefined(span.parent))
      : undefined
    : span

/** Why a payload does not fit, the value included; nothing if it does. */
const misfitOf = (schema: Schema.Top, payload: unknown): string | undefined => {
  try {
    schema.make(payload, { parseOptions: { reportInput: true } })
    return undefined
  } catch (thrown) {
    return issueOf(thrown)
  }
}

/**
 * A client for a definition over a session: one method per operation. Its methods may be called after the session has
 * ended; they fail with `Disconnected` then. Needs the client middleware of the operations in its context.
 */
export const makeClient = (
  actor: AnyDefinition,
  session: Session,
  callee: ActorRef,
  life: Life.Life
): Effect.Effect<Record<string, (payload: unknown, options?: CallOptions) => unknown>> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const runFork = Effect.runForkWith(context)
    const served = session.peer.operations
    const operations = operationsFor(session, actor, served)
    const kinds = new Map(served.map(({ kind, name }) => [name, kind]))

    const gone = (operation: Operation) =>
      Effect.andThen(
        session.explained,
        Effect.suspend(() =>
          Effect.failCause(
            portalError(
              operation,
              callee.path,
              new Disconnected({
                incarnation: callee.incarnation,
                ...(session.crash === undefined ? {} : { crash: session.crash }),
                detail: session.lostDetail ?? "the connection has ended"
              })
            )
          )
        )
      )

    /** The router's Request becomes an Open. */
    const open = (ticket: Ticket, request: RpcRequest<Rpc.Any>): Effect.Effect<void, unknown> =>
      Effect.withFiber((fiber) => {
        const { operation } = ticket
        const tag = operation.rpc._tag
        // Of another kind there, it is another operation: neither end could make sense of the other's words.
        if ((kinds.get(tag) ?? operation.kind) !== operation.kind) {
          return Effect.failCause(
            portalError(operation, callee.path, new Unimplemented({ operation: tag }))
          )
        }
        const payload = operation.payload.encode(request.payload, session.valueLimit)
        return isKnown(payload)
          ? encoded(fiber, ticket, request, payload.value)
          : Effect.flatMap(payload, (known) => encoded(fiber, ticket, request, known))
      })

    const encoded = (
      fiber: Fiber.Fiber<unknown, unknown>,
      ticket: Ticket,
      request: RpcRequest<Rpc.Any>,
      payload: Uint8Array
    ): Effect.Effect<void, unknown> => {
      const { operation } = ticket
      const patience = leftOf(fiber)
      if (patience === 0) {
        return Effect.failCause(portalError(operation, callee.path, new DeadlineExceeded()))
      }
      const headers = headersOf(operation, request.headers)
      const travelling = Travel.pack(fiber, actor.travelling)
      return isKnown(headers) && isKnown(travelling)
        ? opened(fiber, ticket, request.id, payload, patience, headers.value, travelling.value)
        : Effect.flatMap(Effect.all([headers, travelling]), (known) =>
            opened(fiber, ticket, request.id, payload, patience, ...known)
          )
    }

    const opened = (
      fiber: Fiber.Fiber<unknown, unknown>,
      ticket: Ticket,
      requestId: RequestId,
      payload: Uint8Array,
      patience: number | undefined,
      headers: ReadonlyArray<readonly [string, string]>,
      travelling: FrameOf<"Open">["travelling"]
    ): Effect.Effect<void, unknown> => {
      const { operation } = ticket
      const span = propagated(fiber.cache.span)
      const isPlain =
        operation.codec === session.codec &&
        headers.length === 0 &&
        span === undefined &&
        patience === undefined &&
        travelling === undefined
      const rare: Rare | undefined = isPlain
        ? undefined
        : {
            ...(operation.codec === session.codec ? undefined : { json: true }),
            ...(headers.length === 0 ? undefined : { headers }),
            ...(span === undefined
              ? undefined
              : { trace: { traceId: span.traceId, spanId: span.spanId, sampled: span.sampled } }),
            ...(patience === undefined ? undefined : { timeLeft: patience }),
            ...(travelling === undefined ? undefined : { travelling })
          }
      const outgoing = session.open(
        operation.kind,
        { operation: operation.rpc._tag, payload },
        ticket,
        rare
      )
      if (outgoing === undefined) return gone(operation)
      ticket.outgoing = outgoing
      // The router would wait in a fiber for as long as the dialog, and tell nobody of its end. It must not leave a
      // middleware, which may still fail, and so ends the dialog.
      if (operation.kind === "dialog" && operation.rpc.middlewares.size === 0) {
        ticket.calling.answer(requestId, Exit.void)
      } else ticket.requestId = requestId
      if (patience === undefined && operation.kind !== "stream") return Effect.void
      const delivered = operation.kind === "stream" ? pump(ticket, requestId) : undefined
      const timer =
        patience === undefined
          ? undefined
          : runFork(
              Effect.provideService(ticket.expire(), JoinBound, fiber.getRef(JoinBound)).pipe(
                Effect.delay(patience)
              )
            )
      ticket.onFinal = (final) => {
        timer?.interruptUnsafe()
        // Items that came before a good end are delivered before it; a failure overtakes them.
        if (delivered === undefined || Exit.isFailure(final)) return ticket.answer(final)
        delivered.addObserver((done) => ticket.answer(Exit.isSuccess(done) ? final : done))
      }
      return Effect.void
    }

    /**
     * Takes a stream's items and hands them to the router as its consumer has room. Gives how that ended: when they have
     * run out, or with one that did not fit, for which the stream is then cancelled.
     */
    const pump = (ticket: Ticket, requestId: RequestId): Fiber.Fiber<void, unknown> => {
      const { end } = ticket.outgoing!
      const loop: Effect.Effect<void> = Effect.flatMap(end.take(PumpSize), (items) =>
        items.length === 0
          ? Effect.void
          : decodeAll(ticket.operation.fromCallee, items).pipe(
              Effect.flatMap((values) => ticket.calling.deliver(requestId, values)),
              Effect.andThen(() => loop)
            )
      )
      return runFork(Effect.onError(loop, (cause) => ticket.fail(cause)))
    }

    const makeRoute = Effect.gen(function* () {
      const router = yield* RpcClient.makeNoSerialization(groupOf(actor), {
        flatten: true,
        supportsAck: false,
        disableTracing: true,
        onFromClient: ({ context, message }) => {
          const ticket = Context.getUnsafe(context, Ticket.Current)
          if (message._tag === "Request") return open(ticket, message)
          // `Interrupt`, once the caller has left. The join is made around the router, which would wait for a second.
          return ticket.abandon
        }
      }).pipe(
        // The router holds nothing but its table: it may live as long as somebody holds the client. Were its scope
        // closed, it would end calls as plain interruptions; and one scope for all of them would keep each.
        Effect.provideService(Scope.Scope, Scope.makeUnsafe())
      )
      const deliver = (message: FromServer<Rpc.Any>) => router.write(message)
      const calling: Calling = {
        session,
        actor: callee,
        life,
        runFork,
        answer: (requestId, exit) => {
          const done = deliver({ _tag: "Exit", clientId: 0, requestId, exit: exit as never })
          if (!isKnown(done)) runFork(done)
        },
        deliver: (requestId, values) =>
          deliver({ _tag: "Chunk", clientId: 0, requestId, values: values as never })
      }
      return { calling, flat: router.client as unknown as FlatClient }
    })
    let route = yield* makeRoute
    let requests = 0
    /** The router's table is a Map: it is not left to become old (see `ById`). */
    const nextRoute = () => {
      if (++requests % RequestsOfRoute === 0) route = Effect.runSyncWith(context)(makeRoute)
      return route
    }

    /** The router's method; what it throws at once, for a payload that does not fit, becomes a defect. */
    const invoke = (
      flat: FlatClient,
      ticket: Ticket,
      payload: unknown,
      options: CallOptions | undefined
    ): unknown => {
      try {
        return flat(ticket.operation.rpc._tag, payload, {
          headers: options?.headers,
          context: Context.add(noContext, Ticket.Current, ticket)
        })
      } catch (thrown) {
        const { name, rpc } = ticket.operation
        const issue = misfitOf(rpc.payloadSchema, payload) ?? issueOf(thrown)
        return Effect.die(new EncodeError({ operation: name, lane: "payload", issue }))
      }
    }

    /** The router, interrupted between its first two steps, would interrupt a fiber that it has not started. */
    const withoutYield = <A, E, R>(run: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.withFiber((fiber) => {
        const { maxOpsBeforeYield } = fiber.cache
        const few = 16
        if (maxOpsBeforeYield <= few) {
          return Effect.provideService(Effect.suspend(run), Scheduler.PreventSchedulerYield, true)
        }
        return fiber.currentOpCount + few < maxOpsBeforeYield
          ? run()
          : Effect.andThen(Effect.yieldNow, Effect.suspend(run))
      })

    const inSpan = <A, E, R>(operation: Operation, effect: Effect.Effect<A, E, R>) =>
      Effect.withFiber<A, E, R>((fiber) =>
        isTraced(fiber)
          ? (Effect.withSpan(effect, operation.name, { kind: "client" }) as typeof effect)
          : effect
      )

    const call = (operation: Operation) => (payload: unknown, options?: CallOptions) =>
      inSpan(
        operation,
        Effect.uninterruptibleMask((restore) => {
          const { calling, flat } = nextRoute()
          const ticket = new Ticket(operation, calling)
          return restore(
            withoutYield(
              () => invoke(flat, ticket, payload, options) as Effect.Effect<unknown, unknown>
            )
          ).pipe(
            Effect.catchCause((cause) =>
              Effect.flatMap(Effect.exit(restore(Effect.void)), (pending) =>
                // A middleware of the caller may fail while the callee runs.
                Exit.isSuccess(pending) && (ticket.outgoing === undefined || ticket.isOver)
                  ? Effect.failCause(cause)
                  : leaveAfter(ticket, cause)
              )
            )
          )
        })
      )

    /** The caller leaves before the callee has ended: its Cause, after that has, with what it failed with. */
    const leaveAfter = (ticket: Ticket, cause: Cause.Cause<unknown>) =>
      Effect.flatMap(ticket.leave("left"), (left) =>
        Effect.failCause(
          Cause.fromReasons([
            ...cause.reasons.map((reason) =>
              Cause.isInterruptReason(reason) ? reason.annotate(left.notJoined) : reason
            ),
            ...left.cause.reasons.filter(
              (reason) => !cause.reasons.some((known) => sameEvent(known, reason))
            )
          ])
        )
      )

    const stream = (operation: Operation) => (payload: unknown, options?: CallOptions) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const span = isTraced(Fiber.getCurrent()!)
            ? yield* Effect.makeSpanScoped(operation.name, { kind: "client" })
            : undefined
          const { calling, flat } = nextRoute()
          const ticket = new Ticket(operation, calling)
          // Runs after the router has said that its consumer left.
          yield* Effect.addFinalizer(() =>
            ticket.isOver || ticket.outgoing === undefined
              ? Effect.void
              : Effect.flatMap(ticket.leave("left"), (left) =>
                  failUnlessEmpty(asDefects(left.cause))
                )
          )
          const invoked = invoke(flat, ticket, payload, options)
          const items = Effect.isEffect(invoked)
            ? Stream.fromEffect(invoked as Effect.Effect<never>)
            : (invoked as Stream.Stream<unknown, unknown>)
          return span === undefined ? items : Stream.provideService(items, Tracer.ParentSpan, span)
        })
      )

    /** A dialog's end as the router tells it, and the failure of a middleware. */
    const requestEnded = (ticket: Ticket) => (exit: Final) => {
      // Once the caller has left, the end is the callee's last word, and not that of the router's fiber.
      if (ticket.isLeft) return
      // The router has done its part, and the dialog goes on.
      if (Exit.isSuccess(exit) && ticket.outgoing !== undefined) return
      // A middleware of the caller may fail while the callee runs.
      if (Exit.isFailure(exit) && ticket.outgoing !== undefined && !ticket.isOver) {
        runFork(ticket.fail(exit.cause))
      } else ticket.finish(exit)
    }

    const dialog = (operation: Operation) => (payload: unknown, options?: CallOptions) =>
      new Opening((restore) =>
        inSpan(
          operation,
          Effect.gen(function* () {
            const { calling, flat } = nextRoute()
            const ticket = new Ticket(operation, calling)
            const request = Effect.runForkWith(yield* Effect.context<never>())(
              invoke(flat, ticket, payload, options) as Effect.Effect<unknown, unknown>
            )
            request.addObserver(requestEnded(ticket))
            const first = yield* Effect.exit(restore(ticket.started))
            if (Exit.isFailure(first)) {
              ticket.isLeft = true
              // It may not even have been opened yet, and then it must not be.
              yield* Fiber.interrupt(request)
              return yield* leaveAfter(ticket, first.cause)
            }
            if (first.value === undefined || ticket.outgoing === undefined) {
              yield* Effect.flatten(ticket.ended)
              return yield* Effect.die(
                new ContractBroken({
                  operation: operation.name,
                  detail: "its callee ended well without having said its first word"
                })
              )
            }
            const started = yield* Effect.exit(operation.started.decode(first.value))
            if (Exit.isFailure(started)) return yield* leaveAfter(ticket, started.cause)
            return new HeldDialog(ticket, ticket.outgoing, started.value)
          })
        )
      )

    const methods = { call, stream, dialog }
    return Object.fromEntries(
      [...operations].map(([tag, operation]) => [tag, methods[operation.kind](operation)])
    )
  })
