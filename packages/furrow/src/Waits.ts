/**
 * What an actor that is being ended still waits for, as data and in words.
 *
 * Answers for lists that stay short, whatever is open, and for their wording. Who adds to a list is whoever waits; when
 * it is told is the actor's.
 */
import type { Wait } from "./protocol/Protocol.ts"

/** What is waited for, the longest wait first, and how many more there are. */
export interface Waits {
  readonly waits: ReadonlyArray<Wait>
  readonly more: number
}

/** So many are told; a frame has room for them, and a reader patience. */
const MostTold = 16

/** A list of as many that are all the same. */
export const same = (times: number, wait: Wait): Waits => ({
  waits: Array.from({ length: times }, () => wait),
  more: 0
})

/** Several lists as one. */
export const join = (lists: ReadonlyArray<Waits>): Waits => {
  const all = lists.flatMap(({ waits }) => waits).toSorted((a, b) => b.millis - a.millis)
  const more = lists.reduce((sum, list) => sum + list.more, 0)
  return { waits: all.slice(0, MostTold), more: more + Math.max(0, all.length - MostTold) }
}

/** A list that was told a while ago, as it is now if nothing has changed. */
export const later = ({ more, waits }: Waits, millis: number): Waits => ({
  waits: waits.map((wait) => ({ ...wait, millis: wait.millis + millis })),
  more
})

/** A time in words: `4.2 s`. */
export const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

const inWords = ({ actor, for: what, millis, operation = "" }: Wait): string => {
  const time = seconds(millis)
  switch (what) {
    case "operation":
      return `a finalizer of ${operation} in "${actor}" (${time})`
    case "callee":
      return `the end of ${operation}, which it has left, in "${actor}" (${time})`
    case "finalizers":
      return `a finalizer of "${actor}" itself (${time})`
    case "start":
      return `the Layer of "${actor}", which was being built (${time})`
    case "fork":
      return `a fork in "${actor}" (${time})`
    case "guest":
      return `the guest "${operation}" in "${actor}" (${time})`
    case "word":
      return `a word of "${actor}" (none for ${time})`
    case "exit":
      return `the process of "${actor}" to exit (${time})`
  }
}

/** A list in words, as the end of a sentence: `a finalizer of Chat in "root/a" (4.2 s), and 2 more`. */
export const describe = ({ more, waits }: Waits): string =>
  [...waits.map(inWords), ...(more === 0 ? [] : [`${more} more`])].join(", and ")
