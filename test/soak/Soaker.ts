/** The actor that is soaked: it does a little of everything, keeps nothing, and says what its process holds. */
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import { Holding, measure } from "./Memory.ts"

const Echo = Rpc.make("Echo", { payload: Schema.Int, success: Schema.Int })
const Hang = Rpc.make("Hang")
const Count = Rpc.make("Count", { payload: Schema.Int, success: Schema.Int, stream: true })
const Talk = Dialog.make("Talk", {
  fromCaller: Schema.Int,
  fromCallee: Schema.Int,
  success: Schema.Int
})
const Measure = Rpc.make("Measure", { success: Holding })

/** See the module. */
export class Soaker extends Actor.make("Soaker", [Echo, Hang, Count, Talk, Measure]) {}

/** Its handlers. */
export const SoakerLive = Soaker.toLayer({
  Echo: (n) => Effect.succeed(n),
  Hang: () => Effect.never,
  Count: (to) => Stream.range(1, to),
  Talk: (_, dialog) =>
    Effect.flatMap(dialog.accept(), ({ messages, send }) =>
      messages.pipe(Stream.tap(send), Stream.runCount)
    ),
  Measure: () => Effect.sync(measure)
})
