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

/** The largest number first. */
export const descending = Order.flip(Order.Number)

/** The most frequent first, then by name, so that the order of a count is one. */
export const byCount: Order.Order<Occurrence> = Order.combine(
  Order.mapInput(descending, ({ count }: Occurrence) => count),
  Order.mapInput(Order.String, ({ name }: Occurrence) => name)
)
