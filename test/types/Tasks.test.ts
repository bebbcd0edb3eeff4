/** What tasks give and may fail with, and what that makes of their block. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Stream from "effect/Stream"
import * as Tasks from "furrow/Tasks"
import { describe, expectTypeOf, it } from "vitest"
import { Accounts, RoomClosed } from "./fixtures.ts"

const closed = Effect.fail(new RoomClosed({ room: "lobby" }))

describe("a block of tasks", () => {
  it("may fail with what its tasks may fail with, and its body", () => {
    const block = Tasks.run(
      Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, RoomClosed>) {
        const task = yield* tasks.start(closed)
        expectTypeOf(task).toEqualTypeOf<Tasks.Task<never, RoomClosed>>()
        yield* tasks.start(Effect.succeed(1))
        return yield* Effect.fail("body" as const)
      })
    )
    expectTypeOf(block).toEqualTypeOf<Effect.Effect<never, RoomClosed | "body">>()
  })

  it("takes no task that may fail, unless its body says so", () => {
    const block = Tasks.run((tasks) => {
      expectTypeOf(tasks).toEqualTypeOf<Tasks.Tasks<unknown, never>>()
      // @ts-expect-error -- RoomClosed would be told by nobody
      tasks.start(closed)
      return tasks.start(Effect.succeed("anything"))
    })
    expectTypeOf(block).toEqualTypeOf<Effect.Effect<Tasks.Task<string>>>()
  })

  it("takes no task that gives something else", () => {
    Tasks.run((tasks: Tasks.Tasks<number>) => {
      // @ts-expect-error -- a string
      return tasks.start(Effect.succeed("1"))
    })
  })

  it("needs what its tasks need", () => {
    const block = Tasks.run((tasks) => tasks.start(Accounts))
    expectTypeOf<Effect.Services<typeof block>>().toEqualTypeOf<Accounts>()
  })

  it("as a stream fails with what its body fails with: what tasks fail with is among the items", () => {
    const stream = Tasks.stream(
      Effect.fnUntraced(function* (tasks: Tasks.Tasks<number, RoomClosed>) {
        yield* tasks.start(closed)
        return yield* Effect.fail("body" as const)
      })
    )
    expectTypeOf(stream).toEqualTypeOf<Stream.Stream<Tasks.Ended<number, RoomClosed>, "body">>()
    expectTypeOf<Tasks.Ended<number, RoomClosed>["exit"]>().toEqualTypeOf<
      Exit.Exit<number, RoomClosed>
    >()
    // @ts-expect-error -- a stream collects by its nature
    Tasks.stream(() => Effect.void, { onFailure: "collect" })
  })
})
