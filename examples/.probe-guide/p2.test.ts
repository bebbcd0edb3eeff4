import { it } from "@effect/vitest"
import { Effect, Cause, Exit, Stream, Schema, Context, Fiber, Duration } from "effect"
import { TestClock } from "effect/testing"
import { Actor, Dialog, Nursery } from "furrow"
import { TestWorld } from "furrow/testing"
import { Reasons } from "furrow/protocol"
const Chat = Dialog.make("Chat", { payload: { mode: Schema.String }, started: Schema.String, fromCaller: Schema.String, fromCallee: Schema.String, success: Schema.Int })
class A extends Actor.make("A", [Chat]) {}
const ALive = A.toLayer({
  Chat: Effect.fnUntraced(function* ({ mode }, dialog) {
    const { messages, send } = yield* dialog.accept("hi")
    if (mode === "send") yield* Effect.forever(send("x"))
    if (mode === "uninterruptible") yield* Effect.uninterruptible(Stream.runDrain(messages))
    if (mode === "slow") return yield* Effect.never.pipe(Effect.onInterrupt(() => Effect.sleep("20 seconds")))
    yield* Stream.runDrain(messages)
    return 1
  })
})
const world = TestWorld.layer([A.program(ALive)])
const show = (x: any): string => Exit.isExit(x) ? (Exit.isSuccess(x) ? `Success(${JSON.stringify(x.value)})` : x.cause.reasons.map((r: any) => `${r._tag} ${r.error?.reason?._tag} ${r.error?.reason?.by?.path} nj=${Context.getOrUndefined(Cause.reasonAnnotations(r), Reasons.NotJoined)?.waited}`).join("|")) : JSON.stringify(x)
const log = (name: string, x: unknown) => Effect.sync(() => console.log(name.padEnd(34), show(x)))
for (const mode of ["plain", "send", "uninterruptible", "slow"])
it.effect(mode, () => Nursery.run(Effect.gen(function* () {
  const a = yield* Nursery.spawn(A)
    const chat = a.client.Chat({ mode }).pipe(Dialog.use(Effect.fnUntraced(function* (chat) {
      yield* chat.cancel
      yield* log(`${mode} cancelled`, 0)
      const r = yield* Effect.forkChild(Effect.onExit(chat.result, (x) => log(`${mode} result`, x)), { startImmediately: true })
      yield* Effect.forkChild(Effect.onExit(Stream.runCollect(chat.messages), (x) => log(`${mode} messages`, x)), { startImmediately: true })
      yield* Effect.forkChild(Effect.tap(chat.exit, (x) => log(`${mode} exit`, x)), { startImmediately: true })
      yield* Fiber.await(r)
      return "body"
    })))
    const b = yield* Effect.forkChild(Effect.onExit(chat, (x) => log(`${mode} block`, x)), { startImmediately: true })
    for (let i = 1; i < 30; i++) { yield* TestClock.adjust("1 seconds"); if (b.pollUnsafe()) {console.log("after", i); break} }
    yield* Fiber.await(b)
})).pipe(Effect.provide(world)))
