/**
 * Guests that only Node has: threads that run a plain script, and event emitters.
 *
 * Answers for a script in a thread being linked to its host as any guest is, and gone when its block has ended; and for
 * events that come faster than they are read being bounded, and never lost without a word. Node's own streams need no
 * guest: `NodeStream` and `NodeSink` of `@effect/platform-node` carry their backpressure. Actors as threads are
 * `NodeWorkerSpawner`'s, Effect code in threads is that of `effect/workers`.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Self } from "furrow/Actor"
import * as Guest from "furrow/Guest"
import { Worker } from "node:worker_threads"
import type { WorkerOptions as ThreadOptions } from "node:worker_threads"

// ---------------------------------------------------------------------------------------------------------------------
// Threads
// ---------------------------------------------------------------------------------------------------------------------

/** A script left its thread with another exit code than 0, and nobody had asked it to end. */
export class WorkerExited extends Schema.TaggedError<WorkerExited>()("WorkerExited", {
  guest: Schema.String,
  code: Schema.Int
}) {
  override get message() {
    return `The script of the guest "${this.guest}" left with exit code ${this.code}.`
  }
}

/** A script, which nobody can hold back, has sent so much more than its host has taken that it was ended. */
export class WorkerOverran extends Schema.TaggedError<WorkerOverran>()("WorkerOverran", {
  guest: Schema.String,
  /** So many items had no room. */
  waiting: Schema.Int
}) {
  override get message() {
    return `The script of the guest "${this.guest}" was ended: ${this.waiting} of its messages had no room. Read them faster, raise "window", or have the script wait for a word of its host.`
  }
}

/** What a script may fail with beside its own errors. */
export type WorkerFailure = Guest.GuestCancelled | WorkerExited | WorkerOverran

/** How a script is run, and what it says. */
export interface WorkerOptions<FromHost, FromGuest, E> extends Omit<
  Guest.GuestOptions<E>,
  "force"
> {
  /** What the script is sent; it is posted as encoded. Defaults to anything that can be cloned. */
  readonly fromHost?: Schema.Codec<FromHost, unknown> | undefined
  /** What the script posts; what does not fit ends it, and is a defect. Defaults to anything. */
  readonly fromGuest?: Schema.Codec<FromGuest, unknown> | undefined
  /** The message that asks the script to end. Defaults to none: it is then terminated at once. */
  readonly stop?: unknown
  /** Node's own options for the thread. */
  readonly thread?: ThreadOptions | undefined
}

/** The host's end of a script. */
export type WorkerGuest<FromHost, FromGuest, E> = Guest.Guest<
  void,
  FromHost,
  FromGuest,
  void,
  E | WorkerFailure
>

/**
 * Runs a plain script in a thread, as a guest of the body: its `parentPort` is the other end of the channel. The body
 * begins when the script does; otherwise the two are linked as with `Guest.use`. A body that has ended asks the script
 * to end (`stop`), and has it terminated when `patience` has passed; the block ends when the thread is gone.
 *
 * What the script throws is told as what Node makes of it in this thread. Leaving with another code than 0 is
 * `WorkerExited`. A script cannot be held back: when `window` items wait to be taken, and as many again have no room, it
 * is ended with `WorkerOverran`.
 *
 * **Example** (A script that doubles)
 *
 * ```ts
 * const script = new URL("./doubles.mjs", import.meta.url)
 * const doubled = yield* NodeGuest.worker("doubles", script, (guest) =>
 *   Effect.andThen(guest.send(21), Stream.runHead(guest.messages)), { fromHost: Schema.Int, fromGuest: Schema.Int })
 * ```
 */
export const worker = <A, E2, R2, FromHost = unknown, FromGuest = unknown, E = never>(
  name: string,
  script: string | URL,
  body: (guest: WorkerGuest<FromHost, FromGuest, E>) => Effect.Effect<A, E2, R2>,
  options: WorkerOptions<FromHost, FromGuest, E> = {}
): Effect.Effect<A, E | E2 | WorkerFailure, R2 | Self> =>
  Effect.suspend(() => {
    let thread: Worker | undefined
    return Guest.use(
      name,
      (host: Guest.Host<void, FromHost, FromGuest>) => {
        thread = new Worker(script, options.thread)
        return attached(name, thread, host, options)
      },
      body,
      {
        patience: options.patience,
        window: options.window,
        force: () => void thread?.terminate(),
        catch: (error): E | WorkerExited | WorkerOverran => {
          if (error instanceof WorkerExited || error instanceof WorkerOverran) return error
          if (options.catch === undefined) throw error
          return options.catch(error)
        }
      }
    )
  })

/** As many as have no room may wait. */
const DefaultWindow = 64

/** A thread until it is gone, with its port as its end of the channel. */
const attached = <FromHost, FromGuest>(
  name: string,
  thread: Worker,
  host: Guest.Host<void, FromHost, FromGuest>,
  options: Omit<WorkerOptions<FromHost, FromGuest, never>, "catch">
): Promise<void> =>
  new Promise((resolve, reject) => {
    const { fromGuest, fromHost, stop, window = DefaultWindow } = options
    const { signal } = host
    let failure: { readonly error: unknown } | undefined
    const fail = (error: unknown): void => {
      failure ??= { error }
      void thread.terminate()
    }
    signal.addEventListener("abort", () => {
      if (stop === undefined) return void thread.terminate()
      try {
        thread.postMessage(stop)
      } catch (error) {
        fail(error)
      }
    })
    thread.once("online", () => {
      const { messages, send } = host.started()
      let waiting = 0
      thread.on("message", (message: unknown) => {
        if (failure !== undefined) return
        if (waiting >= window) return fail(new WorkerOverran({ guest: name, waiting }))
        const item =
          fromGuest === undefined
            ? Exit.succeed(message as FromGuest)
            : Schema.decodeUnknownExit(fromGuest)(message)
        if (Exit.isFailure(item)) return fail(Cause.squash(item.cause))
        waiting += 1
        const taken = () => void (waiting -= 1)
        send(item.value).then(taken, taken)
      })
      const feed = async () => {
        const encode =
          fromHost === undefined ? (item: FromHost): unknown => item : Schema.encodeSync(fromHost)
        for await (const item of messages) thread.postMessage(encode(item))
      }
      feed().catch((error: unknown) => {
        if (!signal.aborted) fail(error)
      })
    })
    thread.on("messageerror", fail)
    thread.on("error", fail)
    thread.once("exit", (code) => {
      if (failure !== undefined) reject(failure.error)
      else if (code === 0 || signal.aborted) resolve()
      else reject(new WorkerExited({ guest: name, code }))
    })
  })

// ---------------------------------------------------------------------------------------------------------------------
// Event emitters
// ---------------------------------------------------------------------------------------------------------------------

/** What has emitted came faster than it was read, and there was no room for it. */
export class EventsOverflowed extends Schema.TaggedError<EventsOverflowed>()("EventsOverflowed", {
  event: Schema.String,
  capacity: Schema.Int
}) {
  override get message() {
    return `More than ${this.capacity} events "${this.event}" were waiting to be read. Read them faster, raise "capacity", or say with "onLost" that some may be lost.`
  }
}

/** What emits: an `EventEmitter`, or anything that looks like one. */
export interface Emitter {
  on(event: string, listener: (...values: Array<unknown>) => void): unknown
  off(event: string, listener: (...values: Array<unknown>) => void): unknown
}

/** How events are read. */
export interface EventsOptions<E, E2, R2> {
  /** How many events may wait to be read. Defaults to 1024. */
  readonly capacity?: number | undefined
  /**
   * Those for which there is no room are lost, and this is told how many, in their place among those that are read.
   * Defaults to failing with `EventsOverflowed` as soon as one would be lost.
   */
  readonly onLost?: ((count: number) => Effect.Effect<void, E2, R2>) | undefined
  /** The events after which no more are read. Defaults to `close` and `end`. */
  readonly end?: ReadonlyArray<string> | undefined
  /** Makes a typed error of what comes with the event `error`, as `GuestOptions.catch` does. Defaults to a defect. */
  readonly catch?: ((error: unknown) => E) | undefined
}

const DefaultCapacity = 1024

/** Events that were lost in this place. */
class Gap {
  lost = 1
}

/**
 * The events of an emitter as a stream, each as what `read` makes of its values; it listens while the stream is run. The
 * event `error` fails it, also one that comes after its end, as long as it is read. What `read` throws is a defect.
 *
 * An emitter cannot be held back. When `capacity` events wait to be read, one more fails the stream with
 * `EventsOverflowed`, after those that wait; with `onLost` it is left out, and counted.
 *
 * **Example** (Whenever the process is signalled)
 *
 * ```ts
 * const reloads = NodeGuest.events(process, "SIGUSR2", () => "reload")
 * yield* Stream.runForEach(reloads, Console.log)
 * ```
 */
export const events = <A, E = never, E2 = never, R2 = never>(
  emitter: Emitter,
  event: string,
  read: (...values: Array<never>) => A,
  options: EventsOptions<E, E2, R2> = {}
): Stream.Stream<A, E | E2 | EventsOverflowed, R2> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { capacity = DefaultCapacity, end = ["close", "end"], onLost } = options
      const queue = yield* Queue.unbounded<
        { readonly item: A } | Gap,
        E | EventsOverflowed | Cause.Done
      >()
      /** What came as an error when no more was read. */
      let late: Cause.Cause<E> | undefined
      const fail = (cause: Cause.Cause<E>): void => {
        if (!Queue.failCauseUnsafe(queue, cause)) late ??= cause
      }
      /** The gap at the end of what waits, while there is one. */
      let gap: Gap | undefined
      const onEvent = (...values: Array<unknown>): void => {
        const isFull = Queue.sizeUnsafe(queue) >= capacity
        if (!isFull) {
          gap = undefined
          try {
            Queue.offerUnsafe(queue, { item: read(...(values as Array<never>)) })
          } catch (defect) {
            // Whoever emits has no part in it.
            fail(Cause.die(defect))
          }
        } else if (onLost === undefined) {
          Queue.failCauseUnsafe(queue, Cause.fail(new EventsOverflowed({ event, capacity })))
        } else if (gap === undefined) Queue.offerUnsafe(queue, (gap = new Gap()))
        else gap.lost += 1
      }
      const onError = (error: unknown): void => fail(causeOf(error, options.catch))
      const onEnd = (): void => void Queue.endUnsafe(queue)
      const listeners = [
        [event, onEvent] as const,
        ["error", onError] as const,
        ...end.map((name) => [name, onEnd] as const)
      ]
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          for (const [name, listener] of listeners) emitter.on(name, listener)
        }),
        () =>
          Effect.sync(() => {
            for (const [name, listener] of listeners) emitter.off(name, listener)
          })
      )
      const take = Effect.catchCause(Queue.take(queue), (cause) => {
        if (late === undefined) return Effect.failCause(cause)
        const before = cause.reasons.filter((reason) => !Pull.isDoneFailure(reason))
        return Effect.failCause(Cause.fromReasons([...before, ...late.reasons]))
      })
      const pull: Effect.Effect<
        Arr.NonEmptyReadonlyArray<A>,
        E | E2 | EventsOverflowed | Cause.Done,
        R2
      > = Effect.flatMap(take, (taken) => {
        if (!(taken instanceof Gap)) return Effect.succeed(Arr.of(taken.item))
        if (taken === gap) gap = undefined
        return Effect.andThen(onLost?.(taken.lost) ?? Effect.void, pull)
      })
      return Stream.fromPull(Effect.succeed(pull))
    })
  )

const causeOf = <E>(error: unknown, make: ((error: unknown) => E) | undefined): Cause.Cause<E> => {
  if (make === undefined) return Cause.die(error)
  try {
    return Cause.fail(make(error))
  } catch (defect) {
    return Cause.die(defect)
  }
}
