/**
 * What a message costs when there is more of everything: with 10 000 dialogs open beside it, and over 32 connections in
 * turn. Each figure is a ratio of processor time, at all ends, to the same with one; the two take turns in one process.
 *
 * Each connection is to a process of its own, which finds the processor's caches cold when its turn comes. That costs a
 * bare socket most of what it costs, too, which is why other peers are measured as well.
 */
import type { Child, PingPong } from "../Peer.ts"
import { payload } from "../Payloads.mjs"
import { processorTime } from "../ProcessTable.ts"
import { median } from "../Statistics.ts"
import { warmUp } from "../warmUp.ts"
import { brought, less } from "../Workload.ts"
import type { Workload } from "../Workload.ts"
import { crowd, latencies } from "./calls.ts"
import { roundTrips } from "./pingPong.ts"

/** µs for a message: a call alone, a call of 64 in flight, a round trip in a dialog. */
interface Costs {
  readonly call: number
  readonly crowded: number
  readonly trip: number
}

const costs = async (child: Child, millis: number): Promise<Costs> => {
  const used = processorTime(child.pid)
  const { length } = await latencies(child, millis)
  const call = used() / length
  const crowded = await crowd(child, { millis: millis / 4, calls: 1 }, millis)
  const open = await brought(child.pingPong, "pingPong")()
  const trips = await roundTrips(open, child, { millis: millis / 4, trips: 1 }, millis)
  await open.close()
  return { call, crowded: crowded.cpu, trip: trips.cpu }
}

/** What a message costs that goes to each of them in turn, one at a time. */
const inTurn = async (
  children: ReadonlyArray<Child>,
  send: (at: number) => Promise<unknown>,
  millis: number
): Promise<number> => {
  const used = processorTime(...children.map(({ pid }) => pid))
  const end = performance.now() + millis
  let sent = 0
  // Each as often as any other.
  while (sent % children.length > 0 || performance.now() < end) {
    await send(sent % children.length)
    sent++
  }
  return used() / sent
}

const overLinks = async (children: ReadonlyArray<Child>, millis: number) => {
  const call = await inTurn(children, (at) => latencies(children[at]!, millis, 1), millis)
  const open: Array<PingPong> = []
  for (const child of children) open.push(await brought(child.pingPong, "pingPong")())
  const trip = await inTurn(children, (at) => open[at]!.rally(0, 0), millis)
  for (const one of open) await one.close()
  return { call, trip }
}

/** How many times more it costs in the second of each two, in the middle of all. */
const ratio = <Key extends string>(
  pairs: ReadonlyArray<readonly [Record<Key, number>, Record<Key, number>]>,
  key: Key
): number => median(pairs.map(([, many]) => many[key])) / median(pairs.map(([one]) => one[key]))

/**
 * Collectors are busy for a while with what opening or closing so many has left: that is the cost of opening them (W9), and
 * not of the messages that happen to come next. So it is waited for, among messages that do not count.
 */
const settled = (child: Child, millis: number) => latencies(child, 3 * millis, Infinity)

const besideDialogs = async (child: Child, many: number, millis: number, turns: number) => {
  const openDialogs = brought(child.openDialogs, "openDialogs")
  const step = async (millis: number) => {
    await costs(child, millis)
    return 1
  }
  await warmUp(step, millis, turns)
  const pairs: Array<[Costs, Costs]> = []
  for (let n = 0; n < turns; n++) {
    const alone = await costs(child, millis)
    const open = await openDialogs(many)
    await settled(child, millis)
    pairs.push([alone, await costs(child, millis)])
    await open.close()
    await settled(child, millis)
  }
  return {
    dialogsCall: ratio(pairs, "call"),
    dialogsCrowd: ratio(pairs, "crowded"),
    dialogsTrip: ratio(pairs, "trip")
  }
}

/** Cost as work grows. */
export const growth: Workload<"growth"> = {
  name: "growth",
  title:
    "processor time of a message with 10 000 open dialogs, and over 32 connections, to that with one",
  figures: {
    dialogsCall: less("x"),
    dialogsCrowd: less("x"),
    dialogsTrip: less("x"),
    linksCall: less("x"),
    linksTrip: less("x")
  },
  pinned: true,
  run: async (peer, quick) => {
    const [many, links, millis, turns] = quick ? [100, 3, 50, 1] : [10_000, 32, 400, 4]
    const first = await peer.spawn()
    await first.echo(payload)
    const dialogs =
      first.openDialogs === undefined ? {} : await besideDialogs(first, many, millis, turns)

    const children = [first]
    while (children.length < links) {
      const child = await peer.spawn()
      await child.echo(payload)
      children.push(child)
    }
    const warmUpLinks = async (millis: number) => {
      await overLinks(children, millis * children.length)
      return 1
    }
    await warmUp(warmUpLinks, millis, 1)
    const connections = []
    for (let n = 0; n < turns; n++) {
      connections.push([
        await overLinks([first], millis),
        await overLinks(children, millis)
      ] as const)
    }
    for (const child of children) await child.stop()
    return {
      ...dialogs,
      linksCall: ratio(connections, "call"),
      linksTrip: ratio(connections, "trip")
    }
  }
}
