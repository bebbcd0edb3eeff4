/** One life of an actor, whose spawner is played by hand. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import * as Actor from "furrow/Actor"
import * as ActorProgram from "furrow/ActorProgram"
import { argumentsCodec } from "furrow/launch"
import { Codec } from "furrow/protocol"
import * as MemorySocket from "furrow/testing/MemorySocket"
import { gated, hello, over } from "./RawPeer.ts"

class Plain extends Actor.make("Plain", []) {}

it.effect("an actor that has ended is not ended by force, however long its last word takes", () =>
  Effect.gen(function* () {
    const connection = MemorySocket.make()
    const gate = Latch.makeUnsafe(true)
    const spawner = yield* over(connection.dialled)
    let forced = false
    const life = yield* Effect.forkChild(
      ActorProgram.live(Plain.program(Plain.toLayer({})), gated(connection.accepted, gate), {
        lastResort: Effect.sync(() => {
          forced = true
        })
      })
    )
    yield* spawner.say(hello)
    yield* spawner.nextOf("Hello")
    yield* spawner.say({
      _tag: "Start",
      name: "plain",
      ancestors: [{ path: "root", incarnation: "raw" }],
      logLevel: "Info",
      grace: 200,
      payload: yield* argumentsCodec(Plain, Codec.json).encode(undefined, Infinity)
    })
    yield* spawner.nextOf("Ready")
    gate.closeUnsafe()
    yield* spawner.say({ _tag: "Bye", why: "ended", detail: "", payload: new Uint8Array() })
    yield* TestClock.adjust("1 second")
    expect([forced, life.pollUnsafe()]).toEqual([false, undefined])
    yield* TestClock.adjust("10 seconds")
    expect(yield* Fiber.join(life)).toEqual({ _tag: "Orphaned" })
  }).pipe(Effect.scoped)
)
