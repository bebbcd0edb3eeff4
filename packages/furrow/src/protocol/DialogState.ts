/**
 * One end of one dialog as a value, and the rules of what may be said next; and one end's table of dialog ids.
 *
 * Answers for the laws of `Protocol.ts` that concern the order of frames and their credit: a frame either leads to the
 * next state or is a `Violation` with the name of the rule. Both ends run the same rules on what they say and on what
 * they hear. Buffers, fibers and the values in parts are the session's.
 */
import { Violation } from "./Protocol.ts"
import type { DialogFrame, Lane, Window } from "./Protocol.ts"

// ---------------------------------------------------------------------------------------------------------------------
// One end of one dialog
// ---------------------------------------------------------------------------------------------------------------------

/** What a dialog is for: a call has no items, in a stream only the callee sends them, in a dialog both do. */
export type Kind = "call" | "stream" | "dialog"

/** Which end of the dialog this is. */
export type Role = "caller" | "callee"

/**
 * One end of one dialog, as far as the protocol is concerned: a value. Most dialogs go the same way, and share the states
 * on it: a dialog that is open and silent has none of its own.
 */
export class DialogState {
  readonly role: Role
  readonly kind: Kind
  /** `Open` is complete. */
  readonly opened: boolean
  /** `Started` is complete. */
  readonly started: boolean
  /** This end has said `End`. */
  readonly sendEnded: boolean
  /** The other end has said `End`. */
  readonly receiveEnded: boolean
  /** `Cancel` was said. */
  readonly cancelled: boolean
  /** `Exit` was said: the dialog is over. */
  readonly exited: boolean
  /** What this end may still send; bytes below zero are an item's overdraft. */
  readonly credit: Window
  /** What the other end may still send. */
  readonly granted: Window
  /** The lane on which a value of this end is under way in parts. */
  readonly sending: Lane | undefined
  /** The lane on which a value of the other end is under way in parts. */
  readonly receiving: Lane | undefined
  /** @internal What comes after it, by the words that were said in it; only of a state that is shared. */
  readonly after: After | undefined

  /** @internal Begins as a copy. */
  constructor(state: Omit<DialogState, "after">, after: After | undefined) {
    this.role = state.role
    this.kind = state.kind
    this.opened = state.opened
    this.started = state.started
    this.sendEnded = state.sendEnded
    this.receiveEnded = state.receiveEnded
    this.cancelled = state.cancelled
    this.exited = state.exited
    this.credit = state.credit
    this.granted = state.granted
    this.sending = state.sending
    this.receiving = state.receiving
    this.after = after
  }
}

const nothing: Window = { items: 0, bytes: 0 }

const fresh = {
  started: false,
  sendEnded: false,
  receiveEnded: false,
  cancelled: false,
  exited: false,
  sending: undefined,
  receiving: undefined
} as const

/** The last that was begun with, of each kind. */
const callers = new Map<Kind, DialogState>()
const callees = new Map<Kind, DialogState>()

/** The caller's end before its `Open` is written; `granted` is the window that `Open` names. */
export const caller = (kind: Kind, granted: Window): DialogState => {
  const last = callers.get(kind)
  if (last !== undefined && isSame(last.granted, granted)) return last
  const state = new DialogState(
    { ...fresh, role: "caller", kind, opened: false, credit: nothing, granted },
    new After()
  )
  callers.set(kind, state)
  return state
}

/** The callee's end once `Open` is complete; `credit` is the window that it named. */
export const callee = (kind: Kind, credit: Window): DialogState => {
  const last = callees.get(kind)
  if (last !== undefined && isSame(last.credit, credit)) return last
  const state = new DialogState(
    { ...fresh, role: "callee", kind, opened: true, credit, granted: nothing },
    new After()
  )
  callees.set(kind, state)
  return state
}

/** The state after this end has sent a frame, or the rule that forbids it. */
export const sent = (state: DialogState, frame: DialogFrame): DialogState | Violation =>
  state.exited
    ? broken("AfterExit", `${frame._tag} after Exit`)
    : (refusal(state, frame, state.role, ours) ?? next(state, frame, ours))

/**
 * The state after the other end's frame has arrived, or the rule that the other end broke. Once the dialog is over a
 * frame is late, and changes nothing.
 */
export const received = (state: DialogState, frame: DialogFrame): DialogState | Violation =>
  state.exited
    ? state
    : (refusal(state, frame, otherOf(state.role), theirs) ?? next(state, frame, theirs))

/** The state of a caller that has left: nothing that comes concerns it any more. */
export const left = (state: DialogState): DialogState => follow(state, "cancelled", cancels)

/** The state of a dialog that is over, by whatever way. */
export const over = (state: DialogState): DialogState =>
  state.exited ? state : follow(state, "over", ends)

/** Whether this end may begin an item now: it may send at all, has credit, and no value of its own is under way. */
export const canSend = (state: DialogState): boolean =>
  !state.exited &&
  !state.sendEnded &&
  state.sending === undefined &&
  hasItems(state, state.role) &&
  hasCredit(state.credit)

// ---------------------------------------------------------------------------------------------------------------------
// The rules
// ---------------------------------------------------------------------------------------------------------------------

/** Where a state keeps what concerns the end that is speaking. */
interface Side {
  /** What the speaker may still send. */
  readonly window: "credit" | "granted"
  /** What the speaker may still be sent. */
  readonly back: "credit" | "granted"
  readonly ended: "sendEnded" | "receiveEnded"
  /** The lane on which a value of the speaker is under way. */
  readonly under: "sending" | "receiving"
}

const ours: Side = { window: "credit", back: "granted", ended: "sendEnded", under: "sending" }
const theirs: Side = {
  window: "granted",
  back: "credit",
  ended: "receiveEnded",
  under: "receiving"
}

const otherOf = (role: Role): Role => (role === "caller" ? "callee" : "caller")

/** Why this frame may not be said now by this role, if so. */
const refusal = (
  state: DialogState,
  frame: DialogFrame,
  role: Role,
  side: Side
): Violation | undefined => {
  const { _tag: tag } = frame
  const lane = laneOf(frame)
  const under = state[side.under]

  // Who says it.
  if (role === "callee" && (lane === "open" || tag === "Cancel")) {
    return broken("NotTheCaller", `${tag} of the callee`)
  }
  if (role === "caller" && (lane === "started" || lane === "exit")) {
    return broken("NotTheCallee", `${tag} of the caller`)
  }

  // Open comes first, and once. While it is under way the caller may give it up, and the callee may answer it.
  if (lane === "open") {
    if (state.opened) return broken("OpenedTwice", `${tag} of a dialog that is open`)
  } else if (!state.opened) {
    const isUnderWay = state.sending === "open" && (tag === "Cancel" || lane === "exit")
    if (!isUnderWay) return broken("NeverOpened", `${tag} before Open`)
  }

  // One value at a time. Exit gives up an unfinished one: a callee that is cancelled need not say all of it first.
  const isBetween = lane === "exit" || tag === "Cancel" || tag === "Credit"
  if (under !== undefined && lane !== under && !isBetween) {
    return broken("UnexpectedFrame", `${tag} between the parts of a value on lane ${under}`)
  }
  if (tag === "More" && frame.payload.length === 0) {
    return broken("UnexpectedFrame", "a part without bytes")
  }

  if (lane === "started") {
    if (state.kind !== "dialog") return broken("UnexpectedFrame", `Started in a ${state.kind}`)
    if (state.started) return broken("StartedTwice", "the callee's first word was said before")
  }

  // Items, and the end of them.
  if (lane === "item" || tag === "End") {
    if (!hasItems(state, role)) return noItems(state, role, tag)
    if (state[side.ended]) return broken("AfterEnd", `${tag} after End`)
  }
  if (lane === "item" && under === undefined && !hasCredit(state[side.window])) {
    const { bytes, items } = state[side.window]
    return broken("ItemWithoutCredit", `an item with credit for ${items} items and ${bytes} bytes`)
  }
  if (tag === "Credit" && !hasItems(state, otherOf(role))) {
    return broken("UnexpectedFrame", `Credit for the ${otherOf(role)}, which sends no items`)
  }
  return undefined
}

/** What a frame that may be said changes. */
const next = (state: DialogState, frame: DialogFrame, side: Side): DialogState => {
  const isOurs = side === ours
  switch (frame._tag) {
    case "More":
      return frame.lane === "item"
        ? spent(state, frame.payload, side, "item")
        : under(state, frame.lane, side)
    case "Open":
      return isOurs ? follow(state, "open", opensOurs) : follow(state, "theirOpen", opensTheirs)
    case "Started":
      return start(state, frame.window, isOurs)
    case "Item":
      return spent(state, frame.payload, side, undefined)
    case "End":
      return isOurs ? follow(state, "end", endsOurs) : follow(state, "theirEnd", endsTheirs)
    case "Credit": {
      const { bytes, items } = state[side.back]
      const window = { items: items + frame.items, bytes: bytes + frame.bytes }
      const changed = changing(state)
      if (isOurs) changed.granted = window
      else changed.credit = window
      return changed
    }
    case "Cancel":
      return follow(state, "cancelled", cancels)
    case "Exit":
      return isOurs ? follow(state, "exit", exitsOurs) : follow(state, "theirExit", exitsTheirs)
  }
}

/** A state that is about to differ. */
type Changing = { -readonly [Key in keyof DialogState]: DialogState[Key] }

const changing = (state: DialogState): Changing => new DialogState(state, undefined)

const under = (state: DialogState, lane: Lane, side: Side): DialogState => {
  const changed = changing(state)
  if (side === ours) changed.sending = lane
  else changed.receiving = lane
  return changed
}

/** An item is paid for with its first part, its bytes part by part. */
const spent = (
  state: DialogState,
  payload: Uint8Array,
  side: Side,
  lane: Lane | undefined
): DialogState => {
  const { bytes, items } = state[side.window]
  const isFirst = state[side.under] === undefined
  const window = { items: isFirst ? items - 1 : items, bytes: bytes - payload.length }
  const changed = changing(state)
  if (side === ours) {
    changed.credit = window
    changed.sending = lane
  } else {
    changed.granted = window
    changed.receiving = lane
  }
  return changed
}

/** The states that follow a shared one, by words that say no more than that they were said. */
class After {
  open: DialogState | undefined = undefined
  theirOpen: DialogState | undefined = undefined
  start: DialogState | undefined = undefined
  theirStart: DialogState | undefined = undefined
  end: DialogState | undefined = undefined
  theirEnd: DialogState | undefined = undefined
  cancelled: DialogState | undefined = undefined
  exit: DialogState | undefined = undefined
  theirExit: DialogState | undefined = undefined
  over: DialogState | undefined = undefined
}

/** The state after such a word: the one that is known, if there is one. */
const follow = (
  state: DialogState,
  word: keyof After,
  change: (changing: Changing) => void
): DialogState => {
  const { after } = state
  const known = after?.[word]
  if (known !== undefined) return known
  const changed: Changing = new DialogState(state, after === undefined ? undefined : new After())
  change(changed)
  if (after !== undefined) after[word] = changed
  return changed
}

/** The window is nearly always the same. */
const start = (state: DialogState, window: Window, isOurs: boolean): DialogState => {
  const { after } = state
  const known = isOurs ? after?.start : after?.theirStart
  if (known !== undefined && isSame(isOurs ? known.granted : known.credit, window)) return known
  const changed: Changing = new DialogState(state, after === undefined ? undefined : new After())
  changed.started = true
  if (isOurs) {
    changed.sending = undefined
    changed.granted = window
    if (after !== undefined) after.start = changed
  } else {
    changed.receiving = undefined
    changed.credit = window
    if (after !== undefined) after.theirStart = changed
  }
  return changed
}

const opensOurs = (state: Changing): void => {
  state.sending = undefined
  state.opened = true
}

const opensTheirs = (state: Changing): void => {
  state.receiving = undefined
  state.opened = true
}

const endsOurs = (state: Changing): void => {
  state.sendEnded = true
}

const endsTheirs = (state: Changing): void => {
  state.receiveEnded = true
}

const cancels = (state: Changing): void => {
  state.cancelled = true
}

const exitsOurs = (state: Changing): void => {
  state.sending = undefined
  state.exited = true
}

const exitsTheirs = (state: Changing): void => {
  state.receiving = undefined
  state.exited = true
}

const ends = (state: Changing): void => {
  state.exited = true
}

const isSame = (a: Window, b: Window): boolean => a.items === b.items && a.bytes === b.bytes

/** The lane a frame speaks on; `undefined` for the frames without a value. */
const laneOf = (frame: DialogFrame): Lane | undefined => {
  switch (frame._tag) {
    case "More":
      return frame.lane
    case "Open":
      return "open"
    case "Started":
      return "started"
    case "Item":
      return "item"
    case "Exit":
      return "exit"
    default:
      return undefined
  }
}

/** Whether items of this role have a place in this dialog yet. */
const hasItems = ({ kind, started }: DialogState, role: Role): boolean =>
  kind === "stream" ? role === "callee" : kind === "dialog" && started

const noItems = ({ kind }: DialogState, role: Role, tag: string): Violation => {
  switch (kind) {
    case "call":
      return broken("UnexpectedFrame", `${tag} in a call, which has no items`)
    case "stream":
      return broken(
        "NotTheCallee",
        `${tag} of the ${role} in a stream, whose items are the callee's`
      )
    case "dialog":
      return broken("ItemBeforeStarted", `${tag} before Started`)
  }
}

const hasCredit = (window: Window): boolean => window.items > 0 && window.bytes > 0

const broken = (rule: Violation["rule"], detail: string): Violation =>
  new Violation({ rule, detail })

// ---------------------------------------------------------------------------------------------------------------------
// One end's table of ids
// ---------------------------------------------------------------------------------------------------------------------

/** The ids of a connection as one end knows them. */
export interface Ids {
  /** How this end came to the connection; the ids it takes are odd if it dialled, else even. */
  readonly role: "dialled" | "accepted"
  /** The highest id that the other end has opened; 0 before the first. */
  readonly highestOpened: number
  /** The id that this end takes next. */
  readonly nextOwn: number
}

/** Where a frame belongs: it opens a dialog, speaks in one that lives, or comes after its dialog's end. */
export interface Place {
  readonly _tag: "Open" | "Live" | "Late"
}

const opens: Place = { _tag: "Open" }
const live: Place = { _tag: "Live" }
const late: Place = { _tag: "Late" }

/** The table of a new connection. */
export const ids = (role: Ids["role"]): Ids => ({
  role,
  highestOpened: 0,
  nextOwn: role === "dialled" ? 1 : 2
})

/** The id for a dialog of this end, to be taken as its first frame is written, and the table afterwards. */
export const takeOwn = (table: Ids): readonly [id: number, table: Ids] => [
  table.nextOwn,
  { ...table, nextOwn: table.nextOwn + 2 }
]

/** The table after the other end has opened a dialog. */
export const opened = (table: Ids, id: number): Ids => ({ ...table, highestOpened: id })

/**
 * Where a frame of the other end belongs; `isLive`: this end keeps a dialog, or parts of its `Open`, under that id.
 * Id 0 always lives, and only `Credit` speaks of it.
 */
export const classify = (table: Ids, frame: DialogFrame, isLive: boolean): Place | Violation => {
  const { _tag: tag, id } = frame
  if (id === 0) {
    return tag === "Credit"
      ? live
      : broken("UnexpectedFrame", `${tag} for id 0, the connection itself`)
  }
  const opening = laneOf(frame) === "open"
  const isOwn = (id % 2 === 1) === (table.role === "dialled")
  if (isOwn && opening) {
    return broken("WrongParity", `${tag} for id ${id}, which is this end's to open`)
  }
  if (isLive) return live
  if (isOwn ? id < table.nextOwn : id <= table.highestOpened) return late
  return opening ? opens : broken("NeverOpened", `${tag} for id ${id}`)
}
