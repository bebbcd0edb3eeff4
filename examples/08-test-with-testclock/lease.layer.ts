/** The lease's implementation, for its process as for its tests. */
import * as Effect from "effect/Effect"
import * as Nursery from "furrow/Nursery"
import { Held, Lease } from "./lease.ts"

/** A lease that runs out by the clock of whatever world it lives in. */
export const LeaseLive = Lease.toLayer(
  Effect.gen(function* () {
    const { minutes } = yield* Lease.Arguments
    let holder: string | undefined
    const runOut = Effect.delay(
      Effect.sync(() => {
        holder = undefined
      }),
      `${minutes} minutes`
    )
    return Lease.of({
      Take: Effect.fnUntraced(function* ({ who }) {
        if (holder !== undefined) return yield* new Held({ by: holder })
        holder = who
        yield* Nursery.fork(runOut)
      })
    })
  })
)
