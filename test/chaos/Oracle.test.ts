/** The judge of rounds finds what is wrong, and nothing where all is well: rounds that never ran, each with one flaw. */
import { expect, it } from "@effect/vitest"
import type { Fact, Note } from "./Journal.ts"
import { violations } from "./Oracle.ts"
import { Root } from "./Plan.ts"
import type { Block, Knot, Plan } from "./Plan.ts"
import type { Entry } from "./ProcessTable.ts"
import type { Seen } from "./Round.ts"
import type { Told } from "./Told.ts"

const block = (given: Partial<Block> = {}): Block => ({
  climbs: true,
  atOnce: false,
  tolerant: false,
  knots: [],
  acts: [],
  ...given
})

const knot = (name: string, given: Partial<Knot> = {}): Knot => ({
  name,
  grace: 500,
  terminateGrace: 500,
  block: block(),
  ...given
})

/** A root that owns `a`, which owns `b`; it asks `a`, and returns. */
const plan: Plan = {
  seed: 1,
  round: 1,
  root: block({
    climbs: false,
    knots: [knot("a", { block: block({ knots: [knot("b")] }) })],
    acts: [{ act: "call", after: 0, on: "a", operation: { do: "double", n: 4 } }],
    end: { how: "returns", after: 500 }
  }),
  blows: [],
  spares: 0
}

const at = (time: number, who: string, fact: Fact): Note => ({ at: time, who, pid: 1, ...fact })

const started = [
  at(0, Root, { note: "born" }),
  at(1, "a", { note: "born" }),
  at(2, "b", { note: "born" }),
  at(4, Root, { note: "ready" })
]
const asked = at(10, Root, { note: "begun", act: 0 })
const answered = (value: number) => at(11, Root, { note: "done", act: 0, value, told: [] })
const ending = at(500, Root, { note: "ending", how: "returns" })
const ended = [at(501, "b", { note: "exits", code: 0 }), at(502, "a", { note: "exits", code: 0 })]
const over = (...told: ReadonlyArray<Told>) => at(600, Root, { note: "over", told, left: [] })
const harm = (who: string) => at(100, who, { note: "harm", harm: "exits" })
const crash = (actor: string, ...nested: ReadonlyArray<Told>): Told => ({
  told: "crashed",
  actor,
  exit: { code: 7 },
  words: "its process exited with code 7",
  nested
})

const seen = (notes: ReadonlyArray<Note>, given: Partial<Seen> = {}): Seen => ({
  notes,
  exit: {
    code: notes.some((note) => note.note === "over" && note.told.length > 0) ? 1 : 0,
    signal: null
  },
  endedAt: 700,
  atEnd: [],
  left: [],
  goneAfter: 0,
  last: [],
  sockets: [],
  processes: 3,
  load: 1,
  stderr: "",
  ...given
})

const well = [...started, asked, answered(8), ending, ...ended, over()]

const judge = (notes: ReadonlyArray<Note>, given?: Partial<Seen>) =>
  violations(plan, seen(notes, given)).join("\n")

const actor: Entry = {
  pid: 77,
  parent: 1,
  group: 77,
  session: 77,
  state: "S",
  started: 1,
  command: "furrow:root/a"
}

it("a round in which all went as planned holds", () => {
  expect(judge(well)).toBe("")
})

it("a process that is left is a violation, at once after an end in order, else when the time is over", () => {
  expect(judge(well, { atEnd: [actor] })).toContain("ended in order, and left processes:\npid 77")
  expect(judge(well, { left: [actor] })).toContain("lived 2000 ms after the root was gone:\npid 77")
  const blow = at(300, "observer", { note: "blow", on: Root, signal: "SIGKILL" })
  const killed = [...started, asked, answered(8), blow]
  const exit = { code: null, signal: "SIGKILL" }
  expect(judge(killed, { exit, atEnd: [actor] })).toBe("")
  expect(judge(killed, { exit, left: [actor] })).toContain("pid 77")
})

it("a process that outlives its block, or its stop, is a violation", () => {
  const late = at(600, Root, { note: "over", told: [], left: ["77 S furrow:root/a"] })
  expect(judge([...well.slice(0, -1), late])).toContain("The block of root was over before 77")
  const stopped = at(300, Root, { note: "stopped", knot: "a", left: ["77 S furrow:root/a"] })
  expect(judge([...well, stopped])).toContain("The stop of a returned before 77")
})

it("a socket that is left, and a warning of Node in the root, are violations", () => {
  expect(judge(well, { sockets: ["/run/x"] })).toContain("/run/x")
  expect(judge(well, { stderr: "(node:9) MaxListenersExceededWarning: 11" })).toContain("warned")
})

it("a root that does not end, or with another code than its block, is a violation", () => {
  expect(judge(well, { exit: undefined })).toContain("had not ended")
  expect(judge(well, { exit: { code: 1, signal: null } })).toContain("with code 1")
  const blow = { note: "blow", on: Root, signal: "SIGTERM" } as const
  const cancelled = [
    ...started,
    asked,
    answered(8),
    at(300, "observer", blow),
    ...ended,
    over({ told: "interrupted" })
  ]
  expect(judge(cancelled, { exit: { code: 143, signal: null } })).toBe("")
  expect(judge(cancelled, { exit: { code: 0, signal: null } })).toContain("SIGTERM")
  // The signal came when the block was ending by itself, or had ended.
  const crashed = [...started, harm("a"), at(300, "observer", blow), over(crash("a"))]
  expect(judge(crashed, { exit: { code: 1, signal: null } })).toBe("")
  expect(judge([...well, at(650, "observer", blow)], { exit: { code: 0, signal: null } })).toBe("")
  const both = [...started, harm("a"), at(300, "observer", blow)]
  const told = over({ told: "interrupted" }, crash("a"))
  expect(judge([...both, told], { exit: { code: 1, signal: null } })).toContain("SIGTERM")
})

it("an act that never ended is a violation", () => {
  expect(judge([...started, asked, ending, ...ended, over()])).toContain("still under way")
})

it("a wrong answer is a violation, and so is none where nothing had happened", () => {
  expect(judge([...started, asked, answered(9), ending, ...ended, over()])).toContain("gave 9")
  const lost: Told = { told: "portal", actor: "a", reason: "Disconnected", words: "" }
  const failed = (time: number) => at(time, Root, { note: "done", act: 0, told: [lost] })
  expect(judge([...started, asked, failed(11), ending, ...ended, over()])).toContain(
    "nothing had happened"
  )
  const crashed = [...started, asked, harm("a"), failed(101), over(crash("a"))]
  expect(judge(crashed)).toBe("")
  // What it says next fills the frame, and its parent ends with it.
  const half = at(100, "b", { note: "harm", harm: "stops in half a frame" })
  expect(judge([...started, asked, half, failed(101), over(crash("a", crash("b")))])).toBe("")
})

it("an answer that comes long after its callee's death is a violation", () => {
  const lost: Told = { told: "portal", actor: "a", reason: "Disconnected", words: "" }
  const late = [
    ...started,
    asked,
    harm("a"),
    at(4000, Root, { note: "done", act: 0, told: [lost] }),
    at(4001, Root, { note: "over", told: [crash("a")], left: [] })
  ]
  expect(judge(late)).toContain("3900 ms after its callee")
})

it("a crash that is not told, by everybody on its way, is a violation", () => {
  const rest = [...started, asked, answered(8)]
  expect(judge([...rest, harm("a"), over(crash("a"))])).toBe("")
  expect(judge([...rest, harm("b"), over(crash("a", crash("b")))])).toBe("")
  expect(judge([...rest, harm("b"), over(crash("a"))])).toContain("b (exits) did not climb")
  expect(judge([...rest, harm("a"), over()])).toContain("a (exits) did not climb")
})

it("a crash that is told of another end than it had is a violation", () => {
  const told: Told = { told: "crashed", actor: "a", exit: { code: 1 }, words: "", nested: [] }
  expect(judge([...started, harm("a"), over(told)])).toContain("ended with 1 by report")
})

it("a crash, or an error, that nobody made is a violation", () => {
  expect(judge([...well.slice(0, -1), over(crash("a"))])).toContain("of its own making")
  const bug: Told = { told: "error", name: "TypeError", message: "x is not a function" }
  expect(judge([...well.slice(0, -1), over(bug)])).toContain("an error that nobody made")
})

it("who is told of a child that did not start has met a signal as it was forked, or it is a violation", () => {
  const notes = (stage: string, exit: { readonly code?: number; readonly signal?: string }) => [
    ...well.slice(0, -1),
    at(520, Root, { note: "stage", knot: "a", stage }),
    at(530, "a", {
      note: "done",
      act: 0,
      told: [
        { told: "interrupted" },
        { told: "not started", actor: "b", reason: "StartFailed", exit, nested: [] }
      ]
    }),
    well.at(-1)!
  ]
  expect(judge(notes("terminated", { signal: "SIGTERM" }))).toBe("")
  expect(judge(notes("terminated", { code: 1 }))).toContain("of its own making")
  expect(judge(notes("asked", { signal: "SIGTERM" }))).toContain("of its own making")
})

it("what a last finalizer died of is told, unless its actor was not let to say it", () => {
  const throws = at(500.5, "b", { note: "last", last: "throws" })
  const notes = [...started, asked, answered(8), ending, throws, ...ended]
  const words: Told = { told: "error", name: "Error", message: "last words of b" }
  expect(judge([...notes, over(crash("a", crash("b", words)))])).toBe("")
  expect(judge([...notes, over()])).toContain("What the last finalizer of b died of")
  const killed = at(550, "a", { note: "stage", knot: "b", stage: "killed" })
  expect(judge([...notes, killed, over()])).toBe("")
})

it("what a callee fails with while its caller is interrupted fails its caller's fork, and climbs", () => {
  const asking: Plan = {
    ...plan,
    root: block({
      climbs: false,
      knots: [
        knot("a", {
          block: block({
            acts: [{ act: "call", after: 0, on: "parent", operation: { do: "die", n: 3 } }]
          })
        })
      ],
      end: { how: "returns", after: 500 }
    })
  }
  const bug: Told = { told: "error", name: "Error", message: "bug 3" }
  const notes = (...told: ReadonlyArray<Told>) => [
    at(0, Root, { note: "ready" }),
    at(499, "a", { note: "begun", act: 0 }),
    ending,
    at(510, "a", { note: "done", act: 0, told }),
    at(520, "a", { note: "exits", code: 1 }),
    over(crash("a", { told: "fork failed", nested: [bug] }))
  ]
  expect(violations(asking, seen(notes({ told: "interrupted" }, bug)))).toEqual([])
  expect(violations(asking, seen(notes(bug))).join("\n")).toContain("of its own making")
})
