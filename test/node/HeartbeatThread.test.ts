/**
 * The program of the heartbeats' thread, run in this one: what it does when it could not run for a while, and what a
 * stranger can do to it.
 */
import { assert, expect, it } from "@effect/vitest"
import { run } from "../../packages/node/src/internal/HeartbeatThread.ts"
import type { Order, Report } from "../../packages/node/src/internal/HeartbeatThread.ts"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Framing, Link } from "furrow/protocol"
import * as Net from "node:net"
import { MessageChannel } from "node:worker_threads"

interface Beating {
  readonly order: (order: Order) => void
  /** What it has told, so far. */
  readonly told: ReadonlyArray<Report>
  /** The links that it has said to be lost. */
  readonly lost: () => ReadonlyArray<Report>
}

/** Waits until something holds, an event loop's turn at a time; the test's own timeout is the bound. */
const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    holds() ? Effect.void : Effect.andThen(Effect.sleep("1 millis"), until(holds))
  )

const beating: Effect.Effect<Beating, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const { port1, port2 } = new MessageChannel()
    const told: Array<Report> = []
    port1.on("message", (report: Report) => told.push(report))
    run(port2, Net)
    return {
      told,
      lost: () => told.filter((report) => report.told === "lost"),
      order: (order: Order) => port1.postMessage(order),
      close: () => port1.close()
    }
  }),
  ({ close, order }) =>
    Effect.sync(() => {
      order({ do: "unlisten", listener: 1 })
      for (const link of [1, 2]) order({ do: "drop", link })
      close()
    })
)

const listening = ({ order, told }: Beating): Effect.Effect<number> =>
  Effect.gen(function* () {
    order({ do: "listen", listener: 1, place: { host: "127.0.0.1", port: 0 } })
    yield* until(() => told.length > 0)
    const [first] = told
    assert(first?.told === "listening" && first.port !== undefined)
    return first.port
  })

interface Peer {
  readonly net: Net.Socket
  /** The frames that have come, by their tags. */
  readonly heard: Array<string>
}

const frame = (_tag: string): Uint8Array =>
  Framing.join([new TextEncoder().encode(`${JSON.stringify({ _tag })}\n`)])

const listen = (net: Net.Socket): Peer => {
  const heard: Array<string> = []
  const deframer = new Framing.Deframer()
  net
    .on("error", () => {})
    .on("data", (bytes) => {
      for (const body of deframer.push(bytes))
        heard.push(JSON.parse(Buffer.from(body).toString())._tag)
    })
  return { net, heard }
}

/** Somebody who dials a port, and says this first. */
const say = (port: number, first: Uint8Array): Effect.Effect<Peer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const net = Net.connect({ host: "127.0.0.1", port })
      net.write(first)
      return listen(net)
    }),
    ({ net }) => Effect.sync(() => net.destroy())
  )

/** The other end of the link with this key. */
const dial = (port: number, key: string) => say(port, Link.encode({ _tag: "Heartbeat", key }))

const guard = {
  do: "guard",
  link: 1,
  key: "key",
  interval: 20,
  first: 60_000,
  dial: undefined
} as const

it.live("a ping is answered at once, and whoever asks is heard", () =>
  Effect.gen(function* () {
    const thread = yield* beating
    const port = yield* listening(thread)
    thread.order({ ...guard, interval: 60_000, bound: 120_000 })
    const peer = yield* dial(port, "key")
    peer.net.write(frame("Ping"))
    peer.net.write(frame("Ping"))
    yield* until(() => peer.heard.filter((frame) => frame === "Pong").length === 2)
    expect(peer.heard.filter((frame) => frame === "Pong")).toEqual(["Pong", "Pong"])
    expect(thread.told.slice(1)).toStrictEqual([{ told: "heard", link: 1 }])
  })
)

it.live("silence for as long as the bound is told once, and ends the connection", () =>
  Effect.gen(function* () {
    const thread = yield* beating
    const port = yield* listening(thread)
    thread.order({ ...guard, bound: 100 })
    const peer = yield* dial(port, "key")
    yield* until(() => peer.net.closed)
    yield* until(() => thread.lost().length === 1)
    expect(thread.lost()[0]).toStrictEqual({ told: "lost", link: 1, silent: 100 })
    assert(peer.heard.includes("Ping"))
  })
)

it.live("the first sign of life has its own time", () =>
  Effect.gen(function* () {
    const thread = yield* beating
    const port = yield* listening(thread)
    const begun = performance.now()
    thread.order({ ...guard, bound: 50, first: 300 })
    yield* until(() => thread.lost().length === 1)
    expect(thread.lost()[0]).toStrictEqual({ told: "lost", link: 1, silent: 300 })
    expect(performance.now() - begun).toBeGreaterThan(290)

    thread.order({ ...guard, bound: 50, first: 60_000 })
    yield* dial(port, "key")
    yield* until(() => thread.lost().length === 2)
    expect(thread.lost()[1]).toStrictEqual({ told: "lost", link: 1, silent: 50 })
  })
)

it.live("F23 after a pause of many bounds it looks once, and waits in full again", () =>
  Effect.gen(function* () {
    const thread = yield* beating
    const port = yield* listening(thread)
    thread.order({ ...guard, bound: 400 })
    const peer = yield* dial(port, "key")
    yield* until(() => peer.heard.length > 0)
    const before = peer.heard.length
    // Nobody runs: neither what looks nor what would answer.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
    yield* until(() => peer.heard.length > before)
    // A hundred looks were missed.
    expect(peer.heard.length - before).toBeLessThan(20)
    expect(thread.lost()).toEqual([])
    peer.net.write(frame("Pong"))
    yield* until(() => thread.lost().length === 1)
    expect(thread.lost()[0]).toStrictEqual({ told: "lost", link: 1, silent: 400 })
  })
)

it.live("a second connection that breaks is opened again, with the same key", () =>
  Effect.gen(function* () {
    const thread = yield* beating
    const port = yield* listening(thread)
    thread.order({ ...guard, bound: 60_000 })
    const first = yield* dial(port, "key")
    yield* until(() => first.heard.length > 0)
    // Whoever comes second with the key is the one.
    const second = yield* dial(port, "key")
    yield* until(() => first.net.closed && second.heard.length > 0)

    const came: Array<Peer> = []
    const server = yield* Effect.acquireRelease(
      Effect.callback<Net.Server>((resume) => {
        const server = Net.createServer((net) => void came.push(listen(net)))
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const { net } of came) net.destroy()
        })
    )
    const address = server.address() as Net.AddressInfo
    const place = { host: "127.0.0.1", port: address.port }
    thread.order({ ...guard, link: 2, key: "other", bound: 60_000, dial: place })
    yield* until(() => came[0] !== undefined && came[0].heard.includes("Ping"))
    came[0]!.net.destroy()
    yield* until(() => came[1] !== undefined && came[1].heard.includes("Ping"))
    expect(came.map(({ heard }) => heard[0])).toEqual(["Heartbeat", "Heartbeat"])
  })
)

it.live(
  "strangers are let go: another key, something else, a frame that is too long, no JSON",
  () =>
    Effect.gen(function* () {
      const thread = yield* beating
      const port = yield* listening(thread)
      thread.order({ ...guard, bound: 60_000 })
      const own = yield* dial(port, "key")
      yield* until(() => own.heard.length > 0)
      for (const bytes of [
        Link.encode({ _tag: "Heartbeat", key: "another" }),
        frame("Ping"),
        Buffer.from([0xff, 0xff, 0xff, 0xff]),
        Framing.join([Buffer.from("{")]),
        Framing.join([Buffer.from("null")])
      ]) {
        const stranger = yield* dial(port, "x".repeat(10))
        stranger.net.write(bytes)
        yield* until(() => stranger.net.closed)
      }
      own.heard.length = 0
      own.net.write(frame("Ping"))
      yield* until(() => own.heard.includes("Pong"))
      own.net.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
      yield* until(() => own.net.closed)
    })
)
