/**
 * A plan out of a seed: the same seed and round give the same plan, on every machine.
 *
 * Answers for what is likely. Most rounds are small, so that many fit into a minute; a few are as deep and wide as the
 * suite goes (4 levels, 40 processes). Most have one or two faults: of many at once, most are overtaken.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Harm, LastWords, Parent, Root, StartFault } from "./Plan.ts"
import type { Act, Block, Blow, End, Knot, Operation, Plan } from "./Plan.ts"

const MostKnots = 39
const MostDepth = 4

type Drawn<A> = Effect.Effect<A>

const between = (least: number, most: number): Drawn<number> =>
  Random.nextIntBetween(least, most, { halfOpen: false })

const oneOf = <const A>(choices: readonly [A, ...ReadonlyArray<A>]): Drawn<A> =>
  Random.choice(choices)

/** True so often out of a hundred times. */
const chance = (percent: number): Drawn<boolean> =>
  Effect.map(Random.next, (drawn) => drawn * 100 < percent)

/** One of some choices, each as likely as its weight says. */
const weighted = <A>(choices: ReadonlyArray<readonly [weight: number, choice: A]>): Drawn<A> =>
  Effect.map(Random.next, (drawn) => {
    let left = drawn * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, choice] of choices) {
      left -= weight
      if (left < 0) return choice
    }
    return choices.at(-1)![1]
  })

const times = <A>(count: number, drawn: (index: number) => Drawn<A>): Drawn<Array<A>> =>
  Effect.forEach(Array.from({ length: count }).keys(), drawn)

// ---------------------------------------------------------------------------------------------------------------------
// The tree
// ---------------------------------------------------------------------------------------------------------------------

/** A knot while it is drawn. */
interface Bud {
  readonly name: string
  readonly owner: Bud | undefined
  readonly depth: number
  readonly buds: Array<Bud>
  readonly climbs: boolean
  readonly acts: Array<Act>
  start?: StartFault
  harm?: NonNullable<Knot["harm"]>
  last?: LastWords
}

const sizes: Drawn<number> = Effect.flatMap(
  weighted<readonly [number, number]>([
    [50, [1, 4]],
    [35, [4, 8]],
    [12, [9, 16]],
    [3, [17, MostKnots]]
  ]),
  ([least, most]) => between(least, most)
)

/** Root and buds; each may own the next ones, so trees are broad, deep, and in between. */
const skeleton: Drawn<ReadonlyArray<Bud>> = Effect.gen(function* () {
  const size = yield* sizes
  const deep = yield* chance(40)
  const root: Bud = { name: Root, owner: undefined, depth: 0, buds: [], climbs: true, acts: [] }
  const all = [root]
  for (let n = 1; n <= size; n++) {
    const able = all.filter(({ depth }) => depth < MostDepth)
    const latest = able.at(-1)!
    const owner = deep && (yield* chance(60)) ? latest : able[yield* between(0, able.length - 1)]!
    const bud: Bud = {
      name: `k${n}`,
      owner,
      depth: owner.depth + 1,
      buds: [],
      climbs: yield* chance(60),
      acts: []
    }
    owner.buds.push(bud)
    all.push(bud)
  }
  return all
})

const knotOf = (bud: Bud): Drawn<Knot> =>
  Effect.gen(function* () {
    return {
      name: bud.name,
      ...(bud.start === undefined ? {} : { start: bud.start }),
      ...(bud.harm === undefined ? {} : { harm: bud.harm }),
      ...(bud.last === undefined ? {} : { last: bud.last }),
      ...((yield* chance(20)) ? { program: yield* oneOf(["plain", "deaf"]) } : {}),
      grace: yield* between(200, 1000),
      terminateGrace: yield* between(150, 500),
      block: yield* blockOf(bud)
    }
  })

const blockOf = (bud: Bud): Drawn<Block> =>
  Effect.gen(function* () {
    const end = yield* endOf(bud)
    return {
      climbs: bud.climbs,
      atOnce: yield* chance(50),
      tolerant: yield* chance(30),
      knots: yield* Effect.forEach(bud.buds, knotOf),
      acts: bud.acts,
      ...(end === undefined ? {} : { end })
    }
  })

const endOf = (bud: Bud): Drawn<End | undefined> =>
  Effect.gen(function* () {
    if (bud.climbs || bud.buds.length === 0 || (yield* chance(60))) return undefined
    return { how: yield* oneOf(ways), after: yield* between(0, 900) }
  })

const ways = ["returns", "fails", "cancels", "is interrupted"] as const

// ---------------------------------------------------------------------------------------------------------------------
// What is said
// ---------------------------------------------------------------------------------------------------------------------

const operation: Drawn<Operation> = Effect.flatMap(
  weighted<Drawn<Operation>>([
    [20, Effect.map(between(0, 1000), (n) => ({ do: "double", n }))],
    [10, Effect.map(between(1, 400_000), (size) => ({ do: "large", size }))],
    [8, Effect.map(between(2, 100), (count) => ({ do: "crowd", count }))],
    [
      20,
      Effect.all({
        do: Effect.succeed("count" as const),
        count: between(1, 3000),
        pause: between(0, 20)
      })
    ],
    [20, Effect.map(between(1, 300), (turns) => ({ do: "chat", turns }))],
    [6, Effect.map(between(0, 1000), (n) => ({ do: "refuse", n }))],
    [6, Effect.map(between(0, 1000), (n) => ({ do: "die", n }))],
    [
      14,
      Effect.all({
        do: Effect.succeed("hang" as const),
        manner: oneOf(["at once", "slowly", "throwing", "firmly"]),
        millis: between(10, 500)
      })
    ]
  ]),
  (drawn) => drawn
)

/** What never ends by itself is left by its caller; of the others, a few are. */
const call: Drawn<{ operation: Operation; limit?: NonNullable<(Act & { act: "call" })["limit"]> }> =
  Effect.gen(function* () {
    const drawn = yield* operation
    if (drawn.do !== "hang" && (yield* chance(80))) return { operation: drawn }
    const by = yield* oneOf(["timeout", "deadline", "interruption"])
    return { operation: drawn, limit: { by, millis: yield* between(20, 900) } }
  })

const moment = between(0, 700)

const actOf = (bud: Bud, name: () => string): Drawn<Act | undefined> =>
  Effect.gen(function* () {
    const after = yield* moment
    const kind = yield* weighted<"child" | "through" | "parent" | "one-shot" | "stop">([
      [50, "child"],
      [15, "through"],
      [20, "parent"],
      [8, "one-shot"],
      [7, "stop"]
    ])
    if (kind === "one-shot") {
      const shot: Bud = {
        name: name(),
        owner: bud,
        depth: bud.depth + 1,
        buds: [],
        climbs: true,
        acts: []
      }
      if (yield* chance(30))
        shot.harm = { harm: yield* oneOf(harms), after: yield* between(0, 200) }
      return { act: "one-shot", after, knot: yield* knotOf(shot), ...(yield* call) }
    }
    if (kind === "parent") {
      if (bud.owner === undefined) return undefined
      return { act: "call", after, on: Parent, ...(yield* call) }
    }
    if (bud.buds.length === 0) return undefined
    const child = bud.buds[yield* between(0, bud.buds.length - 1)]!
    if (kind === "stop") {
      return {
        act: "stop",
        after,
        on: child.name,
        times: yield* oneOf(["once", "again", "by two"])
      }
    }
    if (kind === "through") {
      if (child.buds.length === 0) return undefined
      const through = child.buds[yield* between(0, child.buds.length - 1)]!.name
      const n = yield* between(0, 1000)
      return { act: "call", after, on: child.name, through, operation: { do: "double", n } }
    }
    return { act: "call", after, on: child.name, ...(yield* call) }
  })

// ---------------------------------------------------------------------------------------------------------------------
// What goes wrong
// ---------------------------------------------------------------------------------------------------------------------

const harms = Harm.literals
const starts = StartFault.literals
const lasts = LastWords.literals

type Signals = Blow["signals"]

const deaths: Drawn<Signals> = Effect.gen(function* () {
  const signal = yield* weighted<NodeJS.Signals>([
    [60, "SIGKILL"],
    [10, "SIGSEGV"],
    [10, "SIGABRT"],
    [10, "SIGTERM"],
    [5, "SIGINT"],
    [5, "SIGHUP"]
  ])
  return [{ after: yield* moment, signal }]
})

const stops: Drawn<Signals> = Effect.map(moment, (after) => [{ after, signal: "SIGSTOP" }])

const pauses: Drawn<Signals> = Effect.gen(function* () {
  return [
    { after: yield* moment, signal: "SIGSTOP" },
    { after: yield* between(20, 600), signal: "SIGCONT" }
  ]
})

/** How the round ends: by itself, or from outside, as a root can be told to. */
const ending: Drawn<{ readonly end: End } | { readonly signals: Signals }> = Effect.gen(
  function* () {
    const after = yield* between(200, 1400)
    if (yield* chance(55)) return { end: { how: yield* oneOf(ways), after } }
    const asked = yield* oneOf(["SIGINT", "SIGTERM", "SIGHUP"] as const)
    const signals = yield* weighted<Drawn<Signals>>([
      [35, Effect.succeed([{ after, signal: asked }])],
      [
        20,
        Effect.map(between(0, 300), (gap) => [
          { after, signal: asked },
          { after: gap, signal: "SIGINT" }
        ])
      ],
      [35, Effect.succeed([{ after, signal: "SIGKILL" }])],
      [
        10,
        Effect.map(between(0, 300), (gap) => [
          { after, signal: "SIGSTOP" },
          { after: gap, signal: "SIGKILL" }
        ])
      ]
    ])
    return { signals: yield* signals }
  }
)

/** One fault on one of them, if it has none of its kind yet. */
const spoil = (buds: ReadonlyArray<Bud>, blows: Array<Blow>): Drawn<void> =>
  Effect.gen(function* () {
    const bud = buds[yield* between(0, buds.length - 1)]!
    const kind = yield* weighted<"start" | "harm" | "last" | "death" | "stop" | "pause">([
      [12, "start"],
      [35, "harm"],
      [15, "last"],
      [25, "death"],
      [8, "stop"],
      [5, "pause"]
    ])
    const harm = { harm: yield* oneOf(harms), after: yield* moment }
    if (kind === "start") bud.start ??= yield* oneOf(starts)
    else if (kind === "harm") bud.harm ??= harm
    else if (kind === "last") bud.last ??= yield* oneOf(lasts)
    else if (blows.every(({ on }) => on !== bud.name)) {
      const signals = yield* kind === "death" ? deaths : kind === "stop" ? stops : pauses
      blows.push({ on: bud.name, signals })
    }
  })

/** The plan of one round of a seed. */
export const draw = (seed: number, round: number): Plan =>
  Effect.runSync(
    Effect.gen(function* () {
      const all = yield* skeleton
      const [root, ...buds] = all as readonly [Bud, ...ReadonlyArray<Bud>]
      const blows: Array<Blow> = []
      const faults = yield* weighted([
        [10, 0],
        [45, 1],
        [25, 2],
        [20, Math.min(5, 2 + Math.floor(buds.length / 4))]
      ])
      for (let n = 0; n < faults; n++) yield* spoil(buds, blows)
      let shots = 0
      for (const bud of all) {
        const acts = yield* times(yield* between(1, bud === root ? 10 : 5), () =>
          actOf(bud, () => `s${++shots}`)
        )
        bud.acts.push(...acts.filter((act) => act !== undefined))
      }
      const block = yield* blockOf(root)
      const end = yield* ending
      if ("signals" in end) blows.push({ on: Root, signals: end.signals })
      return {
        seed,
        round,
        root: { ...block, climbs: false, ...("end" in end ? { end: end.end } : {}) },
        blows,
        spares: (yield* chance(30)) ? yield* between(1, 2) : 0
      }
    }).pipe(Random.withSeed(`${seed}/${round}`))
  )
