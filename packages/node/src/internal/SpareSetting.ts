/**
 * How many spares are asked for, and how old they may become.
 *
 * Answers for what is wrong with a value, said by name. Keeping them is `SparePool`'s.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { inspect } from "node:util"

/** How many spares a spawner keeps, see {@link Spares}. */
export interface SpareOptions {
  /** How many wait at once. */
  readonly count: number
  /** How old one may become before it is replaced. Defaults to 10 minutes. */
  readonly maxAge?: Duration.Input | undefined
}

/**
 * How many _spares_ are kept: processes that have loaded what every actor loads, and become the next actor. Defaults to
 * none. A value that cannot be is a defect that names it.
 *
 * The first are started after the first spawn that has this setting, or by {@link awaitSpares}, one after the other and
 * in the background: a spawn never waits for one. Each that is taken, has died, or is too old is replaced. A spawner
 * keeps as many as the most that any of its spawns has asked for, until its Layer is closed; then they are gone. Actors
 * do not inherit the setting: each says for itself how many it keeps.
 *
 * An actor from a spare is an actor like any other. A spawn with options that a process must be started with is started
 * afresh: `execArgv`, `execPath`, `memory`, `uid`, `gid`, a `stdin`, an output that is inherited or ignored, and variables
 * of `env` that Node or the system read at the start (such as `NODE_OPTIONS` or `TZ`).
 *
 * **Example** (Two processes that wait)
 *
 * ```ts
 * NodeActor.runMain(program.pipe(Effect.provideService(NodeSpawner.Spares, { count: 2 })))
 * ```
 */
export const Spares = Context.Reference<SpareOptions>("furrow/NodeSpawner/Spares", {
  defaultValue: () => ({ count: 0 })
})

/** Starts what is asked for here, and waits for it; provided by a spawner that can. */
export const Warm = Context.Reference<Effect.Effect<void>>("furrow/NodeSpawner/Warm", {
  defaultValue: () => Effect.void
})

/**
 * Starts the {@link Spares} that are asked for and not there yet, and waits until all are ready. Does nothing where
 * there is no spawner of processes. If none can be started it waits on, while warnings say why.
 */
export const awaitSpares: Effect.Effect<void> = Effect.flatMap(Warm, (warm) => warm)

/** What is asked for, with what is left out. */
export interface Setting {
  readonly count: number
  readonly maxAge: Duration.Duration
}

const DefaultMaxAge = "10 minutes"

const settingOf = ({ count, maxAge = DefaultMaxAge }: SpareOptions): Setting => {
  const age = Option.getOrUndefined(Duration.fromInput(maxAge))
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new RangeError(
      `NodeSpawner.Spares: "count" must be a whole number of at least 0, and it is ${String(count)}.`
    )
  }
  if (age === undefined || !(Duration.toMillis(age) > 0)) {
    throw new RangeError(
      `NodeSpawner.Spares: "maxAge" must be a duration of more than 0, and it is ${inspect(maxAge)}.`
    )
  }
  return { count, maxAge: age }
}

/** What is asked for here; a defect if that cannot be. */
export const current: Effect.Effect<Setting> = Effect.map(Spares, settingOf)
