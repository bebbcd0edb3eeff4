/**
 * A client that finds its actor for each operation: what it finds is held for exactly as long as the operation lasts.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { Ended, PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import { TestWorld } from "furrow/testing"
import { via } from "furrow/Via"
import type { Running } from "furrow/Via"
import { Talker } from "../contract/fixtures/Streams.ts"
import { programs } from "../contract/fixtures/programs.ts"
import { only } from "../contract/Watching.ts"

/** A talker behind a client that notes what it is asked for, and what is held. */
const behind = Effect.gen(function* () {
  const { client } = yield* Nursery.spawn(Talker)
  const asked: Array<Running> = []
  const held = { now: 0 }
  const found: Actor.Client<Actor.OperationsOf<typeof Talker>> = via(Talker, (running, hold) =>
    Effect.sync(() => {
      asked.push(running)
      held.now++
      hold(
        Effect.sync(() => {
          held.now--
        })
      )
      return client
    })
  )
  return { client: found, asked, held }
})

const inTree = <A, E>(body: Effect.Effect<A, E, Nursery.Nursery | Spawner>) =>
  Nursery.run(body).pipe(Effect.provide(TestWorld.layer(programs)))

describe("a client that finds its actor for each operation", () => {
  it.effect("a call holds what it found until it has answered", () =>
    inTree(
      Effect.gen(function* () {
        const { asked, client, held } = yield* behind
        const call = client.Double({ n: 4 })
        expect(asked, "nothing is looked for before it is run").toEqual([])
        expect(yield* call).toBe(8)
        expect(yield* call).toBe(8)
        expect(asked).toEqual([
          { operation: "Double", payload: { n: 4 } },
          { operation: "Double", payload: { n: 4 } }
        ])
        expect(held.now).toBe(0)
      })
    )
  )

  it.effect("a stream holds what it found until its consumer has left", () =>
    inTree(
      Effect.gen(function* () {
        const { client, held } = yield* behind
        const seen: Array<number> = []
        yield* Stream.runForEach(Stream.take(client.Endless(), 3), () =>
          Effect.sync(() => seen.push(held.now))
        )
        expect(seen).toEqual([1, 1, 1])
        expect(held.now).toBe(0)
      })
    )
  )

  it.effect("a dialog's block holds what it found until both ends have ended", () =>
    inTree(
      Effect.gen(function* () {
        const { client, held } = yield* behind
        yield* client.Reply().pipe(
          Dialog.use(
            Effect.fnUntraced(function* (dialog) {
              yield* dialog.send(7)
              expect(yield* Stream.runHead(dialog.messages)).toMatchObject({ value: 7 })
              expect(held.now).toBe(1)
              yield* dialog.end
              yield* dialog.result
              expect(held.now).toBe(1)
            })
          )
        )
        expect(held.now).toBe(0)
      })
    )
  )

  it.effect("a dialog of a scope, and one that is interrupted, holds it until it has left", () =>
    inTree(
      Effect.gen(function* () {
        const { client, held } = yield* behind
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* client.Reply()
            expect(held.now).toBe(1)
          })
        )
        expect(held.now).toBe(0)
        let inside = false
        const fiber = yield* client.Reply().pipe(
          Dialog.use(() =>
            Effect.andThen(
              Effect.sync(() => {
                inside = true
              }),
              Effect.never
            )
          ),
          Effect.forkChild
        )
        while (!inside) yield* Effect.yieldNow
        expect(held.now).toBe(1)
        yield* Fiber.interrupt(fiber)
        expect(held.now).toBe(0)
      })
    )
  )

  it.effect("what cannot be found fails the operation, whatever its kind", () =>
    Effect.gen(function* () {
      const own = new PortalError({ actor: "nobody", reason: new Ended() })
      const client = via(Talker, () => Effect.fail(own))
      for (const operation of [
        client.Double({ n: 1 }),
        Stream.runDrain(client.Endless()),
        client.Reply().pipe(Dialog.use(() => Effect.void)),
        Effect.scoped(client.Reply())
      ]) {
        expect(only(yield* Effect.exit(operation))).toBe(own)
      }
    })
  )
})
