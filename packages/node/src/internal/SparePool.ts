/**
 * The spares of one spawner: processes that have loaded what every actor loads, and wait to be told whose program it is.
 *
 * Answers for so many of them being there, each as long as it is fresh, for another one in the place of each that was
 * taken or has died, never in a spin, and for none being left when the scope closes. What a spare is started with, and
 * whose program it becomes, is the spawner's.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Care } from "./GroupLeader.ts"
import * as ProcessGroups from "./ProcessGroups.ts"
import { settle } from "./Settle.ts"
import { orderFor } from "./SpareMatch.ts"
import * as SpareOrder from "./SpareOrder.ts"
import type { Setting } from "./SpareSetting.ts"
import * as SpareWire from "./SpareWire.ts"
import type { Program, WiredProcess } from "./WiredProcess.ts"

/** Starts a spare. What the scope holds is needed until it is somebody else's, or gone. */
type Start = Effect.Effect<WiredProcess, unknown, Scope.Scope>

/** The spares of one spawner. */
export interface SparePool {
  /** From now on so many are kept, or more if more were asked for; each is started as was said last. */
  readonly keep: (setting: Setting, start: Start) => void
  /**
   * The oldest that can become this program, and has, in this care: its end is somebody else's from now on. Nothing if
   * there is none. Must not be interrupted.
   */
  readonly take: (wanted: Program, care: Care) => Effect.Effect<WiredProcess | undefined>
  /** Waits until as many are ready as are kept. */
  readonly full: Effect.Effect<void>
}

/** A spare. */
interface Spare {
  readonly leader: WiredProcess
  readonly wire: SpareWire.SpareWire
  /** Whether its end is not the pool's any more. */
  isTaken: boolean
  /** Done when it is in other hands. */
  readonly handedOver: Deferred.Deferred<void>
}

/** How long before one is started: whoever has just been spawned needs the processors more. */
const Pause = "100 millis"

/** How long one may take until it is ready. */
const StartTime = "30 seconds"

/** How long one that waits may take to become what it is told, in milliseconds; it is done in one or two. */
const TakeTime = 3000

/** How long the last words of one that has died may take to arrive. */
const LastWordsTime = "200 millis"

/** Pauses between attempts that failed. */
const Backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("30 seconds")])

/** There is nothing in it yet that could be ended in order. */
const end = (leader: WiredProcess): Effect.Effect<void> =>
  Effect.suspend(() => {
    ProcessGroups.kill(leader.group)
    return leader.gone()
  })

/** Why a spare is not there. */
export class SpareMissing extends Data.TaggedError("SpareMissing")<{ readonly message: string }> {}

/** What it has said of its end, which nobody else reads; whoever holds its output open does not hold this up. */
const lastWords = ({ handle }: WiredProcess): Effect.Effect<string> =>
  Stream.mkString(Stream.decodeText(handle.stderr)).pipe(
    Effect.timeout(LastWordsTime),
    Effect.orElseSucceed(() => "")
  )

/** Fails when the spare has ended by itself. */
const death = Effect.fnUntraced(function* (spare: Spare) {
  const { leader } = spare
  const { code, signal } = yield* leader.reaped
  if (spare.isTaken) return yield* Effect.never
  return yield* new SpareMissing({
    message: `The spare (pid ${leader.group.pid}) has ended: ${signal ?? `exit code ${code}`}\n${yield* lastWords(leader)}`
  })
})

/** A pool without spares, for the current scope: when it closes, none is left. */
export const make: Effect.Effect<SparePool, never, Scope.Scope> = Effect.gen(function* () {
  const run = yield* FiberSet.makeRuntime()
  const inTurn = Semaphore.makeUnsafe(1)
  const isFull = Latch.makeUnsafe(false)
  const waiting: Array<Spare> = []
  let count = 0
  let slots = 0
  let maxAge: Duration.Duration = Duration.infinity
  let start: Start = Effect.never

  const look = (): void => {
    if (waiting.length < count) isFull.closeUnsafe()
    else isFull.openUnsafe()
  }
  const remove = (spare: Spare): void => {
    const at = waiting.indexOf(spare)
    if (at >= 0) waiting.splice(at, 1)
    look()
  }

  const acquire = Effect.gen(function* () {
    const spare = yield* Effect.acquireRelease(
      Effect.gen(function* (): Effect.fn.Return<Spare, unknown, Scope.Scope> {
        const leader = yield* start
        const wire = yield* Scope.provide(SpareWire.make(leader.socket), leader.pipes)
        return { leader, wire, isTaken: false, handedOver: Deferred.makeUnsafe() }
      }),
      (spare) => {
        remove(spare)
        return spare.isTaken ? Deferred.await(spare.handedOver) : end(spare.leader)
      }
    )
    // Its end says more than the end of its wire.
    yield* Effect.catch(spare.wire.word, () => Effect.never).pipe(
      Effect.raceFirst(death(spare)),
      Effect.timeout(StartTime)
    )
    return spare
  })

  /** The life of one spare: until it is taken, or too old. */
  const life = Effect.gen(function* () {
    yield* Effect.sleep(Pause)
    // One at a time: each keeps a processor busy.
    const spare = yield* Semaphore.withPermit(inTurn, acquire)
    waiting.push(spare)
    look()
    yield* Deferred.await(spare.handedOver).pipe(
      Effect.raceFirst(death(spare)),
      Effect.timeoutOption(maxAge)
    )
  }).pipe(Effect.scoped)

  const slot = life.pipe(
    Effect.tapError((error) =>
      Effect.logWarning(
        "A spare for actors is missing, and is started again. Meanwhile actors are started afresh.",
        error
      ).pipe(Effect.provideService(Logger.LogToStderr, true))
    ),
    Effect.retry(Backoff),
    Effect.forever
  )

  return {
    keep: (setting, how) => {
      count = Math.max(count, setting.count)
      maxAge = setting.maxAge
      start = how
      look()
      for (; slots < count; slots++) run(slot)
    },
    take: Effect.fnUntraced(function* (wanted, care) {
      for (const spare of waiting) {
        const { handedOver, leader, wire } = spare
        const order = leader.group.isRunning() ? orderFor(leader.program, wanted) : undefined
        const said = order === undefined ? undefined : SpareOrder.encode(order)
        if (said === undefined) continue
        remove(spare)
        spare.isTaken = true
        const telling = yield* leader
          .entrust(care)
          .pipe(
            Effect.andThen(wire.say(said)),
            Effect.andThen(wire.word),
            Effect.forkDetach({ startImmediately: true, uninterruptible: false })
          )
        yield* settle([telling], TakeTime)
        const answer = telling.pollUnsafe()
        const has = answer !== undefined && Exit.isSuccess(answer)
        if (!has) {
          // It has died in this moment, or cannot be what it was told to be.
          yield* Fiber.interrupt(telling)
          yield* end(leader)
        }
        Deferred.doneUnsafe(handedOver, Exit.void)
        return has ? { ...leader, socket: wire.socket } : undefined
      }
      return undefined
    }),
    full: Effect.suspend(() => (count === 0 ? Effect.void : isFull.await))
  }
})
