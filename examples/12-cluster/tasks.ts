/**
 * A search that three workers share, for a number whose hash begins with four zeros: the first that has found one ends
 * the search of the others. Then three guesses are checked, and all that are wrong are told: no failure hides another.
 * One file is both, the root and its workers; hence modules here, and not the barrel.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as LocalCluster from "furrow/LocalCluster"
import * as Nursery from "furrow/Nursery"
import type { PortalError } from "furrow/PortalError"
import * as Tasks from "furrow/Tasks"
import { createHash } from "node:crypto"

class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { guess: Schema.Int }) {}

const Search = Rpc.make("Search", {
  payload: { from: Schema.Int, step: Schema.Int },
  success: Schema.Int
})
const Check = Rpc.make("Check", { payload: { guess: Schema.Int }, error: Wrong })
class Searcher extends Actor.make("Searcher", [Search, Check]) {}

const isFound = (n: number): boolean =>
  createHash("sha256").update(String(n)).digest("hex").startsWith("0000")

const SearcherLive = Searcher.toLayer({
  Search: Effect.fn("Search")(function* ({ from, step }) {
    let n = from
    for (let tries = 1; !isFound(n); tries++) {
      n += step
      // Between two slices of work it hears that the search is over.
      if (tries % 1000 === 0) yield* Effect.yieldNow
    }
    return n
  }),
  Check: ({ guess }) => (isFound(guess) ? Effect.void : Effect.fail(new Wrong({ guess })))
})

const program = Nursery.run(
  Effect.gen(function* () {
    const searchers = yield* LocalCluster.open(Searcher, { count: 3 })

    // As a stream: how each task has ended, as it ends. To leave the stream is to cancel the rest.
    const search = Tasks.stream((tasks: Tasks.Tasks<number, PortalError>) =>
      searchers.forEach(({ client }, name, from) =>
        tasks.start(client.Search({ from, step: searchers.names.length }), { name })
      )
    )
    const found = Option.getOrThrow(yield* Stream.runHead(search))
    const n = yield* found.exit
    yield* Console.log(isFound(n) ? "found one" : "this is no such number")

    // As a block: it waits for all, and fails with all that has failed.
    const wrong = yield* Tasks.run(
      Effect.fnUntraced(function* (tasks: Tasks.Tasks<void, Wrong | PortalError>) {
        for (const guess of [1, n, 2]) yield* tasks.start(searchers.client.Check({ guess }))
      }),
      { onFailure: "collect" }
    ).pipe(
      Effect.as([]),
      Effect.catchCause((cause) => Effect.succeed(cause.reasons.filter(Cause.isFailReason)))
    )
    const guesses = wrong.flatMap(({ error }) => (error._tag === "Wrong" ? [error.guess] : []))
    yield* Console.log(`wrong guesses: ${guesses.toSorted((a, b) => a - b).join(" and ")}`)
  })
)

NodeActor.main(import.meta, [Searcher.program(SearcherLive)], program)

// Output:
// found one
// wrong guesses: 1 and 2
