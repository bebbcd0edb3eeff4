/** The laws of a dialog, on generated sequences of frames, at one end and between two. */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { DialogState, Protocol } from "furrow/protocol"
import { dialogFrame, window } from "./arbitraries.ts"

type State = DialogState.DialogState

const isState = (outcome: State | Protocol.Violation): outcome is State =>
  !(outcome instanceof Protocol.Violation)

const kind = fc.constantFrom<DialogState.Kind>("call", "stream", "dialog")

/** Frames of the one dialog that these tests are about. */
const frames = dialogFrame(fc.constant(1))

const bytes = (length: number) => new Uint8Array(length)

const open: Protocol.DialogFrame = {
  _tag: "Open",
  id: 1,
  operation: "Echo",
  window: { items: 2, bytes: 10 },
  payload: bytes(1)
}
const started: Protocol.DialogFrame = {
  _tag: "Started",
  id: 1,
  window: { items: 2, bytes: 10 },
  payload: bytes(1)
}
const item: Protocol.DialogFrame = { _tag: "Item", id: 1, payload: bytes(4) }
const end: Protocol.DialogFrame = { _tag: "End", id: 1 }
const credit: Protocol.DialogFrame = { _tag: "Credit", id: 1, items: 1, bytes: 4 }
const cancel: Protocol.DialogFrame = {
  _tag: "Cancel",
  id: 1,
  by: { path: "root", incarnation: "0" },
  hops: []
}
const exit: Protocol.DialogFrame = {
  _tag: "Exit",
  id: 1,
  exit: "success",
  cancelSeen: false,
  hops: [],
  payload: bytes(1)
}
const more = (lane: Protocol.Lane): Protocol.DialogFrame => ({
  _tag: "More",
  id: 1,
  lane,
  payload: bytes(4)
})

/** What one end says or hears, in order. */
type Step = readonly ["sent" | "received", Protocol.DialogFrame]

const step = (state: State, [direction, frame]: Step): State | Protocol.Violation =>
  direction === "sent" ? DialogState.sent(state, frame) : DialogState.received(state, frame)

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.tuple(fc.constantFrom("sent" as const, "received" as const), frames),
  { maxLength: 40 }
)

/** Every state that a sequence reaches when the frames that are refused are left out. */
const reached = (initial: State, sequence: ReadonlyArray<Step>): ReadonlyArray<State> => {
  const states = [initial]
  for (const next of sequence) {
    const outcome = step(states.at(-1)!, next)
    if (isState(outcome)) states.push(outcome)
  }
  return states
}

const initial: fc.Arbitrary<State> = fc
  .tuple(fc.boolean(), kind, window)
  .map(([isCaller, kind, window]) =>
    isCaller ? DialogState.caller(kind, window) : DialogState.callee(kind, window)
  )

describe("One end", () => {
  it("every frame leads to a state that keeps the laws, or is refused by the name of a rule", () => {
    const rules = new Set<string>(Protocol.Violation.fields.rule.literals)
    fc.assert(
      fc.property(initial, steps, (initial, sequence) => {
        let state = initial
        for (const next of sequence) {
          const outcome = step(state, next)
          if (!isState(outcome)) {
            expect(rules).toContain(outcome.rule)
            continue
          }
          const [direction, frame] = next
          const spent = direction === "sent" ? state.credit : state.granted
          const under = direction === "sent" ? state.sending : state.receiving
          if (frame._tag === "Item" && under === undefined && !state.exited) {
            expect(spent.items).toBeGreaterThan(0)
            expect(spent.bytes).toBeGreaterThan(0)
          }
          expect(outcome.credit.items).toBeGreaterThanOrEqual(0)
          expect(outcome.granted.items).toBeGreaterThanOrEqual(0)
          // Said once, it stays said.
          for (const flag of [
            "opened",
            "started",
            "sendEnded",
            "receiveEnded",
            "cancelled",
            "exited"
          ] as const) {
            expect(outcome[flag] || !state[flag]).toBe(true)
          }
          state = outcome
        }
      }),
      { numRuns: 1000 }
    )
  })

  it("dialogs that go the same way share their states, unless their windows differ", () => {
    const ways: ReadonlyArray<readonly [State, ReadonlyArray<Step>]> = [
      [
        DialogState.caller("dialog", { items: 2, bytes: 10 }),
        [
          ["sent", open],
          ["received", started],
          ["sent", end],
          ["received", end],
          ["sent", cancel],
          ["received", exit]
        ]
      ],
      [
        DialogState.callee("dialog", { items: 2, bytes: 10 }),
        [
          ["sent", started],
          ["received", cancel],
          ["sent", exit]
        ]
      ]
    ]
    for (const [initial, sequence] of ways) {
      const begin = initial.role === "caller" ? DialogState.caller : DialogState.callee
      const again = begin("dialog", { items: 2, bytes: 10 })
      const states = reached(initial, sequence)
      expect(states).toHaveLength(sequence.length + 1)
      for (const [at, state] of reached(again, sequence).entries()) expect(state).toBe(states[at])
    }
    const opened = reached(DialogState.caller("dialog", { items: 2, bytes: 10 }), [["sent", open]])
    const wider = { ...started, window: { items: 3, bytes: 10 } }
    const [, one, other] = [open, started, wider].map((frame) =>
      reached(opened.at(-1)!, [["received", frame]]).at(-1)!
    )
    expect([one?.credit, other?.credit]).toEqual([started.window, wider.window])
    expect(DialogState.caller("dialog", { items: 3, bytes: 10 }).granted.items).toBe(3)
  })

  it("once the dialog is over nothing may be sent, and what is heard is late and changes nothing", () => {
    fc.assert(
      fc.property(initial, steps, frames, (initial, sequence, frame) => {
        const state = reached(initial, [...sequence, ["sent", exit], ["received", exit]]).at(-1)!
        fc.pre(state.exited)
        expect(DialogState.sent(state, frame)).toMatchObject({ rule: "AfterExit" })
        expect(DialogState.received(state, frame)).toBe(state)
        expect(DialogState.canSend(state)).toBe(false)
      })
    )
  })

  it("no state is stuck: from each one the dialog can still come to its Exit", () => {
    const ways: ReadonlyArray<ReadonlyArray<Step>> = [
      [["sent", exit]],
      [["received", exit]],
      [
        ["sent", open],
        ["received", exit]
      ]
    ]
    fc.assert(
      fc.property(initial, steps, (initial, sequence) => {
        for (const state of reached(initial, sequence)) {
          if (state.exited) continue
          expect(ways.some((way) => reached(state, way).at(-1)!.exited)).toBe(true)
        }
      })
    )
  })

  it("canSend says whether an item would be let through, whole or its first part", () => {
    fc.assert(
      fc.property(initial, steps, (initial, sequence) => {
        for (const state of reached(initial, sequence)) {
          const lawful =
            isState(DialogState.sent(state, more("item"))) && state.sending === undefined
          expect(DialogState.canSend(state)).toBe(lawful)
        }
      })
    )
  })

  it("an item costs one, and the bytes of all its parts; it may overdraw the bytes and not the items", () => {
    const state = DialogState.callee("stream", { items: 2, bytes: 6 })
    const after = reached(state, [
      ["sent", more("item")],
      ["sent", more("item")],
      ["sent", item]
    ]).at(-1)!
    expect(after.credit).toEqual({ items: 1, bytes: -6 })
    expect(DialogState.sent(after, item)).toMatchObject({ rule: "ItemWithoutCredit" })
    const given = DialogState.received(after, { _tag: "Credit", id: 1, items: 1, bytes: 12 })
    expect(given).toMatchObject({ credit: { items: 2, bytes: 6 } })
  })
})

describe("Every rule has its name", () => {
  const caller = (kind: DialogState.Kind) => DialogState.caller(kind, { items: 2, bytes: 10 })
  const callee = (kind: DialogState.Kind) => DialogState.callee(kind, { items: 2, bytes: 10 })

  const refused: ReadonlyArray<
    readonly [Protocol.Violation["rule"], string, State, ReadonlyArray<Step>]
  > = [
    ["NeverOpened", "an item before Open", caller("stream"), [["received", item]]],
    ["NeverOpened", "Cancel before anything of Open", caller("call"), [["sent", cancel]]],
    ["NeverOpened", "Exit before anything of Open", caller("call"), [["received", exit]]],
    ["OpenedTwice", "a second Open", callee("call"), [["received", open]]],
    ["OpenedTwice", "a part of a second Open", callee("call"), [["received", more("open")]]],
    [
      "NotTheCaller",
      "Cancel of the callee",
      caller("call"),
      [
        ["sent", open],
        ["received", cancel]
      ]
    ],
    ["NotTheCaller", "Open of the callee", callee("call"), [["sent", open]]],
    ["NotTheCallee", "Exit of the caller", callee("call"), [["received", exit]]],
    ["NotTheCallee", "Started of the caller", callee("dialog"), [["received", started]]],
    ["NotTheCallee", "an item of a stream's caller", callee("stream"), [["received", item]]],
    ["NotTheCallee", "End of a stream's caller", callee("stream"), [["received", end]]],
    [
      "ItemBeforeStarted",
      "an item of the callee before Started",
      callee("dialog"),
      [["sent", item]]
    ],
    [
      "ItemBeforeStarted",
      "an item of the caller before Started",
      callee("dialog"),
      [["received", item]]
    ],
    ["ItemBeforeStarted", "End before Started", callee("dialog"), [["received", end]]],
    [
      "StartedTwice",
      "a second Started",
      caller("dialog"),
      [
        ["sent", open],
        ["received", started],
        ["received", started]
      ]
    ],
    [
      "UnexpectedFrame",
      "Started in a call",
      caller("call"),
      [
        ["sent", open],
        ["received", started]
      ]
    ],
    [
      "UnexpectedFrame",
      "an item in a call",
      caller("call"),
      [
        ["sent", open],
        ["received", item]
      ]
    ],
    ["UnexpectedFrame", "Credit in a call", callee("call"), [["received", credit]]],
    [
      "UnexpectedFrame",
      "Credit for a stream's caller",
      caller("stream"),
      [
        ["sent", open],
        ["received", credit]
      ]
    ],
    ["UnexpectedFrame", "Credit before Started", callee("dialog"), [["received", credit]]],
    [
      "UnexpectedFrame",
      "End between the parts of an item",
      callee("stream"),
      [
        ["sent", more("item")],
        ["sent", end]
      ]
    ],
    [
      "UnexpectedFrame",
      "an item between the parts of Exit",
      callee("stream"),
      [
        ["sent", more("exit")],
        ["sent", item]
      ]
    ],
    [
      "UnexpectedFrame",
      "an item between the parts of Started",
      callee("dialog"),
      [
        ["sent", more("started")],
        ["sent", item]
      ]
    ],
    [
      "UnexpectedFrame",
      "a part without bytes",
      callee("call"),
      [["sent", { _tag: "More", id: 1, lane: "exit", payload: bytes(0) }]]
    ],
    [
      "ItemWithoutCredit",
      "an item beyond the items",
      callee("stream"),
      [
        ["sent", item],
        ["sent", item],
        ["sent", item]
      ]
    ],
    [
      "ItemWithoutCredit",
      "a part beyond the bytes",
      DialogState.callee("stream", { items: 9, bytes: 4 }),
      [
        ["sent", item],
        ["sent", more("item")]
      ]
    ],
    [
      "AfterEnd",
      "an item after End",
      callee("stream"),
      [
        ["sent", end],
        ["sent", item]
      ]
    ],
    [
      "AfterEnd",
      "a second End",
      callee("stream"),
      [
        ["sent", end],
        ["sent", end]
      ]
    ],
    [
      "AfterExit",
      "anything after Exit",
      callee("call"),
      [
        ["sent", exit],
        ["sent", exit]
      ]
    ]
  ]

  it.each(refused)("%s: %s", (rule, _, state, sequence) => {
    const before = reached(state, sequence.slice(0, -1))
    expect(before).toHaveLength(sequence.length)
    expect(step(before.at(-1)!, sequence.at(-1)!)).toMatchObject({ _tag: "Violation", rule })
  })

  const lawful: ReadonlyArray<readonly [string, State, ReadonlyArray<Step>]> = [
    [
      "a call",
      caller("call"),
      [
        ["sent", open],
        ["received", exit]
      ]
    ],
    [
      "a call in parts both ways",
      caller("call"),
      [
        ["sent", more("open")],
        ["sent", open],
        ["received", more("exit")],
        ["received", exit]
      ]
    ],
    [
      "a dialog without Started, which failed early",
      caller("dialog"),
      [
        ["sent", open],
        ["received", exit]
      ]
    ],
    [
      "items both ways, and one side after the other's End",
      caller("dialog"),
      [
        ["sent", open],
        ["received", started],
        ["sent", item],
        ["received", item],
        ["received", end],
        ["sent", item],
        ["sent", end],
        ["received", exit]
      ]
    ],
    [
      "Cancel and Credit between the parts of an item",
      callee("stream"),
      [
        ["sent", more("item")],
        ["received", credit],
        ["received", cancel],
        ["sent", item],
        ["sent", exit]
      ]
    ],
    [
      "Cancel said again, with less time",
      callee("call"),
      [
        ["received", cancel],
        ["received", cancel],
        ["sent", exit]
      ]
    ],
    [
      "an item that Cancel has overtaken",
      callee("dialog"),
      [
        ["sent", started],
        ["received", cancel],
        ["received", item],
        ["sent", exit]
      ]
    ],
    [
      "Exit gives up an item under way",
      callee("stream"),
      [
        ["sent", more("item")],
        ["sent", exit]
      ]
    ],
    [
      "Exit in parts gives up an item under way",
      callee("stream"),
      [
        ["sent", more("item")],
        ["sent", more("exit")],
        ["sent", exit]
      ]
    ],
    [
      "Cancel gives up an Open under way",
      caller("call"),
      [
        ["sent", more("open")],
        ["sent", cancel],
        ["received", exit]
      ]
    ],
    [
      "an answer to an Open under way",
      caller("call"),
      [
        ["sent", more("open")],
        ["received", exit]
      ]
    ]
  ]

  it.each(lawful)("lawful: %s", (_, state, sequence) => {
    const states = reached(state, sequence)
    expect(states).toHaveLength(sequence.length + 1)
    expect(states.at(-1)!.exited).toBe(true)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Two ends
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Two ends of one dialog, each with a queue of its own, in which Cancel and Credit overtake, and a wire each way, which
 * keeps the order. An end says whatever `sent` lets through; `received` must never object.
 */
class Pair {
  caller: State
  callee: State | undefined
  /** The callee's end has said Exit, perhaps before Open was complete. */
  calleeGone = false
  callerIds = DialogState.ids("dialled")
  calleeIds = DialogState.ids("accepted")
  isArriving = false
  readonly id: number
  readonly kind: DialogState.Kind
  readonly window: Protocol.Window
  readonly queues = {
    caller: [] as Array<Protocol.DialogFrame>,
    callee: [] as Array<Protocol.DialogFrame>
  }
  readonly wires = {
    caller: [] as Array<Protocol.DialogFrame>,
    callee: [] as Array<Protocol.DialogFrame>
  }
  /** What was taken out and not yet given back. */
  readonly taken = { caller: { items: 0, bytes: 0 }, callee: { items: 0, bytes: 0 } }
  written = false

  constructor(kind: DialogState.Kind, window: Protocol.Window) {
    this.kind = kind
    this.window = window
    this.caller = DialogState.caller(kind, window)
    ;[this.id, this.callerIds] = DialogState.takeOwn(this.callerIds)
  }

  state(role: DialogState.Role): State | undefined {
    return role === "caller" ? this.caller : this.callee
  }

  set(role: DialogState.Role, state: State): void {
    if (role === "caller") this.caller = state
    else this.callee = state
  }

  say(role: DialogState.Role, frame: Protocol.DialogFrame): void {
    const state = this.state(role)
    if (state === undefined || state.exited) return
    if (frame._tag === "Open") frame = { ...frame, window: this.window }
    if (frame._tag === "Credit") {
      // An end gives back what it took out, and nothing else.
      const taken = this.taken[role]
      if (taken.items === 0) return
      frame = { ...frame, ...taken }
    }
    const outcome = DialogState.sent(state, frame)
    if (!isState(outcome)) return
    if (frame._tag === "Credit") this.taken[role] = { items: 0, bytes: 0 }
    this.set(role, outcome)
    const overtakes = frame._tag === "Credit" || frame._tag === "Cancel"
    if (!overtakes) this.queues[role].push(frame)
    // A caller that leaves before anything was written leaves no trace.
    else if (role === "caller" && !this.written) this.queues.caller.length = 0
    else this.queues[role].unshift(frame)
  }

  write(role: DialogState.Role): void {
    const frame = this.queues[role].shift()
    if (frame === undefined) return
    if (role === "caller") this.written = true
    this.wires[role].push(frame)
  }

  deliver(from: DialogState.Role): void {
    const frame = this.wires[from].shift()
    if (frame === undefined) return
    if (from === "callee") this.hear("caller", frame)
    else this.hearAtCallee(frame)
  }

  hear(role: DialogState.Role, frame: Protocol.DialogFrame): void {
    const before = this.state(role)!
    const outcome = DialogState.received(before, frame)
    if (!isState(outcome)) throw outcome
    this.set(role, outcome)
    const isItem = frame._tag === "Item" || (frame._tag === "More" && frame.lane === "item")
    if (isItem && outcome !== before) {
      this.taken[role].items += before.receiving === undefined ? 1 : 0
      this.taken[role].bytes += frame.payload.length
    }
  }

  hearAtCallee(frame: Protocol.DialogFrame): void {
    const isLive = this.isArriving || (this.callee !== undefined && !this.callee.exited)
    const place = DialogState.classify(this.calleeIds, frame, isLive)
    if (place._tag === "Violation") throw place
    if (place._tag === "Late") return
    if (place._tag === "Open") {
      expect(isLive).toBe(false)
      this.calleeIds = DialogState.opened(this.calleeIds, frame.id)
      this.isArriving = true
    }
    if (!this.isArriving) return this.hear("callee", frame)
    if (frame._tag === "Open") {
      this.isArriving = false
      this.callee = DialogState.callee(this.kind, frame.window)
    } else if (frame._tag === "Cancel") {
      this.refuse()
    }
  }

  /** The callee's end answers before Open is complete. */
  refuse(): void {
    if (!this.isArriving) return
    this.isArriving = false
    this.calleeGone = true
    this.queues.callee.push(exit)
  }

  flush(): void {
    for (const role of ["caller", "callee"] as const) {
      while (this.queues[role].length > 0) this.write(role)
      while (this.wires[role].length > 0) this.deliver(role)
    }
  }
}

const role = fc.constantFrom<DialogState.Role>("caller", "callee")

const small = fc.nat({ max: 8 })

/** What an end may want to say; mostly what keeps the dialog going. */
const speech: fc.Arbitrary<Protocol.DialogFrame> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(open, started, started, end) },
  { weight: 1, arbitrary: fc.constantFrom(cancel, exit) },
  { weight: 20, arbitrary: fc.constant(credit) },
  { weight: 20, arbitrary: small.map((n) => ({ ...item, payload: bytes(n) })) },
  {
    weight: 10,
    arbitrary: fc
      .tuple(fc.constantFrom<Protocol.Lane>("open", "started", "item", "item", "exit"), small)
      .map(([lane, n]) => ({ ...more(lane), payload: bytes(n + 1) }))
  }
)

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(role, speech).map(
      ([role, frame]) =>
        (pair: Pair): void =>
          pair.say(role, frame)
    )
  },
  {
    weight: 4,
    arbitrary: role.map(
      (role) =>
        (pair: Pair): void =>
          pair.write(role)
    )
  },
  {
    weight: 4,
    arbitrary: role.map(
      (role) =>
        (pair: Pair): void =>
          pair.deliver(role)
    )
  },
  { weight: 1, arbitrary: fc.constant((pair: Pair): void => pair.refuse()) }
)

describe("Two ends", () => {
  it("never break a rule in each other's eyes, whatever they say and however it is delayed", () => {
    const seen = { exits: 0, started: 0, cancelled: 0, items: 0 }
    fc.assert(
      fc.property(
        kind,
        window,
        fc.constantFrom(open, open, open, more("open")),
        fc.boolean(),
        fc.array(action, { maxLength: 120 }),
        (kind, window, first, isUnderWay, actions) => {
          const pair = new Pair(kind, window)
          pair.say("caller", first)
          if (isUnderWay) {
            pair.flush()
            pair.say("callee", started)
            pair.flush()
          }
          for (const act of actions) act(pair)
          pair.flush()
          pair.flush()

          // With everything delivered, each end knows what the other may still send.
          if (pair.callee !== undefined && !pair.callee.exited && !pair.caller.exited) {
            expect(pair.caller.credit).toEqual(pair.callee.granted)
            expect(pair.callee.credit).toEqual(pair.caller.granted)
            expect(pair.caller.sending).toBe(pair.callee.receiving)
            expect(pair.callee.sending).toBe(pair.caller.receiving)
          }
          // From here the dialog comes to its end at both ends.
          if (!pair.written) return
          pair.say("caller", cancel)
          pair.flush()
          pair.say("callee", exit)
          pair.flush()
          expect(pair.caller.exited).toBe(true)
          expect(pair.calleeGone || pair.callee?.exited).toBe(true)

          seen.exits++
          seen.started += Number(pair.caller.started)
          seen.cancelled += Number(pair.callee?.cancelled ?? 0)
          seen.items += Number(pair.taken.caller.items + pair.taken.callee.items > 0)
        }
      ),
      { numRuns: 2000 }
    )
    // The sequences do reach what they are to test.
    for (const [what, times] of Object.entries(seen))
      expect([what, times > 20]).toEqual([what, true])
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Ids
// ---------------------------------------------------------------------------------------------------------------------

describe("Ids", () => {
  const at = (frame: Protocol.DialogFrame, id: number): Protocol.DialogFrame => ({ ...frame, id })

  it("are odd for the end that dialled, even for the other, and strictly increase", () => {
    for (const [role, expected] of [
      ["dialled", [1, 3, 5]],
      ["accepted", [2, 4, 6]]
    ] as const) {
      let table = DialogState.ids(role)
      const taken = expected.map(() => {
        const [id, next] = DialogState.takeOwn(table)
        table = next
        return id
      })
      expect(taken).toEqual(expected)
    }
  })

  it("a frame opens, belongs to a live dialog, is late, or breaks a rule", () => {
    let table = DialogState.opened(DialogState.ids("accepted"), 5)
    ;[, table] = DialogState.takeOwn(table)
    const where = (frame: Protocol.DialogFrame, id: number, isLive = false) => {
      const place = DialogState.classify(table, at(frame, id), isLive)
      return place._tag === "Violation" ? place.rule : place._tag
    }
    expect(where(open, 7)).toBe("Open")
    expect(where(more("open"), 9)).toBe("Open")
    expect(where(open, 5, true)).toBe("Live")
    expect(where(item, 5, true)).toBe("Live")
    for (const late of [open, more("open"), item, end, credit, cancel])
      expect(where(late, 5)).toBe("Late")
    expect(where(cancel, 3)).toBe("Late")
    for (const frame of [item, end, credit, cancel, more("item"), exit]) {
      expect(where(frame, 7)).toBe("NeverOpened")
    }
    expect(where(exit, 2, true)).toBe("Live")
    expect(where(exit, 2)).toBe("Late")
    expect(where(exit, 4)).toBe("NeverOpened")
    expect(where(open, 2)).toBe("WrongParity")
    expect(where(open, 2, true)).toBe("WrongParity")
    expect(where(more("open"), 8)).toBe("WrongParity")
    expect(where(credit, 0)).toBe("Live")
    expect(where(open, 0)).toBe("UnexpectedFrame")
  })

  it("whatever arrives is placed, and nothing that ended comes to life again", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("dialled", "accepted"),
        fc.array(fc.tuple(dialogFrame(fc.nat({ max: 12 })), fc.boolean()), { maxLength: 60 }),
        (role, arriving) => {
          let table = DialogState.ids(role)
          const live = new Set<number>()
          const over = new Set<number>()
          for (const [frame, ends] of arriving) {
            const place = DialogState.classify(table, frame, live.has(frame.id))
            if (place._tag === "Violation") continue
            if (place._tag === "Open") {
              expect(frame.id).toBeGreaterThan(table.highestOpened)
              expect(frame.id % 2 === 1).toBe(role === "accepted")
              expect(over.has(frame.id)).toBe(false)
              table = DialogState.opened(table, frame.id)
              live.add(frame.id)
            }
            if (place._tag === "Late") expect(live.has(frame.id)).toBe(false)
            if (ends && live.delete(frame.id)) over.add(frame.id)
          }
        }
      )
    )
  })
})
