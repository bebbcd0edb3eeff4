/** A shelf's process: its name is its own, its floor it is told. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import { Self } from "furrow/Actor"
import { NotThere, Shelf } from "./shelf.ts"

const ShelfLive = Shelf.toLayer(
  Effect.gen(function* () {
    const { name } = yield* Self
    const { floor } = yield* Shelf.Arguments
    const authors = new Map<string, string>()
    return Shelf.of({
      Put: ({ author, title }) =>
        Effect.sync(() => {
          authors.set(title, author)
        }),
      Find: ({ title }) => {
        const author = authors.get(title)
        return author === undefined ? Effect.fail(new NotThere({ title })) : Effect.succeed(author)
      },
      Label: () => Effect.sync(() => `${name}, on floor ${floor}, with ${authors.size} books`)
    })
  })
)

NodeActor.runMain(Shelf.program(ShelfLive))
