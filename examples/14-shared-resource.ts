/**
 * A process for each language, however many ask for it at once: the first starts it, the last ends it, and waits until it
 * is gone. Whoever asks later starts another one.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Gather from "furrow/Gather"
import * as Nursery from "furrow/Nursery"
import * as Shared from "furrow/Shared"

const Language = Schema.Literals(["de", "fr"])
const Translate = Rpc.make("Translate", { payload: Schema.String, success: Schema.String })

class Dictionary extends Actor.make("Dictionary", [Translate], {
  arguments: { language: Language }
}) {}

const entries = {
  de: new Map([
    ["tea", "Tee"],
    ["milk", "Milch"]
  ]),
  fr: new Map([
    ["tea", "thé"],
    ["milk", "lait"]
  ])
}

const DictionaryLive = Dictionary.toLayer(
  Effect.map(Dictionary.Arguments, ({ language }) =>
    Dictionary.of({ Translate: (word) => Effect.succeed(entries[language].get(word) ?? word) })
  )
)

const program = Nursery.run(
  Effect.gen(function* () {
    let started = 0
    const dictionaries = yield* Shared.make({
      open: (language: typeof Language.Type) => {
        started++
        return Nursery.spawnScoped(Dictionary, { name: language, arguments: { language } })
      }
    })
    const translate = (word: string, language: typeof Language.Type) =>
      dictionaries.use(language, ({ client }) => client.Translate(word))

    const words = yield* Effect.all(
      [
        translate("tea", "de"),
        translate("tea", "fr"),
        translate("milk", "de"),
        translate("milk", "fr")
      ],
      { concurrency: "unbounded" }
    )
    yield* Console.log(`${words.join(", ")}: by ${started} processes`)
    yield* Console.log(`${yield* translate("tea", "de")}: by another one, the ${started}rd`)

    // Both at once, or none.
    const { de, fr } = yield* Gather.all({
      de: dictionaries.get("de"),
      fr: dictionaries.get("fr")
    })
    const again = yield* dictionaries.get("de")
    yield* Console.log(
      `de: ${de.hit ? "was there" : "is new"}, fr: ${fr.hit ? "was there" : "is new"}`
    )
    yield* Console.log(`de again: ${again.hit ? "was there" : "is new"}, ${started} in all`)
  }).pipe(Effect.scoped)
)

NodeActor.main(import.meta, [Dictionary.program(DictionaryLive)], program)

// Output:
// Tee, thé, Milch, lait: by 2 processes
// Tee: by another one, the 3rd
// de: is new, fr: is new
// de again: was there, 5 in all
