/**
 * What a message costs when there is more of everything: with 10 000 dialogs open beside it, and over 32 connections in
 * turn. Each figure is a ratio to the same with one, taken in turns in one process.
 */
import type { Child } from "../Peer.ts"
import { payload } from "../Payloads.mjs"
import { median, quantile } from "../Statistics.ts"
import { warmUp } from "../warmUp.ts"
import { brought, less } from "../Workload.ts"
import type { Workload } from "../Workload.ts"
import { crowd, latencies } from "./calls.ts"
import { roundTrips } from "./pingPong.ts"

/** µs for a message: a call alone, a call of 64 in flight, a round trip in a dialog. */
interface Costs {
  readonly call: number
  readonly crowd: number
  readonly trip: number
}

const costs = async (child: Child, millis: number): Promise<Costs> => {
  const call = quantile(await latencies(child, millis), 0.5)
  const crowded = 1e6 / (await crowd(child, { millis: millis / 4, calls: 1 }, millis)).perSecond
  const open = await brought(child.pingPong, "pingPong")()
  const trip =
    1e6 / (await roundTrips(open, child, { millis: millis / 4, trips: 1 }, millis)).perSecond
  await open.close()
  return { call, crowd: crowded, trip }
}

/** What calls cost that go round over all of them, one at a time. */
const inTurn = async (children: ReadonlyArray<Child>, millis: number) => {
  const end = performance.now() + millis
  const calls: Array<number> = []
  for (let n = 0; performance.now() < end; n++) {
    const [time] = await latencies(children[n % children.length]!, millis, 1)
    if (time !== undefined) calls.push(time)
  }
  return median(calls)
}

/** The same for round trips in a dialog with each of them, eight at a time. */
const tripsInTurn = async (children: ReadonlyArray<Child>, millis: number) => {
  const open = []
  for (const child of children) open.push(await brought(child.pingPong, "pingPong")())
  const end = performance.now() + millis
  const trips: Array<number> = []
  for (let n = 0; performance.now() < end; n++) {
    const start = performance.now()
    const next = await open[n % open.length]!.rally(0, 0)
    trips.push(((performance.now() - start) * 1000) / next)
  }
  for (const one of open) await one.close()
  return median(trips)
}

const ratioOf = (many: ReadonlyArray<number>, one: ReadonlyArray<number>) =>
  median(many) / median(one)

/** Cost as work grows. */
export const growth: Workload<"growth"> = {
  name: "growth",
  title: "cost of a message with 10 000 open dialogs, and over 32 connections, to that with one",
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
    const step = async (millis: number) => {
      await costs(first, millis)
      return 1
    }
    await warmUp(step, millis, turns)

    const alone: Array<Costs> = []
    const crowded: Array<Costs> = []
    const openDialogs = brought(first.openDialogs, "openDialogs")
    for (let n = 0; n < turns; n++) {
      alone.push(await costs(first, millis))
      const open = await openDialogs(many)
      crowded.push(await costs(first, millis))
      await open.close()
    }
    const dialogs = (key: keyof Costs) =>
      ratioOf(
        crowded.map((each) => each[key]),
        alone.map((each) => each[key])
      )

    const children = [first]
    while (children.length < links) {
      const child = await peer.spawn()
      await child.echo(payload)
      children.push(child)
    }
    await inTurn(children, millis)
    await tripsInTurn(children, millis)
    const one = { calls: [] as Array<number>, trips: [] as Array<number> }
    const all = { calls: [] as Array<number>, trips: [] as Array<number> }
    for (let n = 0; n < turns; n++) {
      one.calls.push(await inTurn([first], millis))
      all.calls.push(await inTurn(children, millis))
      one.trips.push(await tripsInTurn([first], millis))
      all.trips.push(await tripsInTurn(children, millis))
    }
    for (const child of children) await child.stop()
    return {
      dialogsCall: dialogs("call"),
      dialogsCrowd: dialogs("crowd"),
      dialogsTrip: dialogs("trip"),
      linksCall: ratioOf(all.calls, one.calls),
      linksTrip: ratioOf(all.trips, one.trips)
    }
  }
}
