/**
 * What a supervisor is made of: its children by name, how it is to behave, and what their types then allow.
 *
 * Answers for the options, their defaults and their types. A spec starts nothing; keeping to it is `Supervision`'s.
 */
import type * as Schedule from "effect/Schedule"
import type { AnyChildSpec, ChildSpec, Keeping } from "./ChildSpec.ts"
import type { RestartIntensity } from "./RestartIntensity.ts"
import type { Restart, Strategy } from "./RestartPlan.ts"
import type { Crash } from "./TreeError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Whatever its children
// ---------------------------------------------------------------------------------------------------------------------

/** Options of a supervisor, whatever its children; {@link SupervisorOptions} explains them. */
export interface AnyOptions {
  readonly children: Readonly<Record<string, AnySpec>>
  readonly strategy?: Strategy | undefined
  readonly intensity?: Partial<RestartIntensity> | undefined
  readonly backoff?: Schedule.Schedule<unknown, Crash> | undefined
  readonly maxChildren?: number | undefined
  readonly autoShutdown?: "never" | "anySignificant" | "allSignificant" | undefined
}

/** A child that is a supervisor itself. */
export interface AnySupervisorSpec {
  readonly _tag: "Supervisor"
  readonly options: AnyOptions
  readonly restart: Restart
  readonly significant: boolean
}

/** Any child. */
export type AnySpec = AnyChildSpec | AnySupervisorSpec

// ---------------------------------------------------------------------------------------------------------------------
// With its children's types
// ---------------------------------------------------------------------------------------------------------------------

/** Children by name, in order of start: each a `ChildSpec.make`, or a supervisor below (see {@link child}). */
export type Children = Readonly<Record<string, AnySpec>>

/** How a supervisor is to behave. */
export interface SupervisorOptions<C extends Children> {
  /**
   * The children, which are started in the order they are written in and stopped in reverse. A key that JavaScript
   * would reorder, such as `"1"`, is a defect.
   */
  readonly children: C
  /**
   * Whom the crash of a child concerns: the child alone (`one-for-one`, the default), all children (`one-for-all`), or
   * the child and those that were started after it (`rest-for-one`). Whoever is concerned is stopped, the last started
   * first, and started again in order.
   */
  readonly strategy?: Strategy | undefined
  /** How many restarts are allowed, over all children. Defaults to 3 within 5 seconds, as in Elixir. */
  readonly intensity?: Partial<RestartIntensity> | undefined
  /**
   * How long to wait before a restart: stepped once for each crash of a child, with what ended it as its input, and
   * begun anew once the child has been up for the window of the intensity. One that ends means giving up. A step that
   * takes its time is interrupted by the end and by an order, and again taken after another crash in its group. The window
   * counts waits, too: where it is shorter than the waits of its restarts together, only `budget` ends a crash loop.
   * Defaults to 50 ms, twice as long each time, 5 seconds at most, and each a fifth more or less by chance.
   */
  readonly backoff?: Schedule.Schedule<unknown, Crash> | undefined
  /** How many children that were added at run time may be there at once. Defaults to `Infinity`. */
  readonly maxChildren?: number | undefined
  /**
   * Whether the supervisor ends when a significant child has ended by itself, for good: `never` (the default), with
   * the first of them (`anySignificant`), or with the last (`allSignificant`). Its other children are stopped; it is no
   * failure.
   */
  readonly autoShutdown?: "never" | "anySignificant" | "allSignificant" | undefined
}

/** A supervisor as a child of another. Made with {@link child}. */
export interface SupervisorSpec<C extends Children> {
  readonly _tag: "Supervisor"
  readonly options: SupervisorOptions<C>
  readonly restart: Restart
  readonly significant: boolean
}

/**
 * A supervisor below another one: it comes up when all of its children have, and when it gives up that is its crash,
 * with `RestartIntensityExceeded` as its reason. One that shuts itself down has ended normally, and cannot be permanent.
 *
 * **Example** (Orders that are taken only where there is a stock)
 *
 * ```ts
 * const shop = Supervisor.child({
 *   strategy: "rest-for-one",
 *   children: { stock: ChildSpec.make(Stock, { main }), orders: ChildSpec.make(Orders, { main }) }
 * })
 * ```
 */
export const child = <const C extends Children>(
  options: SupervisorOptions<C>,
  keeping?: Keeping
): SupervisorSpec<C> => {
  const { restart = "permanent", significant = false } = keeping ?? {}
  const { autoShutdown = "never" } = options
  if (restart === "permanent" && autoShutdown !== "never") {
    throw new Error(
      `A supervisor that shuts itself down (autoShutdown: "${autoShutdown}") cannot be a permanent child, which is always there: make it transient or temporary.`
    )
  }
  return { _tag: "Supervisor", options, restart, significant }
}

/** What the children need to be started, beside a world to live in. */
export type Requirements<C extends Children> = {
  readonly [K in keyof C]: C[K] extends ChildSpec<infer _Ops, infer R>
    ? R
    : C[K] extends SupervisorSpec<infer Below>
      ? Requirements<Below>
      : never
}[keyof C]

/** The children that are actors. */
export type ActorNames<C extends Children> = {
  readonly [K in keyof C]: C[K] extends { readonly _tag: "Actor" } ? K : never
}[keyof C] &
  string

/** The children that are supervisors. */
export type SupervisorNames<C extends Children> = {
  readonly [K in keyof C]: C[K] extends { readonly _tag: "Supervisor" } ? K : never
}[keyof C] &
  string

/** What an actor serves. */
export type OperationsOf<S> = S extends ChildSpec<infer Ops, infer _R> ? Ops : never

/** What a supervisor keeps. */
export type ChildrenOf<S> = S extends SupervisorSpec<infer C> ? C : never
