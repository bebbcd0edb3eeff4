/**
 * What Furrow is allowed to cost: each bound is on a ratio to a peer in the same run, or on the figure itself. Data, and
 * the verdict on it; nothing fails because of one.
 */
import type { Line } from "./Summary.ts"
import { valueOf } from "./Summary.ts"
import { workloads } from "./Workloads.ts"
import type { WorkloadName } from "./Workloads.ts"

/** A bound on one figure. A figure of which less is better must not be above it, any other not below. */
interface Budget {
  readonly what: string
  readonly workload: WorkloadName
  readonly figure: string
  readonly pinned?: true
  /** Whose figure it is. Defaults to `furrow`. */
  readonly of?: string
  /** The peer whose figure it is divided by; without one the bound is on the figure itself. */
  readonly to?: string
  /** What is required. */
  readonly must?: number
  /** What we are out for. */
  readonly goal?: number
}

const growing = (figure: string, what: string): Budget => ({
  what,
  workload: "growth",
  figure,
  pinned: true,
  must: 1.1
})

/** All of them. */
const budgets: ReadonlyArray<Budget> = [
  {
    what: "cold spawn to first answer",
    workload: "W1",
    figure: "spawn",
    to: "fork",
    must: 1.8,
    goal: 1.4
  },
  {
    what: "the same from a spare",
    workload: "W1",
    figure: "spawn",
    of: "furrow-spare",
    to: "fork",
    must: 0.35,
    goal: 0.2
  },
  { what: "stop to reaped", workload: "W1", figure: "stop", to: "fork", must: 3, goal: 2 },
  {
    what: "one in flight, pinned",
    workload: "W2",
    figure: "p50",
    pinned: true,
    to: "raw",
    must: 2,
    goal: 1.6
  },
  { what: "one in flight", workload: "W2", figure: "p50", to: "fork", must: 1.5, goal: 1.2 },
  { what: "one in flight", workload: "W2", figure: "p50", to: "stock", must: 1 },
  {
    what: "64 in flight, pinned",
    workload: "W2",
    figure: "calls",
    pinned: true,
    to: "stock",
    must: 2.5
  },
  {
    what: "64 in flight, pinned",
    workload: "W2",
    figure: "calls",
    pinned: true,
    to: "fork",
    must: 0.8,
    goal: 1.2
  },
  { what: "64 in flight", workload: "W2", figure: "calls", to: "stock", must: 2 },
  { what: "64 in flight", workload: "W2", figure: "calls", to: "fork", must: 0.6, goal: 1 },
  { what: "items", workload: "W3", figure: "items", to: "stock", must: 1 },
  { what: "items", workload: "W3", figure: "items", to: "fork", must: 3 },
  { what: "items", workload: "W3", figure: "items", to: "raw", goal: 0.7 },
  { what: "chunks of 64 KiB", workload: "W3", figure: "mb64k", to: "raw", must: 0.5, goal: 0.8 },
  { what: "chunks of 1 MiB", workload: "W3", figure: "mb1m", to: "raw", must: 0.5, goal: 0.8 },
  {
    what: "round trips, pinned",
    workload: "W4",
    figure: "trips",
    pinned: true,
    to: "raw",
    must: 0.6,
    goal: 0.8
  },
  { what: "32 processes up", workload: "W5", figure: "up32", to: "fork", must: 1.9, goal: 1.5 },
  { what: "32 processes gone", workload: "W5", figure: "gone32", to: "fork", must: 3, goal: 2 },
  { what: "PSS of an idle actor", workload: "W6", figure: "pss", to: "fork", must: 2.2, goal: 1.6 },
  {
    what: "speed-up over two workers",
    workload: "W7",
    figure: "speedUp",
    to: "piscina",
    must: 0.97
  },
  {
    what: "p99 of small calls, value to the parent",
    workload: "W8",
    figure: "downP99",
    must: 5,
    goal: 2
  },
  {
    what: "p99 of small calls, value to the child",
    workload: "W8",
    figure: "upP99",
    must: 5,
    goal: 2
  },
  { what: "a dialog at its caller", workload: "W9", figure: "caller", must: 4, goal: 2 },
  { what: "a dialog at its callee", workload: "W9", figure: "callee", must: 4, goal: 2 },
  // None at all; what is allowed is the unrest of a heap.
  { what: "left of one at its caller", workload: "W9", figure: "callerLeft", must: 0.05 },
  { what: "left of one at its callee", workload: "W9", figure: "calleeLeft", must: 0.05 },
  growing("dialogsCall", "a call beside 10 000 dialogs"),
  growing("dialogsCrowd", "64 in flight beside 10 000 dialogs"),
  growing("dialogsTrip", "a round trip beside 10 000 dialogs"),
  growing("linksCall", "a call over 32 connections"),
  growing("linksTrip", "a round trip over 32 connections"),
  // Of what it costs a bare socket to speak with that many processes.
  { ...growing("linksCall", "a call over 32 connections"), to: "raw" },
  { ...growing("linksTrip", "a round trip over 32 connections"), to: "raw" }
]

/** What has come of a budget. */
export interface Verdict {
  readonly budget: Budget
  /** Which way is better. */
  readonly better: "less" | "more"
  readonly unit: string
  readonly measured: number
  readonly noisy: boolean
  readonly verdict: "goal met" | "met" | "NOT MET" | "goal missed"
}

const judge = (lines: ReadonlyArray<Line>, budget: Budget): ReadonlyArray<Verdict> => {
  const { figure, goal, must, of = "furrow", pinned = false, to, workload } = budget
  const own = valueOf(lines, { workload, pinned, peer: of, figure })
  const other =
    to === undefined ? undefined : valueOf(lines, { workload, pinned, peer: to, figure })
  const kind = workloads.find(({ name }) => name === workload)?.figures[figure]
  if (own === undefined || kind === undefined || (to !== undefined && other === undefined))
    return []
  const measured = own.median / (other?.median ?? 1)
  const within = (bound: number | undefined): boolean =>
    bound !== undefined && (kind.better === "less" ? measured <= bound : measured >= bound)
  return [
    {
      budget,
      better: kind.better,
      unit: to === undefined ? kind.unit : `x ${to}`,
      measured,
      noisy: own.noisy || other?.noisy === true,
      verdict: within(goal)
        ? "goal met"
        : must === undefined
          ? "goal missed"
          : within(must)
            ? "met"
            : "NOT MET"
    }
  ]
}

/** The verdicts on all budgets whose figures have been measured. */
export const verdicts = (lines: ReadonlyArray<Line>): ReadonlyArray<Verdict> =>
  budgets.flatMap((budget) => judge(lines, budget))
