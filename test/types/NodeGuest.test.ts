/** What a script in a thread, and an emitter, may be used as. */
import * as NodeGuest from "@furrow/node/NodeGuest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Self } from "furrow/Actor"
import { EventEmitter } from "node:events"
import { describe, expectTypeOf, it } from "vitest"

const script = new URL("./script.js", import.meta.url)

describe("a script in a thread", () => {
  it("takes and gives what its schemas say, and fails with a WorkerFailure", () => {
    const used = NodeGuest.worker(
      "doubles",
      script,
      (guest) => {
        expectTypeOf(guest.messages).toEqualTypeOf<Stream.Stream<string, NodeGuest.WorkerFailure>>()
        // @ts-expect-error -- it takes numbers
        guest.send("21")
        return Effect.as(Effect.ignore(guest.send(21)), true)
      },
      { fromHost: Schema.Int, fromGuest: Schema.String }
    )
    expectTypeOf(used).toEqualTypeOf<Effect.Effect<boolean, NodeGuest.WorkerFailure, Self>>()
  })

  it("without schemas takes and gives anything, of which nothing is known", () => {
    NodeGuest.worker("any", script, (guest) => {
      expectTypeOf(guest.messages).toEqualTypeOf<Stream.Stream<unknown, NodeGuest.WorkerFailure>>()
      return guest.send({ whatever: true })
    })
  })

  it("fails with what its errors are made into, too", () => {
    const body = () => Effect.void
    expectTypeOf(
      NodeGuest.worker("fails", script, body, { catch: () => "caught" as const })
    ).toEqualTypeOf<Effect.Effect<void, NodeGuest.WorkerFailure | "caught", Self>>()
    // @ts-expect-error -- it is terminated: nobody else can do that
    NodeGuest.worker("forced", script, body, { force: () => {} })
    // @ts-expect-error -- a slip
    NodeGuest.worker("slip", script, body, { patient: "1 second" })
  })
})

describe("events", () => {
  it("are what is read of them", () => {
    const emitter = new EventEmitter()
    expectTypeOf(NodeGuest.events(emitter, "line", (line: string) => line)).toEqualTypeOf<
      Stream.Stream<string, NodeGuest.EventsOverflowed>
    >()
    expectTypeOf(
      NodeGuest.events(emitter, "line", (line: string) => line, { catch: () => "caught" as const })
    ).toEqualTypeOf<Stream.Stream<string, NodeGuest.EventsOverflowed | "caught">>()
    // @ts-expect-error -- nobody could stop listening
    NodeGuest.events({ on: () => {} }, "line", () => 1)
    // @ts-expect-error -- nothing says what is to be made of them
    NodeGuest.events(emitter, "line")
  })
})
