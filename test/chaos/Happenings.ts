/**
 * What went on in a round besides plain work, out of its notes: each fault and each end, and how far its consequences
 * can reach.
 *
 * Answers for the one question that every judgement asks: whether what somebody met can come of something that had
 * happened. Judging is `Oracle`'s.
 */
import type { Note } from "./Journal.ts"
import { blockOf, fateOf, fateOfBlow, Harm, hurried, placed, Root } from "./Plan.ts"
import type { Fate, Plan } from "./Plan.ts"

/** Something that disturbs others. */
export interface Happening {
  readonly at: number
  /** Whom it happened to: an actor, or the holder of the block that ends. */
  readonly on: string
  readonly what: "fault" | "start" | "last words" | "ending" | "stopping"
  /** What becomes of it: by an `ending` or `stopping` it dies in order. */
  readonly fate: Fate
  /** In words. */
  readonly words: string
}

/** Whether it may be an actor's end: what one goes on to say may fill the frame that it stopped in, which then is none. */
export const mayDie = ({ fate, words }: Happening): boolean =>
  fate === "dies" || words === ("stops in half a frame" satisfies Harm)

const isHarm = (word: string): word is Harm => Harm.literals.some((harm) => harm === word)

/** What happened, in the order of time. */
export const happenings = (plan: Plan, notes: ReadonlyArray<Note>): ReadonlyArray<Happening> => {
  const noted = new Set(notes.filter(({ note }) => note === "harm").map(({ who }) => who))
  return notes.flatMap((note): ReadonlyArray<Happening> => {
    const { at, who } = note
    switch (note.note) {
      case "harm":
        return isHarm(note.harm)
          ? [{ at, on: who, what: "fault", fate: fateOf(note.harm), words: note.harm }]
          : [{ at, on: who, what: "start", fate: "dies", words: note.harm }]
      case "blow": {
        const { on, signal } = note
        const blow = plan.blows.find((planned) => planned.on === on)
        // A signal that stops is harmless if one that resumes comes; those after the first only hasten.
        const fate = signal === "SIGSTOP" && blow !== undefined ? fateOfBlow(blow) : "dies"
        return signal === "SIGCONT" ? [] : [{ at, on, what: "fault", fate, words: signal }]
      }
      case "last":
        return note.last === "lingers"
          ? []
          : [
              {
                at,
                on: who,
                what: "last words",
                fate: note.last === "throws" ? "dies" : "stalls",
                words: `its last finalizer ${note.last}`
              }
            ]
      case "ending":
        return [{ at, on: who, what: "ending", fate: "dies", words: `its block ${note.how}` }]
      case "not spawned": {
        // On a busy machine its time may be over before it has come to what it is to fail by.
        const late = note.told.some((one) => one.told === "not started" && isTimeout(one.reason))
        const start = placed(plan).find(({ knot }) => knot.name === note.knot)?.knot.start
        return late && start !== undefined && hurried(start) && !noted.has(note.knot)
          ? [{ at, on: note.knot, what: "start", fate: "dies", words: start }]
          : []
      }
      case "done": {
        // What a callee fails with while its caller is interrupted is a failure of the caller's fiber, which nothing in
        // it can catch; here that fiber is a fork of its actor.
        const uncaught =
          note.told.some(({ told }) => told === "interrupted") &&
          note.told.some(({ told }) => told !== "interrupted")
        return uncaught && who !== Root && blockOf(plan, who)?.climbs === true
          ? [{ at, on: who, what: "fault", fate: "dies", words: `its act #${note.act} failed` }]
          : []
      }
      case "stopping":
        return [{ at, on: note.knot, what: "stopping", fate: "dies", words: `stopped by ${who}` }]
      default:
        return []
    }
  })
}

const isTimeout = (reason: string): boolean =>
  reason === "StartTimeout" || reason === "HandshakeTimeout"

/** Who is concerned by a happening: actors, and the holders of blocks. */
export interface Reach {
  readonly knots: ReadonlySet<string>
  readonly blocks: ReadonlySet<string>
}

/** The tree of a plan, for questions about who is above and below whom. */
export class Kin {
  private readonly owners = new Map<string, string>()
  private readonly children = new Map<string, Array<string>>()
  private readonly shots = new Set<string>()
  private readonly climbing = new Set<string>()
  private readonly tolerating = new Set<string>()

  constructor(plan: Plan) {
    if (plan.root.tolerant) this.tolerating.add(Root)
    for (const { knot, owner, shot } of placed(plan)) {
      this.owners.set(knot.name, owner)
      this.children.set(owner, [...(this.children.get(owner) ?? []), knot.name])
      if (shot) this.shots.add(knot.name)
      if (knot.block.climbs) this.climbing.add(knot.name)
      if (knot.block.tolerant) this.tolerating.add(knot.name)
    }
  }

  owner(name: string): string {
    return this.owners.get(name) ?? Root
  }

  /** This one and all below. */
  below(name: string): ReadonlyArray<string> {
    return [name, ...(this.children.get(name) ?? []).flatMap((child) => this.below(child))]
  }

  /** Whether what happens in somebody's block is met there, and goes no further. */
  meets(holder: string): boolean {
    return !this.climbing.has(holder)
  }

  /** Whether it goes on without an actor that does not start. */
  tolerates(holder: string): boolean {
    return this.tolerating.has(holder)
  }

  /**
   * The way by which the crash of an actor climbs: itself and each one that falls with it, up to the child of the block
   * that meets it. `undefined` if it climbs to no block, because a one-shot's crash is its caller's alone.
   */
  way(
    name: string
  ): { readonly fallen: ReadonlyArray<string>; readonly holder: string } | undefined {
    const fallen: Array<string> = []
    for (let at = name; ; at = this.owner(at)) {
      if (at === Root || this.shots.has(at)) return undefined
      fallen.push(at)
      if (this.meets(this.owner(at))) return { fallen, holder: this.owner(at) }
    }
  }

  /** Who is concerned. */
  reach(happening: Happening): Reach {
    const { fate, on, what } = happening
    const knots = new Set<string>()
    const blocks = new Set<string>()
    const fall = (name: string): void => {
      for (const one of this.below(name)) {
        knots.add(one)
        blocks.add(one)
      }
    }
    const end = (holder: string): void => {
      blocks.add(holder)
      for (const child of this.children.get(holder) ?? []) fall(child)
    }
    if (what === "ending") end(on)
    else if (fate !== "is late") fall(on)
    if ((what === "fault" || what === "start" || what === "last words") && mayDie(happening)) {
      const way = this.way(on)
      if (way !== undefined) end(way.holder)
      for (const one of way?.fallen ?? []) fall(one)
    }
    return { knots, blocks }
  }
}
