/**
 * Code that is not Effect, under supervision. The editor's work is done by a promise library that runs as a guest: lines
 * go to it and come back, it is held back when nobody reads, what it throws arrives here as a typed error, and when the
 * block ends its AbortSignal is aborted and it is waited for.
 */
import { NodeActor } from "@furrow/node"
import { Console, Effect, Stream } from "effect"
import { Dialog, Nursery } from "furrow"
import { Editor } from "./editor.ts"

const block = Nursery.run(
  Effect.gen(function* () {
    const editor = yield* Nursery.spawn(Editor, {
      main: new URL("./editor.main.ts", import.meta.url)
    })
    /** Says the lines, prints what comes back, and gives the number of them. */
    const shout = (...lines: ReadonlyArray<string>) =>
      editor.client.Shout().pipe(
        Dialog.use(
          Effect.fnUntraced(function* (talk) {
            yield* Effect.forEach(lines, talk.send, { discard: true })
            yield* talk.end
            yield* Stream.runForEach(talk.messages, Console.log)
            return yield* talk.result
          })
        )
      )

    yield* Console.log(`${yield* shout("hello", "world")} lines`)
    yield* shout("hey!").pipe(
      Effect.catchTag("Refused", ({ why }) => Console.log(`refused: ${why}`))
    )
  })
)

NodeActor.runMain(Effect.andThen(block, Console.log("the editor's process is gone")))

// Output:
// HELLO
// WORLD
// 2 lines
// refused: "hey!" is loud already
// [root/Editor] the poller has tidied up
// the editor's process is gone
