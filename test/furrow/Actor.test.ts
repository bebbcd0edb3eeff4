/** An actor's definition: what is refused, and what follows from it. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"

const Get = Rpc.make("Get", { success: Schema.Int })
const Talk = Dialog.make("Talk", { fromCaller: Schema.Int })
class Auth extends RpcMiddleware.Service<Auth>()("test/Auth") {}

describe("an actor's name", () => {
  it.each(["", "a/b", "a\nb", "a\u0000", "a\u001b[31m", "x".repeat(129), "a\u2028b"])(
    "may not be %j",
    (name) => {
      // It says so without sending what it refuses to a terminal.
      expect(() => Actor.make(name, [])).toThrow(
        /^This cannot be the name of an actor: "[\x20-\x7e]*"\. A name has 1 to 128 characters, no control characters and no "\/"\.$/
      )
    }
  )

  it.each(["a", "Counter", "größe 2", "x".repeat(128), "toString", "__proto__"])(
    "may be %j",
    (name) => {
      expect(Actor.make(name, []).actorName).toBe(name)
    }
  )
})

describe("an actor's operations", () => {
  it("have a name each", () => {
    expect(() => Actor.make("Twice", [Get, Talk, Rpc.make("Talk"), Get])).toThrow(
      `The actor "Twice" has two operations called "Talk"; give one of them another name.`
    )
  })

  it("stay calls and dialogs through what effect/rpc rebuilds", () => {
    const plain = Actor.make("Plain", [Get, Talk])
    const guarded = plain.middleware(Auth)
    const prefixed = Actor.make("Plain", [Get.prefix("My"), Talk.prefix("My").middleware(Auth)])
    for (const [actor, tags] of [
      [plain, ["Get", "Talk"]],
      [guarded, ["Get", "Talk"]],
      [prefixed, ["MyGet", "MyTalk"]]
    ] as const) {
      expect([...actor.group.requests.keys()]).toStrictEqual(tags)
      expect(
        [...actor.group.requests.values()].map((operation: Rpc.Any) => Dialog.isDialog(operation))
      ).toStrictEqual([false, true])
    }
  })
})

describe("a definition", () => {
  class Counter extends Actor.make("Counter", [Get], { arguments: { from: Schema.Int } }) {}

  it("is a class with everything that follows from it, also under another name", () => {
    class Other extends Counter {}
    for (const actor of [Counter, Other]) {
      expect(actor.actorName).toBe("Counter")
      expect(actor.Service.key).toBe(Counter.Service.key)
      expect(actor.group).toBe(Counter.group)
    }
  })

  it("gives the handlers as they are", () => {
    const handlers = { Get: () => Effect.succeed(1) }
    expect(Counter.of(handlers)).toBe(handlers)
  })

  it("makes a program, which is told from an effect and from anything else", () => {
    const program = Counter.program(Counter.toLayer({ Get: () => Effect.succeed(1) }))
    expect(Actor.isProgram(program)).toBe(true)
    expect(program.actor.actorName).toBe("Counter")
    for (const other of [Effect.void, Counter, {}, null, undefined, "Counter"]) {
      expect(Actor.isProgram(other)).toBe(false)
    }
  })

  it("takes a schema for arguments as well as fields, and none", () => {
    const decode = (actor: { readonly argumentsSchema: Schema.Top }, value: unknown) =>
      Schema.is(actor.argumentsSchema)(value)
    expect(decode(Counter, { from: 1 })).toBe(true)
    expect(decode(Actor.make("A", [], { arguments: Schema.String }), "a")).toBe(true)
    expect(decode(Actor.make("A", []), undefined)).toBe(true)
  })
})
