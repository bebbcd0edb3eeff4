/**
 * Starts one actor and hands back its connection and its exit: the boundary between Furrow and a world to run in.
 *
 * A world is a Layer of this service: processes (`@furrow/node`), or fibers under a test clock (`furrow/testing`). A
 * spawner starts and ends; the handshake, the ladder and everything said over the connection are `launch`'s.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type * as Stream from "effect/Stream"
import type { AnyDefinition } from "./Actor.ts"
import type { Guard } from "./Guard.ts"
import type { ProcessExit } from "./ProcessExit.ts"
import type { SpawnError } from "./TreeError.ts"

/**
 * What becomes of a child's output. `lines`: passed on to this process's own stream line by line, each with the
 * actor's name in front; the last 16 KiB of stderr are kept for error messages. `pipe`: a Stream on the portal.
 * `inherit`: the child writes where this process does; nothing is kept. `ignore`: dropped. Where no stderr is kept, a
 * heap that was full cannot be told from another crash of the runtime.
 */
export type Output = "lines" | "pipe" | "inherit" | "ignore"

/** How an actor's process is to be started. A world without processes ignores what does not concern it. */
export interface ProcessOptions {
  /** The module that runs the actor's program. Required, except in a program made with `NodeActor.main` and in the test world. */
  readonly main?: URL | string | undefined
  /** What the child reads: nothing (the default), or a Stream. It never gets this process's terminal. */
  readonly stdin?: "ignore" | Stream.Stream<Uint8Array> | undefined
  /** Defaults to `lines`. */
  readonly stdout?: Output | undefined
  /** Defaults to `lines`. */
  readonly stderr?: Output | undefined
  /** The working directory; defaults to this process's. */
  readonly cwd?: string | undefined
  /** Added to this process's environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** The Node to run; defaults to the one that runs this process. */
  readonly execPath?: string | undefined
  /** Node's own flags; defaults to this process's, without those of inspectors, watchers, test runners and `-e`. */
  readonly execArgv?: ReadonlyArray<string> | undefined
  /** The limit of the old space, in MiB; defaults to Node's. */
  readonly memory?: number | undefined
  /** The user to run as; needs the right to do so. */
  readonly uid?: number | undefined
  /** The group to run as; needs the right to do so. */
  readonly gid?: number | undefined
  /** The title of the process; defaults to `furrow:` and the actor's path. */
  readonly title?: string | undefined
}

/** How an actor is to be started, apart from its process. */
export interface LifeOptions {
  /** The name of this life; defaults to the definition's. Need not be unique. */
  readonly name?: string | undefined
  /**
   * Whether the child's operations must be exactly those that are known here. Defaults to `compatible`: a difference
   * is an event, and a value that does not fit fails its dialog.
   */
  readonly contract?: "compatible" | "exact" | undefined
  /** How long the process has to say hello. Defaults to 10 seconds. */
  readonly helloTimeout?: Duration.Input | undefined
  /** How long its Layer may take, after hello. Defaults to 30 seconds. */
  readonly startTimeout?: Duration.Input | undefined
  /** How long it may take to end when asked, before SIGTERM. Defaults to 3 seconds. */
  readonly grace?: Duration.Input | undefined
  /** How long it may take to end after SIGTERM, before SIGKILL. Defaults to 2 seconds. */
  readonly terminateGrace?: Duration.Input | undefined
  /** The lowest level the child logs; defaults to that of the fiber that spawns. */
  readonly logLevel?: LogLevel.LogLevel | undefined
}

/** What a spawner is asked for. */
export interface SpawnRequest {
  readonly actor: AnyDefinition
  /** The path of the new life from the root. */
  readonly path: string
  readonly options: ProcessOptions
}

/** A process (or a fiber) that was started, before a word was said. */
export interface Spawned {
  /** The connection; this end dialled. Ends when the other end is gone. */
  readonly socket: Socket.Socket
  /** Waits until it is gone and reaped. */
  readonly exit: Effect.Effect<ProcessExit>
  /** Asks its whole group to end (SIGTERM). Returns at once; does nothing to one that is gone. */
  readonly terminate: Effect.Effect<void>
  /** Ends its whole group (SIGKILL). Returns at once; does nothing to one that is gone. */
  readonly kill: Effect.Effect<void>
  readonly pid: number | undefined
  /** Who ends it when this process is gone; absent if it lives in this process. */
  readonly guard?: Guard | undefined
  /** What it writes to stdout, if that was asked for with `pipe`. */
  readonly stdout: Stream.Stream<Uint8Array>
  /** What it writes to stderr, if that was asked for with `pipe`. */
  readonly stderr: Stream.Stream<Uint8Array>
  /** The last it wrote to stderr, at most 16 KiB. */
  readonly stderrTail: Effect.Effect<string>
}

/**
 * How long the exit of an actor's process may come after the end of its connection, before its callers are told without
 * it and the process is helped along by the ladder. Defaults to 100 milliseconds; it is there within one or two, unless
 * the machine has much else to do.
 */
export const ExitPatience = Context.Reference<Duration.Input>("furrow/Spawner/ExitPatience", {
  defaultValue: () => "100 millis"
})

/** An event loop that was busy fires its timers before it reads; between two of these it reads. */
const Parts = 4

/**
 * Waits for something that has to do with the end of a process, as long as `ExitPatience`; what has arrived by then
 * counts, also if the event loop was too busy to read it.
 *
 * @internal
 */
export const inTime = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.flatMap(ExitPatience, (patience) => {
    const part = Duration.toMillis(Duration.fromInputUnsafe(patience)) / Parts
    const over = Effect.repeat(Effect.sleep(part), { times: Parts - 1 })
    return Effect.raceFirst(Effect.asSome(effect), Effect.as(over, Option.none()))
  })

/** Starts actors in one kind of world. */
export class Spawner extends Context.Service<
  Spawner,
  {
    /**
     * Starts one actor. Closing the scope makes sure that nothing of it is left, its process group included. Fails with
     * `StartFailed` if it cannot be started at all, with `LimitReached` if the system has no room.
     */
    readonly spawn: (request: SpawnRequest) => Effect.Effect<Spawned, SpawnError, Scope.Scope>
  }
>()("furrow/Spawner") {}
