/** What each end of a dialog may say, and when. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import type { PortalError } from "furrow/PortalError"
import { describe, expectTypeOf, it } from "vitest"
import { Auth, Counter, handlers } from "./fixtures.ts"
import type { Chat, Forbidden, RoomClosed } from "./fixtures.ts"

type CounterClient = Actor.Client<Actor.OperationsOf<typeof Counter>>
declare const client: CounterClient

describe("the callee", () => {
  it("cannot send before it has accepted", () => {
    Counter.toLayer({
      ...handlers,
      // @ts-expect-error -- `accept` is what gives `send`
      Chat: (_, dialog) => Effect.as(dialog.send(1), true)
    })
    expectTypeOf<keyof Dialog.CalleeOf<typeof Chat>>().toEqualTypeOf<"accept">()
  })

  it("accepts with the first word, and then sends and receives its own lanes", () => {
    Counter.toLayer({
      ...handlers,
      Chat: Effect.fnUntraced(function* ({ room }, dialog) {
        const { end, messages, send } = yield* dialog.accept(`welcome to ${room}`)
        expectTypeOf(messages).toEqualTypeOf<Stream.Stream<string>>()
        expectTypeOf(send).toEqualTypeOf<(item: number) => Effect.Effect<void>>()
        expectTypeOf(end).toEqualTypeOf<Effect.Effect<void>>()
        return true
      })
    })
    // @ts-expect-error -- the first word is a string
    Counter.toLayer({ ...handlers, Chat: (_, dialog) => Effect.as(dialog.accept(1), true) })
  })

  it("ends with the success or the error of its operation", () => {
    // @ts-expect-error -- the success is a boolean
    Counter.toLayer({ ...handlers, Chat: (_, dialog) => Effect.as(dialog.accept("a"), "done") })
    // @ts-expect-error -- no error of this operation
    Counter.toLayer({ ...handlers, Chat: () => Effect.fail("closed") })
  })
})

describe("the caller", () => {
  it("holds the dialog in a block, whose errors are the operation's, PortalError and the body's", () => {
    const block = client.Chat({ room: "a" }).pipe(
      Dialog.use(
        Effect.fnUntraced(function* (chat) {
          expectTypeOf(chat.started).toEqualTypeOf<string>()
          expectTypeOf(chat.messages).toEqualTypeOf<
            Stream.Stream<number, RoomClosed | PortalError>
          >()
          expectTypeOf(chat.send).toEqualTypeOf<
            (item: string) => Effect.Effect<void, RoomClosed | PortalError>
          >()
          expectTypeOf(chat.result).toEqualTypeOf<
            Effect.Effect<boolean, RoomClosed | PortalError>
          >()
          expectTypeOf(chat.exit).toEqualTypeOf<
            Effect.Effect<Exit.Exit<boolean, RoomClosed | PortalError>>
          >()
          expectTypeOf(chat.cancel).toEqualTypeOf<Effect.Effect<void>>()
          return yield* Effect.fail("own" as const)
        })
      )
    )
    expectTypeOf(block).toEqualTypeOf<Effect.Effect<never, RoomClosed | PortalError | "own">>()
  })

  it("infers the dialog in a body of any form", () => {
    const opening = client.Chat({ room: "a" })
    expectTypeOf(opening.pipe(Dialog.use((chat) => chat.result))).toEqualTypeOf<
      Effect.Effect<boolean, RoomClosed | PortalError>
    >()
    expectTypeOf(opening.pipe(Dialog.use(() => Effect.succeed(1)))).toEqualTypeOf<
      Effect.Effect<number, RoomClosed | PortalError>
    >()
    // @ts-expect-error -- the caller's items are strings
    opening.pipe(Dialog.use((chat) => chat.send(1)))
  })

  it("may hold it in a scope", () => {
    expectTypeOf(Effect.asVoid(client.Chat({ room: "a" }))).toEqualTypeOf<
      Effect.Effect<void, RoomClosed | PortalError, Scope.Scope>
    >()
    // @ts-expect-error -- without a scope it would never be left
    Effect.runFork(Effect.asVoid(client.Chat({ room: "a" })))
  })

  it("has no word of the callee", () => {
    Effect.gen(function* () {
      const chat = yield* client.Chat({ room: "a" })
      // @ts-expect-error -- accepting is the callee's
      chat.accept("a")
    })
  })
})

describe("a lane that is not named", () => {
  const Mute = Dialog.make("Mute")
  class Quiet extends Actor.make("Quiet", [Mute]) {}

  it("cannot be used by the callee", () => {
    expectTypeOf<Dialog.CalleeOf<typeof Mute>>().toEqualTypeOf<Dialog.Callee<void, never, never>>()
    Quiet.toLayer({
      Mute: (_, dialog) =>
        Effect.flatMap(
          dialog.accept(),
          // @ts-expect-error -- nothing can be sent
          ({ send }) => send("a")
        )
    })
  })

  it("cannot be used by the caller", () => {
    const tell = (quiet: Actor.Client<Actor.OperationsOf<typeof Quiet>>) =>
      quiet.Mute().pipe(
        // @ts-expect-error -- nothing can be sent
        Dialog.use((mute) => mute.send("a"))
      )
    expectTypeOf(tell).toBeFunction()
  })
})

describe("what effect/rpc rebuilds stays a dialog", () => {
  it("with a middleware, whose errors every word of the caller has", () => {
    const Guarded = Counter.middleware(Auth)
    type Client = Actor.Client<Actor.OperationsOf<typeof Guarded>>
    expectTypeOf<ReturnType<Client["Chat"]>>().toEqualTypeOf<
      Dialog.Opening<
        string,
        string,
        number,
        boolean,
        RoomClosed | PortalError | Forbidden | "no token"
      >
    >()
  })

  it("with a prefix", () => {
    const Prefixed = Dialog.make("Talk", { fromCaller: Schema.Int }).prefix("Small")
    class Small extends Actor.make("Small", [Prefixed]) {}
    type Client = Actor.Client<Actor.OperationsOf<typeof Small>>
    expectTypeOf<ReturnType<Client["SmallTalk"]>>().toEqualTypeOf<
      Dialog.Opening<void, number, never, void, PortalError>
    >()
  })
})
