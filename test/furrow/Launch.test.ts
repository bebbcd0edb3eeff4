/** Bringing up one actor, with a spawner that the test plays by hand: every way in which an actor does not come up. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Actor from "furrow/Actor"
import * as ActorProgram from "furrow/ActorProgram"
import * as Nursery from "furrow/Nursery"
import type { ProcessExit } from "furrow/ProcessExit"
import { Codec } from "furrow/protocol"
import * as RootCause from "furrow/RootCause"
import { Spawner } from "furrow/Spawner"
import type { LifeOptions } from "furrow/Spawner"
import * as MemorySocket from "furrow/testing/MemorySocket"
import { ActorCrashed, SpawnError } from "furrow/TreeError"
import { events, only } from "../contract/Watching.ts"
import * as RawPeer from "./RawPeer.ts"

const Get = Rpc.make("Get", { success: Schema.Int })
class Counter extends Actor.make("Counter", [Get]) {}
const CounterLive = Counter.toLayer({ Get: () => Effect.succeed(1) })

/** What was done to the process that the test plays. */
interface Played {
  readonly peer: Omit<RawPeer.RawPeer, "session">
  readonly done: ReadonlyArray<"terminated" | "killed">
  /** Its connection ends, and it goes on. */
  readonly hangUp: () => void
  /** The process ends. */
  readonly leave: (exit: ProcessExit) => void
}

/** Spawns a counter whose process is played by the test, and tells how that ends. */
const spawning = <A, E>(play: (played: Played) => Effect.Effect<A, E>, options?: LifeOptions) =>
  Effect.gen(function* () {
    const done: Array<"terminated" | "killed"> = []
    const scope = yield* Effect.scope
    const spawned = yield* Deferred.make<Played>()
    const spawner = Spawner.of({
      spawn: () =>
        Effect.gen(function* () {
          const connection = MemorySocket.make()
          const gone = Deferred.makeUnsafe<ProcessExit>()
          const leave = (exit: ProcessExit) => {
            Deferred.doneUnsafe(gone, Exit.succeed(exit))
            connection.close()
          }
          const peer = yield* Effect.orDie(Scope.provide(RawPeer.over(connection.accepted), scope))
          yield* Deferred.succeed(spawned, { peer, done, leave, hangUp: connection.close })
          return {
            socket: connection.dialled,
            exit: Deferred.await(gone),
            terminate: Effect.sync(() => void done.push("terminated")),
            kill: Effect.sync(() => {
              done.push("killed")
              leave({ signal: "SIGKILL" })
            }),
            pid: 1,
            stdout: Stream.empty,
            stderr: Stream.empty,
            stderrTail: Effect.succeed("words of its own\n")
          }
        })
    })
    const spawn = yield* Effect.forkChild(
      Effect.exit(
        Nursery.run(
          Effect.andThen(
            Nursery.spawn(Counter, options),
            Effect.die(new Error("it should not have come up"))
          )
        )
      ).pipe(Effect.provideService(Spawner, spawner)),
      { startImmediately: true }
    )
    const played = yield* Deferred.await(spawned)
    yield* play(played)
    return { spawn, done }
  })

/** The error of a spawn that has failed. */
const failed = (spawn: Fiber.Fiber<Exit.Exit<unknown, unknown>>) =>
  Effect.map(Fiber.join(spawn), (exit) => {
    const error = only(exit)
    assert(error instanceof SpawnError, String(error))
    return error
  })

const hello = { ...RawPeer.hello, actor: "Counter" }

describe("a process that", () => {
  it.effect("never says hello is killed after ten seconds, and its own words are told", () =>
    Effect.gen(function* () {
      const { done, spawn } = yield* spawning(() => Effect.void)
      yield* TestClock.adjust("9999 millis")
      expect(spawn.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      const { message, reason } = yield* failed(spawn)
      expect(reason).toMatchObject({
        _tag: "HandshakeTimeout",
        waited: 10_000,
        stderr: "words of its own\n"
      })
      expect(message).toContain("words of its own")
      expect(done).toEqual(["killed"])
    })
  )

  it.effect("says hello as another actor is refused with both names, and told so", () =>
    Effect.gen(function* () {
      const { done, spawn } = yield* spawning(({ leave, peer }) =>
        Effect.gen(function* () {
          yield* peer.say({ ...hello, actor: "Timer" })
          const bye = yield* peer.nextOf("Bye")
          expect(bye.why).toBe("refused")
          leave({ code: 65 })
        })
      )
      const { message, reason } = yield* failed(spawn)
      assert(reason._tag === "HandshakeRefused")
      expect(reason.detail).toContain("Counter")
      expect(reason.detail).toContain("Timer")
      expect(message).toContain("Timer")
      // It was let end by itself.
      expect(done).toEqual([])
    })
  )

  it.effect("is refused and does not leave is killed", () =>
    Effect.gen(function* () {
      const { done, spawn } = yield* spawning(({ peer }) => peer.say({ ...hello, actor: "Timer" }))
      yield* TestClock.adjust("2 seconds")
      expect((yield* failed(spawn)).reason._tag).toBe("HandshakeRefused")
      expect(done).toEqual(["killed"])
    })
  )

  it.effect("speaks no version that is known here is refused with the versions", () =>
    Effect.gen(function* () {
      const { spawn } = yield* spawning(({ leave, peer }) =>
        Effect.gen(function* () {
          yield* peer.say({ ...hello, versions: { lowest: 98, highest: 99 } })
          yield* peer.nextOf("Bye")
          leave({ code: 65 })
        })
      )
      const { reason } = yield* failed(spawn)
      assert(reason._tag === "HandshakeRefused")
      expect(reason.detail).toContain("99")
    })
  )

  it.effect("speaks of something else is refused", () =>
    Effect.gen(function* () {
      const { spawn } = yield* spawning(({ leave, peer }) =>
        Effect.gen(function* () {
          yield* peer.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"))
          leave({ code: 0 })
        })
      )
      expect((yield* failed(spawn)).reason._tag).toBe("HandshakeRefused")
    })
  )

  it.effect("refuses us is told with its own reason", () =>
    Effect.gen(function* () {
      const { spawn } = yield* spawning(({ leave, peer }) =>
        Effect.gen(function* () {
          yield* peer.say({
            _tag: "Bye",
            why: "refused",
            detail: "a reason of its own",
            payload: new Uint8Array()
          })
          leave({ code: 65 })
        })
      )
      const { reason } = yield* failed(spawn)
      assert(reason._tag === "HandshakeRefused")
      expect(reason.detail).toBe("a reason of its own")
    })
  )

  it.effect(
    "ends before hello is told with its exit, also when that comes a second after its connection",
    () =>
      Effect.gen(function* () {
        const { done, spawn } = yield* spawning(({ hangUp, leave }) =>
          Effect.gen(function* () {
            yield* Effect.forkDetach(
              Effect.delay(
                Effect.sync(() => leave({ code: 2 })),
                "1 second"
              )
            )
            yield* Effect.sync(hangUp)
          })
        )
        yield* TestClock.adjust("1 second")
        const { reason } = yield* failed(spawn)
        expect(reason).toMatchObject({
          _tag: "StartFailed",
          exit: { code: 2 },
          stderr: "words of its own\n"
        })
        expect(done).toEqual([])
      })
  )

  it.effect(
    "says hello and then nothing is asked, terminated and killed after thirty seconds",
    () =>
      Effect.gen(function* () {
        const { done, spawn } = yield* spawning(({ peer }) =>
          Effect.gen(function* () {
            yield* peer.say(hello)
            yield* peer.nextOf("Start")
          })
        )
        yield* TestClock.adjust("30 seconds")
        expect(done).toEqual([])
        yield* TestClock.adjust("3 seconds")
        expect(done).toEqual(["terminated"])
        yield* TestClock.adjust("2 seconds")
        expect(done).toEqual(["terminated", "killed"])
        expect((yield* failed(spawn)).reason).toMatchObject({
          _tag: "StartTimeout",
          waited: 30_000
        })
      })
  )

  it.effect("says hello and dies while its Layer is built is told with its exit", () =>
    Effect.gen(function* () {
      const { spawn } = yield* spawning(({ leave, peer }) =>
        Effect.gen(function* () {
          yield* peer.say(hello)
          yield* peer.nextOf("Start")
          leave({ signal: "SIGABRT" })
        })
      )
      const { message, reason } = yield* failed(spawn)
      expect(reason).toMatchObject({ _tag: "StartFailed", exit: { signal: "SIGABRT" } })
      expect(message).toContain("SIGABRT")
    })
  )

  it.effect("breaks the protocol while its Layer is built is ended, and what it did is told", () =>
    Effect.gen(function* () {
      const { done, spawn } = yield* spawning(({ peer }) =>
        Effect.gen(function* () {
          yield* peer.say(hello)
          yield* peer.nextOf("Start")
          yield* peer.say(hello)
        })
      )
      yield* TestClock.adjust("2 seconds")
      const { message } = yield* failed(spawn)
      expect(message).toContain("a second Hello")
      expect(done).toEqual(["killed"])
    })
  )

  it.effect(
    "knows operations in another shape is told of in an event, and refused only where that was asked for",
    () =>
      Effect.gen(function* () {
        const seen = yield* events
        const play = ({ leave, peer }: Played) =>
          Effect.gen(function* () {
            yield* peer.say({
              ...hello,
              operations: [{ name: "Get", kind: "call", fingerprint: "another" }]
            })
            yield* peer.nextOf("Hello")
            const next = yield* peer.next
            leave({ code: next?._tag === "Bye" ? 65 : 1 })
          })
        const exact = yield* spawning(play, { contract: "exact" })
        const { reason } = yield* failed(exact.spawn)
        assert(reason._tag === "HandshakeRefused")
        expect(reason.detail).toContain("Get")
        expect(seen.of("ContractDiffers")).toHaveLength(1)
        const compatible = yield* spawning(play)
        expect((yield* failed(compatible.spawn)).reason._tag).toBe("StartFailed")
        expect(seen.of("ContractDiffers")).toHaveLength(2)
      })
  )
})

describe("a spawn that is interrupted", () => {
  it.effect("before hello kills the process", () =>
    Effect.gen(function* () {
      const { done, spawn } = yield* spawning(() => Effect.void)
      yield* Fiber.interrupt(spawn)
      expect(done).toEqual(["killed"])
    })
  )

  it.effect("while the Layer is built asks it to end, and walks the ladder", () =>
    Effect.gen(function* () {
      const { done, spawn } = yield* spawning(({ peer }) =>
        Effect.gen(function* () {
          yield* peer.say(hello)
          yield* peer.nextOf("Start")
        })
      )
      spawn.interruptUnsafe()
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.await(spawn)
      expect(done).toEqual(["terminated", "killed"])
    })
  )

  /** Interrupts a spawn whose child has got its Start, and tells what it ended with besides. */
  const interrupting = (answer: (played: Played) => Effect.Effect<void>) =>
    Effect.gen(function* () {
      const asked = Deferred.makeUnsafe<Played>()
      const { done, spawn } = yield* spawning((played) =>
        Effect.gen(function* () {
          yield* played.peer.say(hello)
          yield* played.peer.nextOf("Start")
          Deferred.doneUnsafe(asked, Exit.succeed(played))
        })
      )
      const played = yield* Deferred.await(asked)
      spawn.interruptUnsafe()
      yield* played.peer.nextOf("Stop")
      yield* answer(played)
      const ended = yield* Fiber.await(spawn)
      const exit = Exit.isSuccess(ended) ? ended.value : ended
      assert(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
      expect(done).toEqual([])
      const reasons: ReadonlyArray<Cause.Reason<unknown>> = exit.cause.reasons
      return reasons.filter(Cause.isDieReason).map(({ defect }) => {
        assert(defect instanceof ActorCrashed, String(defect))
        return defect
      })
    })

  it.effect("as the child has become ready tells what that fails with as it ends", () =>
    Effect.gen(function* () {
      const [crashed, ...others] = yield* interrupting(({ leave, peer }) =>
        Effect.gen(function* () {
          const payload = yield* RootCause.encode(
            Codec.json,
            "root/Counter",
            Cause.die(new Error("at its end")),
            10_000
          )
          yield* peer.say({ _tag: "Ready" }, { _tag: "Bye", why: "failed", detail: "", payload })
          leave({ code: 1 })
        })
      )
      expect(others).toEqual([])
      expect(crashed?.message).toContain("at its end")
    })
  )

  it.effect("as the child is being built tells that this left without a word", () =>
    Effect.gen(function* () {
      const [crashed, ...others] = yield* interrupting(({ leave }) =>
        Effect.sync(() => leave({ code: 7 }))
      )
      expect(others).toEqual([])
      expect(crashed?.cause).toMatchObject({
        exit: { code: 7 },
        stage: "asked",
        stderr: "words of its own\n"
      })
    })
  )

  it.effect("and whose child ends in order, ready or not, is interrupted and nothing else", () =>
    Effect.gen(function* () {
      const bye = { _tag: "Bye", why: "ended", detail: "", payload: new Uint8Array() } as const
      for (const said of [[bye], [{ _tag: "Ready" } as const, bye]]) {
        const others = yield* interrupting(({ leave, peer }) =>
          Effect.andThen(
            peer.say(...said),
            Effect.sync(() => leave({ code: 0 }))
          )
        )
        expect(others).toEqual([])
      }
    })
  )
})

describe("the child's side", () => {
  /** How a life ends that is led by hand. */
  const living = <A>(
    lead: (peer: Omit<RawPeer.RawPeer, "session">, cut: () => void) => Effect.Effect<A>
  ) =>
    Effect.gen(function* () {
      const connection = MemorySocket.make()
      const life = yield* Effect.forkChild(
        ActorProgram.live(Counter.program(CounterLive), connection.accepted),
        { startImmediately: true }
      )
      yield* lead(yield* RawPeer.over(connection.dialled), connection.sever)
      return yield* Fiber.join(life)
    })

  it.effect(
    "ends as an orphan when its spawner is gone before, during and after the handshake",
    () =>
      Effect.gen(function* () {
        const before = yield* living((_, cut) => Effect.sync(cut))
        expect(before._tag).toBe("Refused")
        const during = yield* living((peer, cut) =>
          Effect.andThen(peer.say({ ...RawPeer.hello, actor: "root" }), Effect.sync(cut))
        )
        expect(during._tag).toBe("Orphaned")
      })
  )

  it.effect("is refused, and says why, by a spawner that says so", () =>
    Effect.gen(function* () {
      const end = yield* living((peer) =>
        peer.say(
          { ...RawPeer.hello, actor: "root" },
          { _tag: "Bye", why: "refused", detail: "not you", payload: new Uint8Array() }
        )
      )
      expect(end).toEqual({ _tag: "Refused", detail: "not you" })
    })
  )
})
