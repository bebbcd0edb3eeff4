/** The first few of many, in order, found in one pass and in the memory of a few. */
import * as Order from "effect/Order"
import type { Occurrence } from "./indexer.ts"

/** The first `n` of the values, as the order has them. */
export const top = <A>(n: number, order: Order.Order<A>, values: Iterable<A>): Array<A> => {
  const first: Array<A> = []
  for (const value of values) {
    let at = first.length
    while (at > 0 && order(value, first[at - 1]!) < 0) at--
    if (at === n) continue
    first.splice(at, 0, value)
    if (first.length > n) first.pop()
  }
  return first
}

/** The largest number first; those that are equal by name, so that there is one order and no other. */
export const descending = <A>(
  size: (value: A) => number,
  name: (value: A) => string
): Order.Order<A> =>
  Order.combine(Order.mapInput(Order.flip(Order.Number), size), Order.mapInput(Order.String, name))

const byCount = descending<readonly [string, number]>(
  ([, count]) => count,
  ([name]) => name
)

/** The `n` names that were counted most often. */
export const mostFrequent = (n: number, counts: ReadonlyMap<string, number>): Array<Occurrence> =>
  top(n, byCount, counts).map(([name, count]) => ({ name, count }))
