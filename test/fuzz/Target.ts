/** What is fuzzed: an actor with an operation of every kind, and recordings of what is lawfully said to it and by it. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import type { Codec, Protocol } from "furrow/protocol"
import { connect } from "../furrow/RouterPair.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

interface Tree {
  readonly leaf: number
  readonly twigs: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  leaf: Schema.Int,
  twigs: Schema.Array(Schema.suspend(() => Tree))
})

const Echo = Rpc.make("Echo", { payload: Schema.Int, success: Schema.Int })
const Any = Rpc.make("Any", { payload: Schema.Json, success: Schema.Json })
const Grow = Rpc.make("Grow", { payload: Tree, success: Tree, error: Refused })
const Long = Rpc.make("Long", { payload: Schema.String, success: Schema.Int })
const Hang = Rpc.make("Hang", { payload: Schema.Int })
const Count = Rpc.make("Count", { payload: Schema.Int, success: Schema.Int, stream: true })
const Talk = Dialog.make("Talk", {
  payload: Schema.Int,
  started: Schema.String,
  fromCaller: Schema.Int,
  fromCallee: Schema.Int,
  success: Schema.Int,
  error: Refused
})

/** See the module. */
export class Target extends Actor.make("Target", [Echo, Any, Grow, Long, Hang, Count, Talk]) {}

/** Its operations, by name. */
export const operations = [...Target.group.requests.keys()]

/** Its handlers; they hold nothing. */
export const TargetLive = Target.toLayer({
  Echo: (n) => Effect.succeed(n),
  Any: (json) => Effect.succeed(json),
  Grow: (tree) =>
    tree.leaf < 0 ? Effect.fail(new Refused({ why: "it wilts" })) : Effect.succeed(tree),
  Long: (text) => Effect.succeed(text.length),
  Hang: () => Effect.never,
  Count: (to) => Stream.range(1, Math.min(to, 1000)),
  Talk: (from, dialog) =>
    Effect.gen(function* () {
      if (from < 0) return yield* new Refused({ why: "no" })
      const { messages, send } = yield* dialog.accept("welcome")
      return yield* messages.pipe(Stream.tap(send), Stream.runCount)
    })
})

/** What one end said in one connection, after Hello. */
export type Recording = ReadonlyArray<Protocol.Frame>

/** A little of everything, in one connection: what each of the two ends said. */
export const record = (
  codec: Codec.Codec
): Effect.Effect<{ readonly caller: Recording; readonly callee: Recording }, unknown> =>
  Effect.gen(function* () {
    const { client, said } = yield* connect(Target, TargetLive, { codec })
    yield* client.Echo(7)
    yield* client.Any({ list: [1, "two", null, { three: 3 }] })
    const tree = { leaf: 1, twigs: [{ leaf: 2, twigs: [] }] }
    yield* client.Grow(tree)
    yield* Effect.flip(client.Grow({ ...tree, leaf: -1 }))
    yield* client.Long("x".repeat(70_000))
    yield* Stream.runDrain(client.Count(150))
    yield* Stream.runDrain(Stream.take(client.Count(900), 3))
    yield* client.Talk(1).pipe(
      Dialog.use((talk) =>
        Effect.gen(function* () {
          for (const n of [1, 2, 3]) yield* talk.send(n)
          yield* talk.end
          yield* Stream.runDrain(talk.messages)
          yield* talk.result
        })
      )
    )
    yield* Effect.exit(client.Talk(-1).pipe(Dialog.use(() => Effect.void)))
    yield* Effect.scoped(client.Talk(2))
    const hanging = yield* Effect.forkChild(client.Hang(1), { startImmediately: true })
    yield* client.Echo(8)
    yield* Fiber.interrupt(hanging)
    const by = (who: "caller" | "callee") =>
      said.filter((one) => one.by === who).map(({ frame }) => frame)
    return { caller: by("caller"), callee: by("callee") }
  }).pipe(Effect.scoped)
