/** Furrow: the process of an actor in a tree. Its finalizer leaves a note. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Nursery from "furrow/Nursery"
import { appendFileSync } from "node:fs"
import { Branch } from "./furrow.actor.ts"

const BranchLive = Branch.toLayer(
  Effect.gen(function* () {
    const { notes } = yield* Branch.Arguments
    yield* Effect.addFinalizer(() => Effect.sync(() => appendFileSync(notes, `${process.pid}\n`)))
    const services = yield* Effect.context<Nursery.Nursery | NodeActor.Services>()
    return Branch.of({
      Grow: ({ leaves }) =>
        Effect.forEach(
          Array.from({ length: leaves }),
          () => Nursery.spawn(Branch, { main: new URL(import.meta.url), arguments: { notes } }),
          { concurrency: "unbounded" }
        ).pipe(
          Effect.map((portals) => portals.map(({ pid }) => pid ?? 0)),
          Effect.orDie,
          Effect.provide(services)
        )
    })
  })
)

NodeActor.runMain(Branch.program(BranchLive))
