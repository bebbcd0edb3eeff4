import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { TestWorld } from "furrow/testing"
const Increment = Rpc.make("Increment", { payload: { by: Schema.Int }, success: Schema.Int })
const Chat = Dialog.make("Chat", { payload: { room: Schema.String }, started: Schema.String, fromCaller: Schema.String, fromCallee: Schema.String, success: Schema.Int })
const Count = Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
class Counter extends Actor.make("Counter", [Increment, Chat, Count], { arguments: { from: Schema.Int } }) {}
const Live = Counter.toLayer(Effect.gen(function*() {
  const { from } = yield* Counter.Arguments
  const count = yield* Ref.make(from)
  return Counter.of({
    Increment: ({ by }) => Ref.updateAndGet(count, (n) => n + by),
    Chat: Effect.fnUntraced(function*({ room }, dialog) {
      const { messages, send } = yield* dialog.accept(`welcome to ${room}`)
      return yield* messages.pipe(Stream.tap((line) => send(line.toUpperCase())), Stream.runCount)
    }),
    Count: ({ to }) => Stream.range(1, to)
  })
}))
it.effect("works", () => Nursery.run(Effect.gen(function*() {
  const p = yield* Nursery.spawn(Counter, { arguments: { from: 40 } })
  assert.strictEqual(yield* p.client.Increment({ by: 2 }), 42)
  const s = yield* p.client.Count({ to: 1000 }).pipe(Stream.runCollect)
  assert.strictEqual(s.length, 1000)
  const m = yield* p.client.Chat({ room: "x" }).pipe(Dialog.use(Effect.fnUntraced(function*(chat) {
    assert.strictEqual(chat.started, "welcome to x")
    yield* chat.send("hello"); yield* chat.end
    const all = yield* Stream.runCollect(chat.messages)
    assert.deepStrictEqual(all, ["HELLO"])
    return yield* chat.result
  })))
  assert.strictEqual(m, 1)
})).pipe(Effect.provide(TestWorld.layer([Counter.program(Live)]))))
