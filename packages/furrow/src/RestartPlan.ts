/**
 * Who goes and who comes when a child has crashed: the strategies, as a pure function.
 *
 * Answers for which children are stopped, which are started, and in which order. When, and whether there may be a
 * restart at all, is the supervisor's.
 */

/** Whom a crash concerns: the child alone; every child; or the child and those that were started after it. */
export type Strategy = "one-for-one" | "one-for-all" | "rest-for-one"

/**
 * When a child is started again: always (`permanent`), if it did not end normally (`transient`), or never
 * (`temporary`).
 */
export type Restart = "permanent" | "transient" | "temporary"

/** A child, as far as a plan depends on it. */
export interface Placed {
  readonly restart: Restart
  /** `ended`: by itself, and for good. `stopped`: because somebody asked for that. Absent if it is, or is to be, there. */
  readonly resting: "ended" | "stopped" | undefined
}

/** Places of children, in the order in which they are to be dealt with. */
export interface Plan {
  /** Those to be stopped: the last started first. */
  readonly stop: ReadonlyArray<number>
  /** Those to be started then, the crashed one among them: the first first. */
  readonly start: ReadonlyArray<number>
}

const isConcerned = (strategy: Strategy, crashed: number, place: number): boolean => {
  switch (strategy) {
    case "one-for-one":
      return place === crashed
    case "one-for-all":
      return true
    case "rest-for-one":
      return place >= crashed
  }
}

/**
 * What to do about the crash of one of the children, which are given in order of start: of one that is not temporary,
 * and that nobody has stopped. As in OTP, temporary children
 * that are stopped with it do not come back, and transient ones that had ended normally are started again, because what
 * they had done may be needed again. One that somebody has stopped stays so: no crash undoes an order.
 */
export const planOf = (
  strategy: Strategy,
  children: ReadonlyArray<Placed>,
  crashed: number
): Plan => {
  const concerned = [...children.keys()].filter(
    (place) => isConcerned(strategy, crashed, place) && children[place]!.resting !== "stopped"
  )
  return {
    stop: concerned
      .filter((place) => place !== crashed && children[place]!.resting === undefined)
      .toReversed(),
    start: concerned.filter((place) => children[place]!.restart !== "temporary")
  }
}
