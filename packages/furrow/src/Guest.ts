/**
 * Code that is not Effect, under supervision: promise functions and async iterables as guests of the fiber that runs
 * them, which is their host.
 *
 * Answers for the link between the two: a guest that fails ends its host's block with its own error, a host that ends
 * aborts its guest and waits for it, for a bounded time. One stay is `GuestStay`'s; what only Node has (workers, event
 * emitters) is `NodeGuest`'s.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Self } from "./Actor.ts"
import { asDefects, failUnlessEmpty, sameEvent } from "./Dialog.ts"
import { reasonsOf, withNotesOf } from "./Exits.ts"
import type { Code, Guest, GuestCancelled, GuestOptions, Host } from "./GuestEnds.ts"
import { Stay } from "./GuestStay.ts"

export { GuestCancelled, GuestEnded } from "./GuestEnds.ts"
export type { Channel, Code, Guest, GuestOptions, Host } from "./GuestEnds.ts"

/**
 * Runs a promise function as a guest, and gives what it returns. Interrupting this aborts the signal, waits until the
 * guest has ended, for 3 seconds by default (see `GuestOptions.patience`), and then goes on in any case.
 *
 * What the guest throws is a defect, the same object; `catch` makes typed errors of it. A guest that ends with an
 * `AbortError` of its own, without having been asked to, fails with `GuestCancelled`.
 *
 * **Example** (A request that ends with its block)
 *
 * ```ts
 * const page = yield* Guest.run("page", async (signal) => {
 *   const response = await fetch("https://example.com", { signal })
 *   return response.text()
 * })
 * ```
 */
export const run = <A, E = never>(
  name: string,
  code: (signal: AbortSignal) => PromiseLike<A> | A,
  options?: GuestOptions<E>
): Effect.Effect<A, E | GuestCancelled, Self> =>
  use(
    name,
    (host: Host) => {
      host.started()
      return code(host.signal)
    },
    (guest) => guest.result,
    options
  )

/**
 * Runs a guest beside a body, with a channel between the two, both ways. The body begins when the guest has said its
 * first word (`host.started`), and the block's value is the body's.
 *
 * The two are linked: a guest that fails interrupts the body and ends the block with its error; a body that has ended,
 * however, aborts the guest's signal, with its own error for the reason if it has one, and the block ends when the guest
 * has, or when its time is over (`GuestOptions.patience`). If both fail, both are kept, the body's reasons first. A guest
 * that throws before its first word fails the block before the body has begun.
 *
 * **Example** (Both ways)
 *
 * ```ts
 * const loud = async (host: Guest.Host<string, string, string>) => {
 *   const { messages, send } = host.started("at your service")
 *   for await (const line of messages) await send(line.toUpperCase())
 * }
 *
 * const said = yield* Guest.use("loud", loud, (guest) =>
 *   Effect.andThen(
 *     Effect.andThen(guest.send("hello"), guest.end),
 *     Stream.runCollect(guest.messages)
 *   )
 * )
 * ```
 */
export const use = <Started, FromHost, FromGuest, A, B, E2, R2, E = never>(
  name: string,
  code: Code<Started, FromHost, FromGuest, A>,
  body: (
    guest: Guest<Started, FromHost, FromGuest, A, E | GuestCancelled>
  ) => Effect.Effect<B, E2, R2>,
  options?: GuestOptions<E>
): Effect.Effect<B, E | E2 | GuestCancelled, R2 | Self> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const stay = yield* Stay.begin(name, code, options ?? {})
      const opened = yield* Effect.exit(restore(stay.opened))
      const { ended, untold }: Linked<B, E | E2 | GuestCancelled> = Exit.isFailure(opened)
        ? { ended: Exit.failCause(opened.cause), untold: [] }
        : yield* linked(
            stay,
            Effect.suspend(() => body(opened.value)),
            restore
          )
      const { cause, note } = yield* stay.leave(ended)
      if (Exit.isSuccess(ended) && cause.reasons.length === 0) return ended.value
      const own = reasonsOf(ended)
      const more = cause.reasons.filter((reason) => !own.some((told) => sameEvent(told, reason)))
      const told = withNotesOf(untold, [...own, ...more])
      return yield* Effect.failCause(Cause.fromReasons(told.map((reason) => reason.annotate(note))))
    })
  )

/** How a body has ended, without its interruption by us. */
interface Linked<A, E> {
  readonly ended: Exit.Exit<A, E>
  readonly untold: ReadonlyArray<Cause.Reason<E>>
}

/** Runs a body until it ends, or its guest fails; the interruption by that is no reason of its own. */
const linked = <A, E, R>(
  guest: { readonly failed: Effect.Effect<void>; readonly hasFailed: boolean },
  body: Effect.Effect<A, E, R>,
  restore: <B, F, Q>(effect: Effect.Effect<B, F, Q>) => Effect.Effect<B, F, Q>
): Effect.Effect<Linked<A, E>, never, R> =>
  Effect.gen(function* () {
    const running = yield* Effect.forkChild(restore(body), { uninterruptible: "inherit" })
    const watching = yield* Effect.forkChild(Effect.andThen(guest.failed, Fiber.interrupt(running)))
    // Interrupting the block interrupts the wait; the body is then ended by hand, so that its reasons are kept.
    const waited = yield* Effect.exit(restore(Fiber.await(running)))
    if (Exit.isFailure(waited)) yield* Fiber.interrupt(running)
    const ended = yield* Fiber.await(running)
    yield* Fiber.interrupt(watching)
    const isOurs = guest.hasFailed || Exit.isFailure(waited)
    const all = reasonsOf(ended)
    const untold = all.filter((reason) => isOurs && Cause.isInterruptReason(reason))
    const reasons = [...reasonsOf(waited), ...all.filter((reason) => !untold.includes(reason))]
    return Exit.isSuccess(ended) && reasons.length === 0
      ? { ended, untold }
      : { ended: Exit.failCause(Cause.fromReasons(reasons)), untold }
  })

/**
 * The items of an async iterable, such as an async generator makes, as a stream. It makes an item only when one is
 * wanted. A stream that is left aborts the signal, has the generator's own `finally` run, and waits for it as
 * {@link run} does; what it then fails with is a defect.
 *
 * **Example** (The lines of a response)
 *
 * ```ts
 * async function* lines(signal: AbortSignal) {
 *   const response = await fetch("https://example.com/lines", { signal })
 *   yield* (await response.text()).split("\n")
 * }
 * yield* Stream.runForEach(Guest.stream("lines", lines), Console.log)
 * ```
 */
export const stream = <A, E = never>(
  name: string,
  code: (signal: AbortSignal) => AsyncIterable<A>,
  options?: GuestOptions<E>
): Stream.Stream<A, E | GuestCancelled, Self> =>
  Stream.unwrap(
    Effect.gen(function* () {
      // What it failed with, whoever takes its items has met.
      let isMet = false
      const stay = yield* Effect.acquireRelease(
        Stay.begin<void, void, A, void, E>(name, onDemand(code), options ?? {}),
        (left, exit) =>
          Effect.flatMap(left.leave(exit), ({ cause }) =>
            isMet ? Effect.void : failUnlessEmpty(asDefects(cause))
          )
      )
      const { send } = yield* stay.opened
      const take = Effect.onError(stay.take, (cause) =>
        Effect.sync(() => {
          if (!Cause.hasInterruptsOnly(cause)) isMet = true
        })
      )
      const pull = Effect.andThen(Effect.ignore(send()), Effect.map(take, Arr.of))
      return Stream.fromPull(Effect.succeed(pull))
    })
  )

/** A guest that makes an item for each word that it hears. */
const onDemand =
  <A>(code: (signal: AbortSignal) => AsyncIterable<A>): Code<void, void, A, void> =>
  async (host) => {
    const { messages, send } = host.started()
    const iterator = code(host.signal)[Symbol.asyncIterator]()
    // One that has thrown, or is in the middle of an item, has nothing to be told.
    let isIdle = true
    try {
      for await (const _ of messages) {
        isIdle = false
        const next = await iterator.next()
        if (next.done === true) return
        isIdle = true
        await send(next.value)
      }
    } finally {
      if (isIdle) await iterator.return?.()
    }
  }
