/**
 * Children that speak no protocol, for tests of what a spawner does by itself.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Actor from "furrow/Actor"
import { Spawner } from "furrow/Spawner"
import type { ProcessOptions } from "furrow/Spawner"

/** The actor that the children are started as. */
const Obedient = Actor.make("Obedient", [])

/** The module of a child that evaluates what it is sent, see `fixtures/obedient.ts`. */
export const main = new URL("./fixtures/obedient.ts", import.meta.url)

/** Starts a child. */
export const spawn = Effect.fnUntraced(function* (options?: ProcessOptions) {
  const spawner = yield* Spawner
  return yield* spawner.spawn({
    actor: Obedient,
    path: "root/obedient",
    options: { main, stdout: "ignore", ...options }
  })
})

/** Starts an obedient child, and a way to have it evaluate code. */
export const obedient = Effect.fnUntraced(function* (options?: ProcessOptions) {
  const child = yield* spawn(options)
  const writer = yield* child.socket.writer
  const reader = yield* child.socket.reader
  let rest = ""
  const line: Effect.Effect<string, unknown> = Effect.suspend(() => {
    const at = rest.indexOf("\n")
    if (at === -1) {
      return reader.pull.pipe(
        Effect.tap((chunks) => Effect.sync(() => (rest += chunks.map(String).join("")))),
        Effect.andThen(line)
      )
    }
    const found = rest.slice(0, at)
    rest = rest.slice(at + 1)
    return Effect.succeed(found)
  })
  const tell = (code: string) => writer.write(`${code}\n`)
  const ask = (code: string) =>
    Effect.andThen(
      tell(code),
      Effect.map(line, (answer): unknown => JSON.parse(answer))
    )
  return { ...child, reader, writer, tell, ask }
})

/** What the tests run with. */
export const layer = NodeActor.layer
