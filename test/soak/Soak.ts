/**
 * The same small things very often, and what that leaves at both ends: nothing.
 *
 * Answers for what is done and for measuring before and after it, when everything has been done a few times already.
 * What is too much is for whoever runs it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Client, OperationsOf } from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import type { Spawner } from "furrow/Spawner"
import { measure } from "./Memory.ts"
import type { Holding } from "./Memory.ts"
import { Soaker } from "./Soaker.ts"

/** What was done, and what each end held before and after. */
export interface Soaked {
  readonly what: string
  readonly count: number
  readonly millis: number
  readonly parent: { readonly before: Holding; readonly after: Holding }
  /** None where every child was another. */
  readonly child: { readonly before: Holding; readonly after: Holding } | undefined
}

/** Is told how far it is, now and then. */
export type OnProgress = (done: number) => void

type SoakerClient = Client<OperationsOf<typeof Soaker>>

const main = new URL("./fixtures/soaker.ts", import.meta.url)

/** A tenth of it first, and then all of it between two measurements. */
const measured = <E, R>(
  what: string,
  count: number,
  run: (count: number) => Effect.Effect<void, E, R>,
  child?: Effect.Effect<Holding, E, R>
): Effect.Effect<Soaked, E, R> =>
  Effect.gen(function* () {
    const both = Effect.gen(function* () {
      const ofChild = child === undefined ? undefined : yield* child
      // Whatever a fiber or a handle leaves in this turn is gone in the next.
      yield* Effect.sleep(50)
      return { parent: measure(), child: ofChild }
    })
    yield* run(Math.ceil(count / 10))
    const before = yield* both
    const [duration] = yield* Effect.timed(run(count))
    const after = yield* both
    return {
      what,
      count,
      millis: Math.round(Duration.toMillis(duration)),
      parent: { before: before.parent, after: after.parent },
      child:
        before.child === undefined || after.child === undefined
          ? undefined
          : { before: before.child, after: after.child }
    }
  })

const withSoaker = <A, E, R>(body: (client: SoakerClient) => Effect.Effect<A, E, R>) =>
  Nursery.run(Effect.flatMap(Nursery.spawn(Soaker, { main }), ({ client }) => body(client)))

/** One dialog of every kind, ended in every way: six in all. */
const six = (client: SoakerClient) =>
  Effect.all(
    [
      client.Echo(1),
      Stream.runDrain(client.Count(3)),
      Stream.runDrain(Stream.take(client.Count(200), 1)),
      client.Talk().pipe(Dialog.use((talk) => Effect.andThen(talk.send(1), talk.end))),
      Effect.scoped(client.Talk()),
      Effect.flatMap(Effect.forkChild(client.Hang(), { startImmediately: true }), (hanging) =>
        Effect.andThen(Effect.yieldNow, Fiber.interrupt(hanging))
      )
    ],
    { concurrency: "unbounded", discard: true }
  )

/** So many dialogs, opened and closed on one connection. */
export const dialogs = (
  count: number,
  onProgress: OnProgress = () => {}
): Effect.Effect<Soaked, unknown, Spawner> =>
  withSoaker((client) =>
    measured(
      "dialogs",
      count,
      (count) => {
        let done = 0
        return Effect.replicateEffect(
          Effect.tap(six(client), () => Effect.sync(() => onProgress((done += 6)))),
          Math.ceil(count / 6),
          { concurrency: 16, discard: true }
        )
      },
      client.Measure()
    )
  )

/** So many actors, one after the other. */
export const actors = (
  count: number,
  onProgress: OnProgress = () => {}
): Effect.Effect<Soaked, unknown, Spawner> =>
  measured("actors", count, (count) => {
    let done = 0
    return Effect.replicateEffect(
      Effect.tap(Nursery.run(Nursery.call(Soaker, ({ Echo }) => Echo(1), { main })), () =>
        Effect.sync(() => onProgress(++done))
      ),
      count,
      { discard: true }
    )
  })

/** A stream of so many items. */
export const items = (
  count: number,
  onProgress: OnProgress = () => {}
): Effect.Effect<Soaked, unknown, Spawner> =>
  withSoaker((client) =>
    measured(
      "items",
      count,
      (count) =>
        Stream.runForEachArray(client.Count(count), (chunk) =>
          Effect.sync(() => onProgress(chunk.at(-1)!))
        ),
      client.Measure()
    )
  )
