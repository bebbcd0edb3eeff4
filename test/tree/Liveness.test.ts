/**
 * Who is taken for dead, and who is not: ends that cannot be reached, event loops that are busy, processes that were
 * stopped for a while.
 */
import { assert, describe, expect, it } from "@effect/vitest"
import * as TcpTransport from "@furrow/node/TcpTransport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { PortalError } from "furrow/PortalError"
import { socketFile } from "../contract/TransportWorld.ts"
import { patience } from "../contract/World.ts"
import { start } from "../node/Program.ts"
import type { Program } from "../node/Program.ts"
import { call } from "./Linked.ts"

const linking = "../../tree/fixtures/linking.ts"

/** A patience that shows in a test, in milliseconds. */
const interval = 150
const bound = 800

const tcp = TcpTransport.make({ heartbeat: { interval, bound } })

const listening = (own = bound, at = "tcp") =>
  Effect.gen(function* () {
    const program = yield* start(linking, ["listen", at, String(interval), String(own)])
    const [, json] = yield* program.until("stdout", /at (.*)\n/)
    const { port }: { readonly port?: number } = JSON.parse(json!)
    return { program, port: port ?? 0 }
  })

const dialling = (at: string, own = bound) =>
  Effect.gen(function* () {
    const program = yield* start(linking, ["dial", at, String(interval), String(own)])
    yield* program.until("stdout", /linked/)
    return program
  })

/** A relay in a process of its own: this one has other things to do than to forward heartbeats. */
const relaying = (target: number) =>
  Effect.gen(function* () {
    const relay = yield* start("../../tree/fixtures/relaying.ts", [String(target)])
    const [, port] = yield* relay.until("stdout", /at (\d+)/)
    return {
      port: Number(port),
      silence: (after: number) =>
        Effect.callback<void>((resume) => {
          relay.process.stdin.write(`${after}\n`, () => resume(Effect.void))
        })
    }
  })

/** Whether a program's link still answers. */
const answers = (program: Program, text: string) =>
  Effect.gen(function* () {
    program.process.stdin.write(`${text}\n`)
    yield* program.until("stdout", new RegExp(`answer ${text}\n`))
  })

/** None of a program's links has ended. */
const keeps = (program: Program): void => expect(program.printed()).not.toContain("ended")

const lost = {
  _tag: "Disconnected",
  detail: expect.stringContaining(`no sign of life for ${bound / 1000} s`)
}

/** A call that waits for ever fails because its link is lost, in time after this was done. */
const loses = <E, R>(port: number, fault: Effect.Effect<void, E, R>) =>
  Effect.gen(function* () {
    const { client } = yield* Effect.flatMap(tcp.dial({ port }), call)
    const waiting = yield* Effect.forkChild(Effect.flip(client.Wait()))
    expect(yield* client.Echo({ text: "here" })).toBe("here")
    yield* fault
    const begun = performance.now()
    const error = yield* Fiber.join(waiting)
    assert(error instanceof PortalError)
    expect(error.reason).toMatchObject(lost)
    expect(performance.now() - begun).toBeLessThan(patience(bound))
  })

const signal = (program: Program, name: NodeJS.Signals) =>
  Effect.sync(() => void program.process.kill(name))

describe("links over TCP", () => {
  it.live("F11 a link that falls silent is lost at both ends within their bounds", () =>
    Effect.gen(function* () {
      const { port, program } = yield* listening()
      const relay = yield* relaying(port)
      yield* loses(relay.port, relay.silence(0))
      const [, end] = yield* program.until("stdout", /ended (.*)\n/)
      expect(JSON.parse(end!)).toMatchObject({ _tag: "Lost", detail: lost.detail })
    })
  )

  it.live("F11 FLT-11 one that falls silent in the middle of a frame is lost as well", () =>
    Effect.gen(function* () {
      const { port } = yield* listening()
      const relay = yield* relaying(port)
      const { client } = yield* Effect.flatMap(tcp.dial({ port: relay.port }), call)
      expect(yield* client.Echo({ text: "here" })).toBe("here")
      yield* relay.silence(60_000)
      const error = yield* Effect.flip(client.Echo({ text: "x".repeat(100_000) }))
      assert(error instanceof PortalError)
      expect(error.reason).toMatchObject(lost)
    })
  )

  it.live("F11 a process that is stopped for longer than the bound is lost to the other end", () =>
    Effect.gen(function* () {
      const { port, program } = yield* listening(60_000)
      yield* loses(port, signal(program, "SIGSTOP"))
      yield* signal(program, "SIGCONT")
      // It finds its link closed, and takes others.
      yield* program.until("stdout", /ended/)
      const { client } = yield* Effect.flatMap(tcp.dial({ port }), call)
      expect(yield* client.Echo({ text: "again" })).toBe("again")
    })
  )

  it.live(
    "F12 an end whose event loop is busy for several bounds keeps its link, and answers",
    () =>
      Effect.gen(function* () {
        // The threads that answer get their turn among everything else that the machine has to do.
        const patient = 2 * bound
        const { port, program } = yield* listening(patient)
        const transport = TcpTransport.make({ heartbeat: { interval, bound: patient } })
        const { client } = yield* Effect.flatMap(transport.dial({ port }), call)
        const dialled = yield* dialling(String(port), patient)
        yield* Effect.all(
          [client.Compute({ millis: 2 * patient }), answers(dialled, String(2 * patient))],
          { concurrency: 2 }
        )
        expect(yield* client.Echo({ text: "here" })).toBe("here")
        keeps(program)
        keeps(dialled)
      })
  )

  it.live(
    "F23 one that was stopped, and goes on, takes nobody for dead who could not be heard",
    () =>
      Effect.gen(function* () {
        const { port, program } = yield* listening(60_000)
        const dialled = yield* dialling(String(port))
        yield* answers(dialled, "before")
        yield* signal(dialled, "SIGSTOP")
        yield* Effect.sleep(2 * bound)
        yield* signal(dialled, "SIGCONT")
        yield* answers(dialled, "after")
        // Longer than its bound: had it held the silence against anybody, it would show by now.
        yield* Effect.sleep(bound + interval)
        yield* answers(dialled, "later")
        keeps(program)
        keeps(dialled)
      })
  )

  it.live("F23 both ends are stopped and go on, as when their machine sleeps", () =>
    Effect.gen(function* () {
      const { port, program } = yield* listening()
      const dialled = yield* dialling(String(port))
      yield* signal(dialled, "SIGSTOP")
      yield* signal(program, "SIGSTOP")
      yield* Effect.sleep(2 * bound)
      yield* signal(program, "SIGCONT")
      yield* signal(dialled, "SIGCONT")
      yield* answers(dialled, "after")
      yield* Effect.sleep(bound + interval)
      yield* answers(dialled, "later")
      keeps(program)
      keeps(dialled)
    })
  )
})

it.live("F11 a link over a Unix socket that asks for it notices a process that is stopped", () =>
  Effect.gen(function* () {
    const { path } = yield* socketFile
    const { program } = yield* listening(60_000, path)
    const dialled = yield* dialling(path)
    yield* answers(dialled, "before")
    yield* signal(program, "SIGSTOP")
    const [, end] = yield* dialled.until("stdout", /ended (.*)\n/)
    expect(JSON.parse(end!)).toMatchObject({ _tag: "Lost", detail: lost.detail })
  })
)

it.live("F23 an actor, a root, and both, are stopped in the middle of traffic and go on", () =>
  Effect.gen(function* () {
    const root = yield* start("../../tree/fixtures/suspended.ts", [])
    const [, child] = yield* root.until("stdout", /child (\d+)/)
    const pids = [Number(child), root.process.pid!]
    let count = 0
    const further = Effect.gen(function* () {
      const seen = root.printed().match(/count \d+/g)?.length ?? 0
      yield* root.until("stdout", new RegExp(`(count \\d+\\s+){${seen + 2}}`))
      count = seen + 2
    })
    yield* further
    for (const stopped of [pids.slice(0, 1), pids.slice(1), pids]) {
      for (const pid of stopped) process.kill(pid, "SIGSTOP")
      yield* Effect.sleep("700 millis")
      for (const pid of stopped) process.kill(pid, "SIGCONT")
      yield* further
    }
    root.process.stdin.end()
    const { code, stdout } = yield* root.ended
    expect(code).toBe(0)
    const [, items] = /right (\d+) \d+/.exec(stdout) ?? []
    expect(Number(items)).toBeGreaterThan((count - 1) * 50)
  })
)
