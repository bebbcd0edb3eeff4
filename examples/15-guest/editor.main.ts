/** The editor's process: its work is done by a library that is not Effect, as a guest. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Guest from "furrow/Guest"
import * as Nursery from "furrow/Nursery"
import { Editor, Refused } from "./editor.ts"
import { poll, Rude, shout } from "./library.ts"

/** Which of the library's errors our callers can handle; the others are bugs. */
const refused = (error: unknown): Refused => {
  if (error instanceof Rude) return new Refused({ why: error.message })
  throw error
}

/** The library, with our channel for its arguments. */
const shouting = (host: Guest.Host<void, string, string>): Promise<number> => {
  const { messages, send } = host.started()
  return shout(messages, send)
}

const EditorLive = Editor.toLayer(
  Effect.gen(function* () {
    // As long as the actor lives; it has tidied up before the actor's process ends.
    yield* Nursery.fork(Guest.run("poll", poll))
    return Editor.of({
      Shout: Effect.fnUntraced(function* (_payload, dialog) {
        const { messages, send } = yield* dialog.accept()
        return yield* Guest.use(
          "shout",
          shouting,
          (guest) =>
            Effect.all(
              [
                Effect.andThen(Stream.runForEach(messages, guest.send), guest.end),
                Stream.runForEach(guest.messages, send)
              ],
              { concurrency: "unbounded" }
            ).pipe(Effect.andThen(guest.result)),
          { catch: refused }
        ).pipe(Effect.catchTags({ GuestCancelled: Effect.die, GuestEnded: Effect.die }))
      })
    })
  })
)

NodeActor.runMain(Editor.program(EditorLive))
