/**
 * What must hold of a round, whatever was done to it, as a pure function of what was seen.
 *
 * Answers for the four promises: nothing is left, everything ended in time, every answer is right, and no error was lost
 * or made up. Where two things happened at nearly the same time, either may have overtaken the other; what was alone
 * must have had its consequence. Each violation is a sentence.
 */
import { Kin, happenings, mayDie } from "./Happenings.ts"
import type { Happening } from "./Happenings.ts"
import type { Note } from "./Journal.ts"
import { answerOf, blockOf, JoinBound, Parent, placed, Root } from "./Plan.ts"
import type { Act, Plan } from "./Plan.ts"
import { inWords as tableInWords } from "./ProcessTable.ts"
import { GonePatience, RootPatience } from "./Round.ts"
import type { Seen } from "./Round.ts"
import { flattened, inWords } from "./Told.ts"
import type { Told } from "./Told.ts"

/** How long after one thing another may still have been on its way, in milliseconds on a quiet machine. */
const Overtaking = 1500

/** How long a consequence may take where the promise is 200 ms, on a quiet machine. */
const Promptness = 2000

/** Memory takes its time to run out. */
const MemoryTime = 15_000

/** What is wrong with a round; nothing, if all is well. */
export const violations = (plan: Plan, seen: Seen): ReadonlyArray<string> => {
  const round = new Round(plan, seen)
  return [
    ...round.nothingIsLeft(),
    ...round.rootEnded(),
    ...round.actsEnded(),
    ...round.answersAreRight(),
    ...round.errorsAreKnown(),
    ...round.noErrorIsLost()
  ]
}

type Noted<Kind extends Note["note"]> = Extract<Note, { readonly note: Kind }>

class Round {
  private readonly plan: Plan
  private readonly seen: Seen
  private readonly kin: Kin
  private readonly happened: ReadonlyArray<Happening>

  constructor(plan: Plan, seen: Seen) {
    this.plan = plan
    this.seen = seen
    this.kin = new Kin(plan)
    this.happened = happenings(plan, seen.notes)
  }

  private notes<const Kind extends Note["note"]>(
    kind: Kind,
    who?: string
  ): ReadonlyArray<Noted<Kind>> {
    return this.seen.notes.filter(
      (note): note is Noted<Kind> => note.note === kind && (who === undefined || note.who === who)
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Nothing is left
  // -------------------------------------------------------------------------------------------------------------------

  nothingIsLeft(): Array<string> {
    const { atEnd, exit, left, load, sockets } = this.seen
    const found: Array<string> = []
    if (exit !== undefined && left.length > 0) {
      found.push(
        `${left.length} processes lived ${Math.round(GonePatience * load)} ms after the root was gone:\n${tableInWords(left)}`
      )
    }
    if (this.endedInOrder && atEnd.length > 0) {
      found.push(`The root ended in order, and left processes:\n${tableInWords(atEnd)}`)
    }
    for (const { left, who } of this.notes("over")) {
      if (left.length > 0) found.push(`The block of ${who} was over before ${left.join(", ")}.`)
    }
    for (const { knot, left } of this.notes("stopped")) {
      if (left.length > 0) found.push(`The stop of ${knot} returned before ${left.join(", ")}.`)
    }
    for (const socket of sockets) found.push(`A socket is left: ${socket}`)
    return found
  }

  /**
   * Whether everybody who owned actors came to an end with time to wait for them. What is below one that could not is
   * ended by others, within the time that a tree without its root has (S7).
   */
  private get endedInOrder(): boolean {
    const { exit } = this.seen
    const hurried = placed(this.plan).some(
      ({ knot: { block, name } }) =>
        block.knots.length + block.acts.length > 0 &&
        this.notes("born", name).length > 0 &&
        !this.joinedAll(name)
    )
    return (
      exit !== undefined &&
      exit.code !== null &&
      this.notes("blow").filter(({ on }) => on === Root).length < 2 &&
      !hurried
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Everything ended, in time
  // -------------------------------------------------------------------------------------------------------------------

  rootEnded(): Array<string> {
    const { exit, left, load, stderr } = this.seen
    if (exit === undefined) {
      const patience = Math.round(RootPatience * load)
      return [`The root had not ended after ${patience} ms; alive were:\n${tableInWords(left)}`]
    }
    const blows = this.notes("blow").filter(({ on }) => on === Root)
    const [blow] = blows
    const [over] = this.notes("over", Root)
    const found = stderr
      .split("\n")
      .filter((line) => /^\(node:\d+\) (?!ExperimentalWarning)\w*Warning/.test(line))
      .map((line) => `The root was warned: ${line}`)
    const isTold = over !== undefined && exit.code === codeOf(over.told)
    if (blow === undefined) {
      return isTold
        ? found
        : [
            ...found,
            `The root ended with ${exitInWords(exit)}, and its block with [${over === undefined ? "nothing" : inWords(over.told)}].`
          ]
    }
    // Of two that wait at once, the system may hand over either first.
    const expected = blows.flatMap(({ signal }) => codes[signal] ?? [])
    // It may have been ending by itself when the signal came; then that did not interrupt its block.
    const overtaken =
      isTold && (blow.at > over.at || over.told.every(({ told }) => told !== "interrupted"))
    if (exit.code !== null && !expected.includes(exit.code) && !overtaken) {
      found.push(`The root got ${blow.signal} and ended with ${exitInWords(exit)}.`)
    }
    return found
  }

  /** Whether a process came to its end by itself, with time to join what it had begun. */
  private joinedAll(who: string): boolean {
    const hurried =
      this.notes("stage").some(({ knot, stage }) => knot === who && stage !== "asked") ||
      this.happened.some(({ on, what }) => on === who && what === "fault")
    return !hurried && this.notes("exits", who).length > 0
  }

  actsEnded(): Array<string> {
    return this.calls().flatMap(({ act, begun, done, who, words }) => {
      if (done === undefined) {
        const over = this.kin.meets(who) ? this.notes("over", who).length > 0 : this.joinedAll(who)
        return over ? [`${words} was still under way when everything around it had ended.`] : []
      }
      // Who is stopped or blocked itself is late by its own fault.
      if (this.happened.some(({ on, what }) => on === who && what === "fault")) return []
      const took = done.at - begun.at
      const allowed = Promptness * this.seen.load
      if (act.act === "call" && act.limit !== undefined) {
        const bound = act.limit.millis + JoinBound + allowed
        return took > bound ? [`${words} took ${Math.round(took)} ms.`] : []
      }
      const target = act.act === "call" ? this.targetOf(who, act) : undefined
      const death = this.happened.find(({ on, words }) => on === target && sudden.has(words))
      return death !== undefined && done.at > Math.max(death.at, begun.at) + allowed
        ? [
            `${words} ended ${Math.round(done.at - death.at)} ms after its callee was ended by ${death.words}.`
          ]
        : []
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Every answer is right
  // -------------------------------------------------------------------------------------------------------------------

  /** Every act that was begun. */
  private calls() {
    return this.notes("begun").flatMap((begun) => {
      const { act: index, who } = begun
      const act = blockOf(this.plan, who)?.acts[index]
      if (act === undefined) return []
      const done = this.notes("done", who).find((note) => note.act === index)
      const what = act.act === "stop" ? "stop" : act.operation.do
      return [{ act, begun, done, who, words: `#${index} of ${who} (${what})` }]
    })
  }

  private targetOf(who: string, act: Act): string {
    if (act.act === "one-shot") return act.knot.name
    return act.on === Parent ? this.kin.owner(who) : act.on
  }

  /** What had happened by then that concerns one of these, or the block of the first. */
  private disturbers(who: string, at: number, ...others: ReadonlyArray<string>) {
    return this.happened.filter((happening) => {
      if (happening.at > at) return false
      const { blocks, knots } = this.kin.reach(happening)
      return blocks.has(who) || [who, ...others].some((one) => knots.has(one))
    })
  }

  answersAreRight(): Array<string> {
    return this.calls().flatMap(({ act, done, who, words }) => {
      if (done === undefined) return []
      const { told, value } = done
      const says = (text: string) => [`${words} ${text}.`]
      if (act.act === "stop") {
        return value === undefined && this.disturbers(who, done.at, act.on).length === 0
          ? says(`failed: ${inWords(told)}`)
          : []
      }
      const answer = answerOf(act.operation)
      if (value !== undefined) {
        return answer !== "never" && "value" in answer && answer.value === value
          ? []
          : says(`gave ${value}`)
      }
      const through = act.act === "call" && act.through !== undefined ? [act.through] : []
      const target = this.targetOf(who, act)
      if (this.disturbers(who, done.at, target, ...through).length > 0) return []
      const isRight = told.every(
        (one) =>
          (answer !== "never" && "refused" in answer && isError(one, "Refused")) ||
          (answer !== "never" && "defect" in answer && isError(one, "Error", answer.defect)) ||
          (act.limit !== undefined && (isLeaving(one) || isError(one, "Error", finalizerBug)))
      )
      return isRight ? [] : says(`failed, and nothing had happened: ${inWords(told)}`)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // No error is made up, and none is lost
  // -------------------------------------------------------------------------------------------------------------------

  errorsAreKnown(): Array<string> {
    const found: Array<string> = []
    const said = [...this.notes("over"), ...this.notes("done"), ...this.notes("event")]
    for (const { at, told, who } of said) {
      for (const one of flattened(told)) {
        if (one.told === "error" && !isPlanned(one)) {
          found.push(`${who} was told of an error that nobody made: ${inWords([one])}`)
        }
        if (one.told === "portal" && !reasons.has(one.reason)) {
          found.push(`${who} was told ${one.reason} of ${one.actor}: ${one.words}`)
        }
        if (
          one.told === "crashed" ||
          (one.told === "not started" && one.reason !== "NurseryClosed")
        ) {
          const below = this.kin.below(one.actor)
          // A signal reaches a whole group, and who is just being forked is in it until it leads one of its own.
          const forked =
            one.told === "not started" &&
            one.exit?.signal !== undefined &&
            this.notes("stage").some(
              (note) => note.at <= at && note.knot === who && note.stage !== "asked"
            )
          const why = this.happened.some(
            (happening) =>
              happening.at <= at &&
              below.includes(happening.on) &&
              happening.what !== "stopping" &&
              (mayDie(happening) ||
                // Stopped between its last step and saying that it is ready, it is given up in the end.
                (one.told === "not started" && happening.fate === "stalls"))
          )
          if (!why && !forked)
            found.push(`${who} was told of a crash of its own making: ${inWords([one])}`)
        }
      }
    }
    return found
  }

  noErrorIsLost(): Array<string> {
    return [...this.firstIsTold(), ...this.lastWordsAreTold()]
  }

  /** The first thing that befell a block, if it was a crash and alone, is what the block failed with. */
  private firstIsTold(): Array<string> {
    return this.notes("over").flatMap((over) => {
      const { told, who: holder } = over
      const concerning = this.happened.filter(
        (happening) =>
          happening.at <= over.at &&
          (this.kin.reach(happening).blocks.has(holder) ||
            this.kin.below(holder).includes(happening.on))
      )
      const [first, second] = concerning
      if (first === undefined || first.fate !== "dies") return []
      if (first.what === "ending" || first.what === "stopping") return []
      const way = this.kin.way(first.on)
      if (way === undefined || way.holder !== holder) return []
      const owners = way.fallen.map((name) => this.kin.owner(name))
      if (first.what === "start" && owners.some((owner) => this.kin.tolerates(owner))) return []
      const overtaking =
        (first.words === "runs out of memory" ? MemoryTime : Overtaking) * this.seen.load
      if (second !== undefined && second.at <= first.at + overtaking) return []
      const all = flattened(told)
      const missing = way.fallen.filter((name) => !all.some((one) => tellsOf(one, name)))
      if (missing.length > 0) {
        return [
          `${first.on} (${first.words}) did not climb to the block of ${holder}, which ended with [${inWords(told)}].`
        ]
      }
      return this.exitIsTold(first, all)
    })
  }

  /** A process that was alone in its fault ended as the fault says. */
  private exitIsTold(first: Happening, all: ReadonlyArray<Told>): Array<string> {
    const crash = all.find((one) => one.told === "crashed" && one.actor === first.on)
    if (crash?.told !== "crashed" || crash.stage !== undefined || crash.exit === undefined)
      return []
    const { code, signal } = crash.exit
    const isRight =
      first.words === "exits"
        ? code === 7
        : first.words === "SIGKILL" || first.words === "SIGSEGV" || first.words === "SIGABRT"
          ? signal === first.words
          : true
    return isRight ? [] : [`${first.on} (${first.words}) ended with ${code ?? signal} by report.`]
  }

  /** What a finalizer died of is told, if everybody on its way up came to its end by itself. */
  private lastWordsAreTold(): Array<string> {
    return this.happened.flatMap(({ fate, on, what }) => {
      if (what !== "last words" || fate !== "dies") return []
      const way = this.kin.way(on)
      const over = way === undefined ? undefined : this.notes("over", way.holder)[0]
      if (way === undefined || over === undefined) return []
      const inOrder = way.fallen.every(
        (name) =>
          this.notes("exits", name).length > 0 &&
          !this.notes("stage").some(({ knot, stage }) => knot === name && stage !== "asked") &&
          !this.happened.some((other) => other.on === name && other.what === "fault")
      )
      const tolerated = way.fallen.some((name) => this.kin.tolerates(this.kin.owner(name)))
      if (!inOrder || tolerated) return []
      return flattened(over.told).some((one) => isError(one, "Error", `last words of ${on}`))
        ? []
        : [
            `What the last finalizer of ${on} died of is not in what the block of ${way.holder} ended with: [${inWords(over.told)}].`
          ]
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is known
// ---------------------------------------------------------------------------------------------------------------------

const exitInWords = ({ code, signal }: NonNullable<Seen["exit"]>): string =>
  signal === null ? `code ${code}` : signal

/** The exit code of a root that was interrupted by itself. */
const InterruptedCode = 130

/** The exit codes of a root that was told to end by a signal. */
const codes: Readonly<Record<string, number>> = {
  SIGINT: InterruptedCode,
  SIGTERM: 143,
  SIGHUP: 129
}

/** The exit code of a root whose block ended so by itself. */
const codeOf = (told: ReadonlyArray<Told>): number =>
  told.length === 0 ? 0 : told.every((one) => one.told === "interrupted") ? InterruptedCode : 1

/** What ends a process at once. */
const sudden = new Set(["SIGKILL", "SIGSEGV", "SIGABRT", "exits", "severs its wire"])

const finalizerBug = "bug of a finalizer"

const isError = (one: Told, name: string, message?: string): boolean =>
  one.told === "error" &&
  one.name === name &&
  (message === undefined || one.message.startsWith(message))

/** The names of Furrow's own errors: as a defect, which is what a dying finalizer makes of them, they lose their class. */
const ours = new Set(["ActorCrashed", "ForkFailed", "SpawnError", "PortalError"])

/** Whether somebody was told of the end of this actor. */
const tellsOf = (one: Told, actor: string): boolean =>
  one.told === "crashed" || one.told === "not started"
    ? one.actor === actor
    : one.told === "error" && ours.has(one.name) && one.message.includes(`/${actor}"`)

/** What somebody meets who leaves early. */
const isLeaving = (one: Told): boolean =>
  one.told === "interrupted" ||
  isError(one, "TimeoutError") ||
  (one.told === "portal" && one.reason === "DeadlineExceeded")

/** The reasons that faults can have; the others are about versions and limits, of which there are none here. */
const reasons = new Set(["Disconnected", "Cancelled", "Ended", "DeadlineExceeded"])

/** The errors that the suite itself makes. */
const isPlanned = (one: Told): boolean =>
  (one.told === "error" && ours.has(one.name)) ||
  isError(one, "Refused") ||
  isError(one, "Gone") ||
  isError(one, "Planned") ||
  isError(one, "TimeoutError") ||
  isError(one, "Error", "bug ") ||
  isError(one, "Error", "last words of ") ||
  isError(one, "Error", "thrown by chaos") ||
  isError(one, "Error", "rejected by chaos")
