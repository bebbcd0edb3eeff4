/**
 * A live session under fire, as callee and as caller, with a neighbour at the same server who must notice nothing.
 *
 * Answers for what is a failure: an end without a name, a fiber of ours that died, a caller that waits for ever, a
 * dialog that is left, a neighbour that gets no answer, memory that grows. What is said is `Hostile`'s.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AnyDefinition, Client, OperationsOf } from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import { infosOf } from "furrow/Operations"
import { Codec } from "furrow/protocol"
import { makeClient, makeServer } from "furrow/Routers"
import type { Server } from "furrow/Routers"
import * as RawPeer from "../furrow/RawPeer.ts"
import { connect, lifeOf } from "../furrow/RouterPair.ts"
import { held } from "../soak/Memory.ts"
import { Dice } from "./Dice.ts"
import { Hostile } from "./Hostile.ts"
import { record, Target, TargetLive } from "./Target.ts"

/** What is to be done. */
export interface FuzzOptions {
  readonly codec: Codec.Codec
  readonly seed: number
  /** How many frames sessions take in, at least; what is said after one has ended its connection does not count. */
  readonly frames: number
  /** How long anything may take that must come to an end, in milliseconds. */
  readonly patience: number
  /** Is told how far it is, now and then. */
  readonly onProgress?: (frames: number) => void
}

/** What has come of it. */
export interface Tally {
  readonly frames: number
  readonly connections: number
  /** How many connections ended in which way: by the name of the rule, `Bye`, `alive`. */
  readonly ends: Readonly<Record<string, number>>
  /** Bytes held more at the end than after the first tenth. */
  readonly growth: number
}

/** Something that must not happen; the message says what. */
class Found extends Error {
  override readonly name = "Found"
}

const found = (what: string) => Effect.die(new Found(what))

const settle = Effect.repeat(Effect.yieldNow, { times: 40 })

const definition = Target as unknown as AnyDefinition

/** Says all of it, in one piece or in many. */
const sayInPieces = (peer: RawPeer.RawPeer, bytes: Uint8Array, dice: Dice) =>
  Effect.gen(function* () {
    let rest = bytes
    while (rest.length > 0) {
      const length = dice.once(3) ? 1 + dice.below(rest.length) : rest.length
      yield* peer.write(rest.slice(0, length))
      rest = rest.subarray(length)
      if (dice.once(2)) yield* Effect.yieldNow
    }
    yield* settle
  })

/** How the session came through. A reader or a writer that fails by itself is a bug of ours. */
const endOf = (peer: RawPeer.RawPeer): Effect.Effect<string> =>
  Effect.gen(function* () {
    if (!peer.session.isOver) return "alive"
    const end = yield* peer.session.end
    yield* settle
    if (peer.session.dialogs > 0) return yield* found(`${peer.session.dialogs} dialogs are left`)
    if (end._tag === "Lost") return yield* found(`the session failed: ${end.detail}`)
    return end._tag === "Violation" ? end.violation.rule : end._tag
  })

/** The hostile end calls. */
const asCaller = (server: Server, hostile: Hostile, dice: Dice, codec: Codec.Codec) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawPeer.connect("accepted", { codec })
      server.attach(peer.session)
      yield* sayInPieces(peer, hostile.connection(), dice)
      return yield* endOf(peer)
    })
  )

/** The hostile end is called: whoever calls it must come to an end, when the connection does. */
const asCallee = (hostile: Hostile, dice: Dice, codec: Codec.Codec) =>
  Effect.gen(function* () {
    const callers: Array<Fiber.Fiber<unknown, unknown>> = []
    const end = yield* Effect.scoped(
      Effect.gen(function* () {
        const peer = yield* RawPeer.connect("dialled", { codec, operations: infosOf(definition) })
        const client = (yield* makeClient(
          definition,
          peer.session,
          lifeOf("target").self,
          lifeOf("caller")
        )) as unknown as Client<OperationsOf<typeof Target>>
        const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          client.Echo(1),
          client.Any([]),
          client.Grow({ leaf: 1, twigs: [] }),
          client.Long("x".repeat(40_000)),
          Stream.runDrain(client.Count(100)),
          Effect.scoped(Effect.flatMap(client.Talk(1), (talk) => talk.send(1))),
          client.Talk(1).pipe(Dialog.use((talk) => Stream.runDrain(talk.messages)))
        ]
        for (const call of calls) {
          callers.push(yield* Effect.forkDetach(call, { startImmediately: true }))
        }
        yield* sayInPieces(peer, hostile.connection(), dice)
        return yield* endOf(peer)
      })
    )
    yield* Effect.forEach(callers, (caller) => Fiber.await(caller), { discard: true })
    return end
  })

/**
 * Says so many frames to sessions, one connection after the other. Dies (`Found`) at the first thing that must
 * not happen.
 */
export const fuzz = (options: FuzzOptions): Effect.Effect<Tally, unknown> => {
  let taken = 0
  const counting: Codec.Codec = {
    ...options.codec,
    decodeFrame: (body) => {
      taken++
      return options.codec.decodeFrame(body)
    }
  }
  return Effect.gen(function* () {
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(
      Scope.provide(
        run(options, () => taken),
        scope
      )
    )
    // What was found may be what keeps the rest from ending.
    const closing = yield* Effect.forkDetach(Scope.close(scope, exit))
    const closed = yield* Effect.timeoutOption(Fiber.await(closing), options.patience)
    if (Exit.isSuccess(exit) && Option.isNone(closed))
      return yield* found("the server does not end")
    return yield* exit
  }).pipe(
    Effect.provideService(Codec.Codecs, [counting]),
    // What callers are warned of is what hostile ends say.
    Effect.provideService(References.MinimumLogLevel, "None")
  )
}

const run = ({ codec, frames, onProgress, patience, seed }: FuzzOptions, taken: () => number) =>
  Effect.gen(function* () {
    const dice = new Dice(seed)
    const recording = yield* record(codec)
    const calling = new Hostile(dice, codec, recording.caller, true)
    const called = new Hostile(dice, codec, recording.callee, false)

    const context = yield* Layer.build(TargetLive)
    const server = yield* makeServer(
      definition,
      Context.get(context, Target.Service),
      lifeOf("target")
    )
    const neighbour = yield* connect(Target, TargetLive, { codec, server, log: false })

    const ends: Record<string, number> = {}
    let connections = 0
    let before: number | undefined
    let told = 0
    const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>) =>
      Effect.timeoutOrElse(effect, { duration: patience, orElse: () => found(what) })

    const next = Effect.gen(function* () {
      const role = dice.once(3) ? "callee" : "caller"
      const end = yield* inTime(
        `a connection of which the hostile end is the ${role} does not end, or a caller of it waits for ever`,
        role === "caller" ? asCaller(server, calling, dice, codec) : asCallee(called, dice, codec)
      )
      connections++
      ends[end] = (ends[end] ?? 0) + 1
      const answer = yield* inTime("a neighbour gets no answer", neighbour.client.Echo(connections))
      if (answer !== connections) return yield* found("a neighbour gets a wrong answer")
      if (before === undefined && taken() >= frames / 10) before = held()
      if (taken() - told >= 100_000) onProgress?.((told = taken()))
    }).pipe(
      Effect.catchCause((cause) =>
        Effect.die(
          new Found(
            `connection ${connections} of seed ${seed} in ${codec.name}, after ${taken()} frames`,
            { cause: Cause.squash(cause) }
          )
        )
      )
    )
    yield* Effect.whileLoop({
      while: () => taken() < frames,
      body: () => next,
      step: () => {}
    })
    return { frames: taken(), connections, ends, growth: held() - (before ?? 0) } satisfies Tally
  })
