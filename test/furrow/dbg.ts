import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { TestWorld } from "furrow/testing"
import {Session} from "../../packages/furrow/src/Session.ts"
const d=(Session.prototype as any).dispatch; (Session.prototype as any).dispatch=function(f:any){console.log(this.ids.role,"got",f._tag,f.id??"", f.exit??""); return d.call(this,f)}
const c=(Session.prototype as any).finish; (Session.prototype as any).finish=function(f:any){console.log(this.ids.role,"finish",f._tag,f.detail??f.frame?.why); return c.call(this,f)}
const Increment = Rpc.make("Increment", { payload: { by: Schema.Int }, success: Schema.Int })
const Count = Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
const Chat = Dialog.make("Chat", { payload: { room: Schema.String }, started: Schema.String, fromCaller: Schema.String, fromCallee: Schema.String, success: Schema.Int })
class Counter extends Actor.make("Counter", [Increment, Count, Chat], { arguments: { from: Schema.Int } }) {}
const Live = Counter.toLayer(Effect.gen(function*() {
  const { from } = yield* Counter.Arguments
  const count = yield* Ref.make(from)
  return Counter.of({
    Increment: ({ by }) => Ref.updateAndGet(count, (n) => n + by),
    Count: ({ to }) => Stream.range(1, to),
    Chat: Effect.fnUntraced(function*({ room }, dialog) {
      const { messages, send } = yield* dialog.accept(`welcome to ${room}`)
      return yield* messages.pipe(Stream.tap((line) => send(line.toUpperCase())), Stream.runCount)
    }),
  })
}))
Effect.runPromise(Nursery.run(Effect.gen(function*() {
  const p = yield* Nursery.spawn(Counter, { arguments: { from: 40 } })
  console.log("spawned")
  console.log(yield* p.client.Increment({ by: 2 }))
  const m = yield* p.client.Chat({ room: "x" }).pipe(Dialog.use(Effect.fnUntraced(function*(chat) {
    console.log(chat.started)
    yield* chat.send("hello"); yield* chat.end
    const all = yield* Stream.runCollect(chat.messages)
    console.log(all)
    return yield* chat.result
  })))
})).pipe(Effect.provide(TestWorld.layer([Counter.program(Live)])))).then(()=>console.log("done"),e=>console.log(e))
