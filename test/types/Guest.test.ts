/** What a guest and its host may say to each other. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Self } from "furrow/Actor"
import * as Guest from "furrow/Guest"
import { describe, expectTypeOf, it } from "vitest"

declare const speaking: (host: Guest.Host<string, number, boolean>) => Promise<Date>

describe("a guest", () => {
  it("fails with GuestCancelled only, unless its errors are caught", () => {
    expectTypeOf(Guest.run("one", async () => 1)).toEqualTypeOf<
      Effect.Effect<number, Guest.GuestCancelled, Self>
    >()
    expectTypeOf(Guest.run("one", () => 1, { catch: () => "caught" as const })).toEqualTypeOf<
      Effect.Effect<number, Guest.GuestCancelled | "caught", Self>
    >()
    expectTypeOf(
      Guest.stream("numbers", async function* () {
        yield 1
      })
    ).toEqualTypeOf<Stream.Stream<number, Guest.GuestCancelled, Self>>()
  })

  it("has no means to say anything before its first word, and is heard as its parameter says", () => {
    Guest.use("speaking", speaking, (guest) => {
      expectTypeOf(guest.started).toEqualTypeOf<string>()
      expectTypeOf(guest.messages).toEqualTypeOf<Stream.Stream<boolean, Guest.GuestCancelled>>()
      expectTypeOf(guest.result).toEqualTypeOf<Effect.Effect<Date, Guest.GuestCancelled>>()
      // @ts-expect-error -- it takes numbers
      guest.send("1")
      return guest.send(1)
    })
    Guest.use(
      "silent",
      async (host: Guest.Host) => {
        // @ts-expect-error -- there is no channel yet
        void host.send
        const { send } = host.started()
        // @ts-expect-error -- nobody hears it
        await send(1)
      },
      (guest) => guest.result
    )
  })
})
