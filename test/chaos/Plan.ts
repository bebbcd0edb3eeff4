/**
 * What one round of chaos is to be: a tree of actors, what they say to each other, and what goes wrong, all of it
 * settled before anything starts.
 *
 * Answers for the plan as a value that crosses into the processes it is about, for what each fault means, and for
 * reading it. Chance is `Draw`'s; doing it is `Tree`'s, `Harm`'s and `Round`'s; what must come of it is `Oracle`'s.
 */
import * as Schema from "effect/Schema"

// ---------------------------------------------------------------------------------------------------------------------
// What goes wrong
// ---------------------------------------------------------------------------------------------------------------------

/** How an actor fails to start. */
export const StartFault = Schema.Literals([
  "exits before anything is imported",
  "throws before anything is imported",
  "writes garbage before hello",
  "never says hello",
  "exits while it is imported",
  "exits before hello",
  "exits in its Layer",
  "fails in its Layer",
  "dies in its Layer",
  "hangs in its Layer",
  "loops in its Layer"
])

/** See the schema. */
export type StartFault = typeof StartFault.Type

/** What a process does to itself when it is ready. */
export const Harm = Schema.Literals([
  "exits",
  "throws outside of Effect",
  "rejects a promise",
  "runs out of memory",
  "severs its wire",
  "breaks off in half a frame",
  "stops in half a frame",
  "writes garbage",
  "fails",
  "loops for ever",
  "waits for ever",
  "sits in a native call",
  "loops a while"
])

/** See the schema. */
export type Harm = typeof Harm.Type

/** What becomes of an actor by some fault: it is gone, it does nothing any more, or it is only late. */
export type Fate = "dies" | "stalls" | "is late"

/** What becomes of an actor that does this to itself. */
export const fateOf = (harm: Harm): Fate => {
  switch (harm) {
    case "loops for ever":
    case "waits for ever":
    case "sits in a native call":
    case "stops in half a frame":
      return "stalls"
    case "loops a while":
      return "is late"
    default:
      return "dies"
  }
}

/** What an actor's last finalizer does. */
export const LastWords = Schema.Literals(["throws", "hangs", "lingers"])

/** See the schema. */
export type LastWords = typeof LastWords.Type

/** Signals to one process from outside, the first so many milliseconds after it was ready, each after the one before. */
export interface Blow {
  readonly on: string
  readonly signals: ReadonlyArray<{ readonly after: number; readonly signal: NodeJS.Signals }>
}

/** What becomes of an actor that gets these signals. */
export const fateOfBlow = ({ signals }: Blow): Fate =>
  signals.some(({ signal }) => signal !== "SIGSTOP" && signal !== "SIGCONT")
    ? "dies"
    : signals.some(({ signal }) => signal === "SIGCONT")
      ? "is late"
      : "stalls"

// ---------------------------------------------------------------------------------------------------------------------
// What is said
// ---------------------------------------------------------------------------------------------------------------------

const what = <const Do extends string, Fields extends Schema.Struct.Fields>(
  name: Do,
  fields: Fields
) => Schema.Struct({ do: Schema.Literal(name), ...fields })

/** An operation, and what it is called with. */
export const Operation = Schema.Union([
  /** A call. */
  what("double", { n: Schema.Int }),
  /** A call whose payload and answer have so many characters. */
  what("large", { size: Schema.Int }),
  /** So many calls at once. */
  what("crowd", { count: Schema.Int }),
  /** A stream of so many numbers, with a pause of so many milliseconds now and then. */
  what("count", { count: Schema.Int, pause: Schema.Int }),
  /** A dialog: each number that is said is doubled, the last word is the sum of what was said. */
  what("chat", { turns: Schema.Int }),
  /** A call that fails with an error of its own. */
  what("refuse", { n: Schema.Int }),
  /** A call that is a bug of the callee. */
  what("die", { n: Schema.Int }),
  /** A call that never ends by itself; its callee takes the time to end, or fails while it does. */
  what("hang", {
    manner: Schema.Literals(["at once", "slowly", "throwing", "firmly"]),
    millis: Schema.Int
  })
])

/** See the schema. */
export type Operation = typeof Operation.Type

/** What a caller gets, if nobody disturbs it. */
export type Answer =
  | { readonly value: number }
  | { readonly refused: number }
  | { readonly defect: string }
  | "never"

/** The right answer to an operation. */
export const answerOf = (operation: Operation): Answer => {
  switch (operation.do) {
    case "double":
      return { value: 2 * operation.n }
    case "large":
      return { value: operation.size }
    case "crowd":
    case "count":
    case "chat": {
      const n = operation.do === "chat" ? operation.turns : operation.count
      const sum = (n * (n - 1)) / 2
      // The crowd's answers and the chat's replies are doubled; the chat's last word is the plain sum.
      return {
        value: operation.do === "count" ? sum : operation.do === "crowd" ? 2 * sum : 3 * sum
      }
    }
    case "refuse":
      return { refused: operation.n }
    case "die":
      return { defect: `bug ${operation.n}` }
    case "hang":
      return "never"
  }
}

/** How a caller leaves early. */
const Limit = Schema.Struct({
  by: Schema.Literals(["timeout", "deadline", "interruption"]),
  millis: Schema.Int
})

// ---------------------------------------------------------------------------------------------------------------------
// The tree
// ---------------------------------------------------------------------------------------------------------------------

/** Something that a block does, so many milliseconds after its actors were spawned. */
export type Act = {
  readonly after: number
} & (
  | {
      readonly act: "call"
      /** A child, or whoever spawned this actor. */
      readonly on: string
      /** A child of that child that is to answer; only a plain call can be handed on. */
      readonly through?: string
      readonly operation: Operation
      readonly limit?: typeof Limit.Type
    }
  /** An actor of its own for one operation. */
  | {
      readonly act: "one-shot"
      readonly knot: Knot
      readonly operation: Operation
      readonly limit?: typeof Limit.Type
    }
  /** Stops a child: once, again when that has returned, or by two fibers at once. */
  | { readonly act: "stop"; readonly on: string; readonly times: "once" | "again" | "by two" }
)

/** How a block ends by itself, so many milliseconds after its actors were spawned. */
export const End = Schema.Struct({
  how: Schema.Literals(["returns", "fails", "cancels", "is interrupted"]),
  after: Schema.Int
})

/** See the schema. */
export type End = typeof End.Type

/** Actors, and what is done while they are there. */
export interface Block {
  /** Whether what happens here climbs, or is met by a nursery of its own that goes no further. */
  readonly climbs: boolean
  /** Whether the actors are started all at once, or one after the other. */
  readonly atOnce: boolean
  /** Whether it goes on without an actor that does not start. */
  readonly tolerant: boolean
  readonly knots: ReadonlyArray<Knot>
  readonly acts: ReadonlyArray<Act>
  /** Absent if it ends with its actor only. */
  readonly end?: End
}

/** One actor. */
export interface Knot {
  readonly name: string
  readonly start?: StartFault
  readonly harm?: { readonly harm: Harm; readonly after: number }
  readonly last?: LastWords
  /** A program that it starts through a shell; a deaf one ignores SIGTERM. */
  readonly program?: "plain" | "deaf"
  readonly grace: number
  readonly terminateGrace: number
  readonly block: Block
}

/** A round. */
export interface Plan {
  readonly seed: number
  readonly round: number
  readonly root: Block
  readonly blows: ReadonlyArray<Blow>
  /** How many processes the root keeps ready for its actors. */
  readonly spares: number
}

/** Whom a child calls when it calls whoever spawned it. */
export const Parent = "parent"

/** The name of the root, which is no actor. */
export const Root = "root"

/** How long a caller waits for a callee that it leaves, in milliseconds. */
export const JoinBound = 800

/** How long an actor that will not start is waited for, in milliseconds. */
export const StartPatience = 2500

/** Whether an actor that is to fail so has less time to start than the others. */
export const hurried = (start: StartFault): boolean =>
  start === "never says hello" || start === "hangs in its Layer" || start === "loops in its Layer"

const limited = { operation: Operation, limit: Schema.optionalKey(Limit) }

const Act: Schema.Codec<Act> = Schema.Union([
  Schema.Struct({
    act: Schema.Literal("call"),
    after: Schema.Int,
    on: Schema.String,
    through: Schema.optionalKey(Schema.String),
    ...limited
  }),
  Schema.Struct({
    act: Schema.Literal("one-shot"),
    after: Schema.Int,
    knot: Schema.suspend((): Schema.Codec<Knot> => Knot),
    ...limited
  }),
  Schema.Struct({
    act: Schema.Literal("stop"),
    after: Schema.Int,
    on: Schema.String,
    times: Schema.Literals(["once", "again", "by two"])
  })
])

const Block: Schema.Codec<Block> = Schema.Struct({
  climbs: Schema.Boolean,
  atOnce: Schema.Boolean,
  tolerant: Schema.Boolean,
  knots: Schema.Array(Schema.suspend((): Schema.Codec<Knot> => Knot)),
  acts: Schema.Array(Act),
  end: Schema.optionalKey(End)
})

/** An actor as its own arguments. */
export const Knot: Schema.Codec<Knot> = Schema.Struct({
  name: Schema.String,
  start: Schema.optionalKey(StartFault),
  harm: Schema.optionalKey(Schema.Struct({ harm: Harm, after: Schema.Int })),
  last: Schema.optionalKey(LastWords),
  program: Schema.optionalKey(Schema.Literals(["plain", "deaf"])),
  grace: Schema.Int,
  terminateGrace: Schema.Int,
  block: Block
})

// ---------------------------------------------------------------------------------------------------------------------
// Walking and reading it
// ---------------------------------------------------------------------------------------------------------------------

/** One actor in its place. */
export interface Placed {
  readonly knot: Knot
  /** Whoever spawns it. */
  readonly owner: string
  readonly depth: number
  readonly shot: boolean
}

/** Every actor of a plan, one-shots included, owners before what they own. */
export const placed = (plan: Plan): ReadonlyArray<Placed> => {
  const found: Array<Placed> = []
  const walk = (block: Block, owner: string, depth: number): void => {
    const add = (knot: Knot, shot: boolean): void => {
      found.push({ knot, owner, depth, shot })
      walk(knot.block, knot.name, depth + 1)
    }
    for (const knot of block.knots) add(knot, false)
    for (const act of block.acts) if (act.act === "one-shot") add(act.knot, true)
  }
  walk(plan.root, Root, 1)
  return found
}

/** The block that somebody holds. */
export const blockOf = (plan: Plan, holder: string): Block | undefined =>
  holder === Root ? plan.root : placed(plan).find(({ knot }) => knot.name === holder)?.knot.block

const operationInWords = (operation: Operation): string =>
  Object.entries(operation)
    .map(([key, value]) => (key === "do" ? String(value) : `${key} ${value}`))
    .join(" ")

const actInWords = (act: Act): string => {
  switch (act.act) {
    case "call":
      return `${operationInWords(act.operation)} on ${act.on}${act.through === undefined ? "" : `, by ${act.through}`}${limitInWords(act.limit)}`
    case "one-shot":
      return `${operationInWords(act.operation)} on a one-shot ${act.knot.name}${limitInWords(act.limit)}`
    case "stop":
      return `stop ${act.on} ${act.times}`
  }
}

const limitInWords = (limit: typeof Limit.Type | undefined): string =>
  limit === undefined ? "" : `, left by ${limit.by} after ${limit.millis} ms`

/** A plan as lines to be read: who owns whom, what is done, what goes wrong. */
export const inWords = (plan: Plan): string => {
  const lines: Array<string> = []
  const blows = (name: string, indent: string): void => {
    for (const { on, signals } of plan.blows) {
      if (on !== name) continue
      const words = signals
        .map(({ after, signal }) => `${signal} after ${after} ms`)
        .join(", then ")
      lines.push(`${indent}! from outside: ${words}`)
    }
  }
  const block = (held: Block, indent: string): void => {
    if (held.end !== undefined) {
      lines.push(`${indent}its block ${held.end.how} after ${held.end.after} ms`)
    }
    held.acts.forEach((act, index) => {
      lines.push(`${indent}#${index} ${actInWords(act)} (after ${act.after} ms)`)
      if (act.act === "one-shot") one(act.knot, `${indent}  `)
    })
    for (const knot of held.knots) one(knot, indent)
  }
  const one = (knot: Knot, indent: string): void => {
    const { block: held } = knot
    const traits = [
      `grace ${knot.grace} + ${knot.terminateGrace}`,
      ...(knot.program === undefined ? [] : [`a ${knot.program} program`]),
      ...(held.knots.length === 0 && held.acts.length === 0
        ? []
        : [held.climbs ? "what happens below climbs" : "what happens below is met here"]),
      ...(held.atOnce && held.knots.length > 1 ? ["starts all at once"] : []),
      ...(held.tolerant ? ["goes on without those that do not start"] : [])
    ]
    lines.push(`${indent}${knot.name} (${traits.join("; ")})`)
    const deeper = `${indent}  `
    if (knot.start !== undefined) lines.push(`${deeper}! ${knot.start}`)
    if (knot.harm !== undefined)
      lines.push(`${deeper}! ${knot.harm.harm} after ${knot.harm.after} ms`)
    if (knot.last !== undefined) lines.push(`${deeper}! its last finalizer ${knot.last}`)
    blows(knot.name, deeper)
    block(held, deeper)
  }
  lines.push(`${Root}${plan.root.tolerant ? " (goes on without those that do not start)" : ""}`)
  if (plan.spares > 0) lines.push(`  its spares: ${plan.spares}`)
  blows(Root, "  ")
  block(plan.root, "  ")
  return lines.join("\n")
}
