/**
 * A library of three shelves, each a process of its own. What is put away, and what is looked for, goes to the shelf
 * that its title belongs to: the same one each time, and nobody keeps a list. Then all shelves are read off at once.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect } from "effect"
import { LocalCluster, Nursery } from "furrow"
import { Shelf } from "./shelf.ts"

const books = [
  { title: "Emma", author: "Jane Austen" },
  { title: "Middlemarch", author: "George Eliot" },
  { title: "Moby-Dick", author: "Herman Melville" },
  { title: "Persuasion", author: "Jane Austen" },
  { title: "Frankenstein", author: "Mary Shelley" },
  { title: "Walden", author: "Henry David Thoreau" },
  { title: "Villette", author: "Charlotte Brontë" },
  { title: "Dracula", author: "Bram Stoker" }
]

const program = Nursery.run(
  Effect.gen(function* () {
    const shelves = yield* LocalCluster.open(Shelf, {
      main: new URL("./shelf.main.ts", import.meta.url),
      names: ["upper", "middle", "lower"],
      arguments: (_name, index) => ({ floor: 3 - index }),
      balance: { by: (operation, payload) => (operation === "Label" ? "" : payload.title) }
    })
    yield* Effect.forEach(books, (book) => shelves.client.Put(book), { concurrency: "unbounded" })

    const author = yield* shelves.client.Find({ title: "Frankenstein" })
    yield* Console.log(`Frankenstein is by ${author}`)
    const labels = yield* shelves.forEach(({ client }) => client.Label())
    yield* Console.log([labels.upper, labels.middle, labels.lower].join("\n"))
  })
)

NodeActor.runMain(program)

// Output:
// Frankenstein is by Mary Shelley
// upper, on floor 3, with 3 books
// middle, on floor 2, with 2 books
// lower, on floor 1, with 3 books
