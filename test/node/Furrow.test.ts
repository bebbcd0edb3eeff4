/**
 * Trees of programs without Effect: the same guarantees, as promises, async iterables and `await using`.
 */
import * as Furrow from "@furrow/node/Furrow"
import * as NodeWorkerSpawner from "@furrow/node/NodeWorkerSpawner"
import { PortalError } from "furrow/PortalError"
import { ActorCrashed, SpawnError } from "furrow/TreeError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Counter } from "../contract/fixtures/Counter.ts"
import { Inn, Unkind } from "../contract/fixtures/Guests.ts"
import { Above, Player, Refused } from "../contract/fixtures/Player.ts"
import { Assertion, Worker } from "../contract/fixtures/Worker.ts"
import { processes } from "../contract/World.ts"
import { isAlive } from "./Pids.ts"

const { main } = processes

/** What nobody has caught; there is to be none. */
const uncaught: Array<unknown> = []
const onRejection = (error: unknown) => void uncaught.push(error)
beforeAll(() => void process.on("unhandledRejection", onRejection))
afterAll(() => {
  process.off("unhandledRejection", onRejection)
  expect(uncaught).toEqual([])
})

/** A file that actors write to. */
const notes = () => {
  const folder = mkdtempSync(join(tmpdir(), "furrow-plain-"))
  const file = join(folder, "seen")
  const lines = () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [])
  return {
    file,
    lines,
    /** Waits until this has been written; the test's own timeout is the bound. */
    until: async (line: string) => {
      while (!lines().includes(line)) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true })
  }
}

/** What a promise rejects with. */
const rejection = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    (value) => Promise.reject(new Error(`it resolved with ${String(value)}`)),
    (error: unknown) => error
  )

describe("a tree without Effect", () => {
  it("has calls, streams and dialogs, and nobody is left when it is closed", async () => {
    const pids: Array<number | undefined> = []
    {
      await using tree = await Furrow.open()
      const counter = await tree.spawn(Counter, { ...main, arguments: { from: 40 } })
      const inn = await tree.spawn(Inn, { ...main })
      pids.push(counter.pid, inn.pid)
      expect(await counter.client.Increment({ by: 2 })).toBe(42)

      const counted: Array<number> = []
      for await (const n of inn.client.Count({ fanOut: false })) counted.push(n)
      expect(counted).toEqual([...Array.from({ length: 100 }).keys()])

      await using talk = await inn.client.Echo({ how: "well" })
      const back: Array<number> = []
      await Promise.all([
        (async () => {
          for (let n = 0; n < 200; n++) await talk.send(n)
          await talk.end()
        })(),
        (async () => {
          // Leaving the loop is no end of the messages.
          for await (const n of talk.messages) {
            back.push(n)
            if (n === 99) break
          }
          for await (const n of talk.messages) back.push(n)
        })()
      ])
      expect(await talk.result()).toBe(200)
      expect(back).toEqual([...Array.from({ length: 200 }).keys()])

      await using sit = await inn.client.Sit({ manner: "returns", when: "after" })
      expect(sit.started).toBe("welcome")
      expect(await sit.result()).toBe(7)
      expect(pids.every((pid) => pid !== undefined && isAlive(pid))).toBe(true)
    }
    expect(pids.filter((pid) => pid !== undefined && isAlive(pid))).toEqual([])
  })

  it("E1 E2 throws the errors of operations, of spawning and of the machinery as their classes", async () => {
    await using tree = await Furrow.open()
    const inn = await tree.spawn(Inn, { ...main })
    const unkind = await rejection(inn.client.Visit({ manner: "throws" }))
    expect(unkind).toBeInstanceOf(Unkind)
    expect(unkind).toMatchObject({ why: "a guest" })
    expect(await rejection(inn.client.Visit({ manner: "breaks" }))).toMatchObject({
      name: "TypeError",
      code: 3
    })
    const start = await rejection(tree.spawn(Worker, { ...main, arguments: { build: "fail" } }))
    expect(start).toBeInstanceOf(SpawnError)
    await inn.stop()
    expect(await inn.exit()).toMatchObject({ _tag: "Stopped", stage: "asked" })
    const lost = await rejection(inn.client.Visit({ manner: "returns" }))
    expect(lost).toBeInstanceOf(PortalError)
  })

  it("D4 throws several errors as an AggregateError, none is dropped", async () => {
    await using tree = await Furrow.open()
    const player = await tree.spawn(Player, { ...main })
    const both = await rejection(
      player.client.Run([
        { do: "acquire", release: [{ do: "die", why: "release" }] },
        { do: "fail", why: "no" }
      ])
    )
    expect(both).toBeInstanceOf(AggregateError)
    const [first, second, ...others] = (both as AggregateError).errors as ReadonlyArray<unknown>
    expect(first).toBeInstanceOf(Refused)
    expect(second).toMatchObject({ message: "release" })
    expect(others).toEqual([])
  })

  it("D1 an AbortSignal is a cancel that is joined, and its reason is what is thrown", async () => {
    using seen = notes()
    const { file, lines, until } = seen
    await using tree = await Furrow.open()
    const { client } = await tree.spawn(Inn, { ...main })
    const own = new Error("enough")

    const call = new AbortController()
    const visit = client.Visit({ manner: "sleeps", file }, { signal: call.signal })
    await until("runs")
    call.abort(own)
    expect(await rejection(visit)).toBe(own)
    expect(lines()).toEqual(["runs", "woken"])
    expect(await rejection(client.Visit({ manner: "sleeps" }, { signal: call.signal }))).toBe(own)

    const stream = new AbortController()
    const numbers = client.Count({ fanOut: false }, { signal: stream.signal })
    const counting = async () => {
      for await (const n of numbers) if (n === 3) stream.abort(own)
    }
    expect(await rejection(counting())).toBe(own)

    const dialog = new AbortController()
    const { signal } = dialog
    await using sit = await client.Sit({ manner: "sleeps", when: "after", file }, { signal })
    const result = rejection(sit.result())
    dialog.abort(own)
    expect(await result).toBe(own)
    await sit[Symbol.asyncDispose]()
    expect(lines()).toEqual(["runs", "woken", "runs", "woken"])
  })

  it("D1 a dialog whose signal is aborted at the moment when it is open is left", async () => {
    using seen = notes()
    await using tree = await Furrow.open()
    const { client } = await tree.spawn(Inn, { ...main })
    const own = new Error("enough")
    const controller = new AbortController()
    const { signal } = controller
    // Whoever has opened it does not listen any more, and the dialog does not yet.
    const unlisten = signal.removeEventListener.bind(signal)
    signal.removeEventListener = (...args: Parameters<typeof unlisten>) => {
      unlisten(...args)
      controller.abort(own)
    }
    const sit = client.Sit({ manner: "sleeps", when: "after", file: seen.file }, { signal })
    expect(await rejection(sit)).toBe(own)
    expect(seen.lines()).toEqual(["runs", "woken"])
  })

  it("a stream whose loop is left is cancelled and joined", async () => {
    await using tree = await Furrow.open()
    const worker = await tree.spawn(Worker, { ...main, arguments: {} })
    let seen = 0
    for await (const tick of worker.client.Ticks()) {
      seen += tick
      if (seen === 3) break
    }
    expect(seen).toBe(3)
    expect(await worker.client.Echo("still there")).toBe("still there")
  })

  it("a dialog that is disposed of cancels its callee", async () => {
    using seen = notes()
    await using tree = await Furrow.open()
    const { client } = await tree.spawn(Inn, { ...main })
    {
      await using _sit = await client.Sit({ manner: "sleeps", when: "after", file: seen.file })
      await seen.until("runs")
    }
    expect(seen.lines()).toEqual(["runs", "woken"])
  })

  it("S2 kill -9 of an actor rejects its calls, aborts the tree's signal, stops the others, and closing rejects", async () => {
    const tree = await Furrow.open()
    const [doomed, other] = [
      await tree.spawn(Worker, { ...main, name: "doomed", arguments: {} }),
      await tree.spawn(Worker, { ...main, name: "other", arguments: {} })
    ]
    const [pending, beside] = [rejection(doomed.client.Hang()), rejection(other.client.Hang())]
    const aborted = new Promise((resolve) => {
      tree.signal.addEventListener("abort", () => resolve(tree.signal.reason))
    })
    expect(tree.signal.aborted).toBe(false)
    process.kill(doomed.pid!, "SIGKILL")

    const lost = await pending
    expect(lost).toBeInstanceOf(PortalError)
    expect(lost).toMatchObject({ reason: { _tag: "Disconnected", crash: { signal: "SIGKILL" } } })
    expect(await beside).toMatchObject({ reason: { _tag: "Cancelled", by: { path: "root" } } })
    expect(await aborted).toMatchObject({ name: "AbortError" })
    const crash = await rejection(tree.crashed)
    expect(crash).toBeInstanceOf(ActorCrashed)
    expect(crash).toMatchObject({
      actor: { path: "root/doomed" },
      cause: { exit: { signal: "SIGKILL" } }
    })
    expect(isAlive(other.pid!)).toBe(false)
    expect(await rejection(tree.close())).toBe(crash)
    // It has been told.
    await tree.close()
    await tree[Symbol.asyncDispose]()
  })

  it("closed twice, it only waits, and takes nothing any more", async () => {
    const tree = await Furrow.open()
    const worker = await tree.spawn(Worker, { ...main, arguments: {} })
    const pending = rejection(worker.client.Hang())
    await Promise.all([tree.close(), tree.close()])
    await tree.close()
    expect(isAlive(worker.pid!)).toBe(false)
    expect(tree.signal.aborted).toBe(true)
    expect(await pending).toMatchObject({ reason: { _tag: "Cancelled", by: { path: "root" } } })
    const late = await rejection(tree.spawn(Worker, { ...main, arguments: {} }))
    expect(late).toBeInstanceOf(SpawnError)
    expect(late).toMatchObject({ reason: { _tag: "NurseryClosed" } })
  })

  it("S1 closed while an actor comes up that nobody waits for, it waits, and nobody is left", async () => {
    let starting: Promise<{ readonly pid: number | undefined }> | undefined
    {
      await using tree = await Furrow.open()
      starting = tree.spawn(Worker, { ...main, arguments: {} })
    }
    const outcome = await starting.catch((error: unknown) => error)
    if (!(outcome instanceof SpawnError)) {
      expect(isAlive((outcome as { readonly pid: number }).pid)).toBe(false)
    }
  })

  const functions = [
    [
      "closing",
      async (body: (tree: Furrow.Tree) => Promise<void>) => {
        await using tree = await Furrow.open()
        await body(tree)
      }
    ],
    ["returning from its function", Furrow.run<void>]
  ] as const
  for (const [what, within] of functions) {
    it(`promises that nobody looks at, and that ${what} has rejected, are no errors of the process`, async () => {
      const rejected: Array<unknown> = []
      await within(async (tree) => {
        const worker = await tree.spawn(Worker, { ...main, arguments: {} })
        const inn = await tree.spawn(Inn, { ...main })
        const talk = await inn.client.Echo({ how: "well" })
        void worker.client.Hang()
        void tree.call(Worker, ({ Hang }) => Hang(), { ...main, arguments: {} })
        void talk.result()
        // Nobody reads what comes back, and so there is no room for all of them.
        for (let n = 0; n < 1000; n++) void talk.send(n)
        talk.send(1000).catch((error: unknown) => rejected.push(error))
      })
      // Node looks for such promises when all of their turns are over.
      await new Promise((resolve) => setImmediate(resolve))
      expect(rejected).toMatchObject([{ reason: { _tag: "Cancelled" } }])
      expect(uncaught).toEqual([])
    })
  }

  it("a call that nobody looks at, and whose actor was stopped, is no error of the process", async () => {
    await using tree = await Furrow.open()
    const worker = await tree.spawn(Worker, { ...main, arguments: {} })
    void worker.client.Hang()
    await worker.stop()
    await new Promise((resolve) => setImmediate(resolve))
    expect(uncaught).toEqual([])
    expect(tree.signal.aborted).toBe(false)
  })

  it("a call that nobody looks at, and whose actor has crashed, is no error of the process: the tree tells", async () => {
    const tree = await Furrow.open()
    const worker = await tree.spawn(Worker, { ...main, arguments: {} })
    void worker.client.Hang()
    process.kill(worker.pid!, "SIGKILL")
    expect(await rejection(tree.crashed)).toBeInstanceOf(ActorCrashed)
    await new Promise((resolve) => setImmediate(resolve))
    expect(uncaught).toEqual([])
  })

  it("an error of the program closes it on the way", async () => {
    const own = new Error("the program's own")
    let pid = 0
    const program = async () => {
      await using tree = await Furrow.open()
      pid = (await tree.spawn(Worker, { ...main, arguments: {} })).pid!
      throw own
    }
    expect(await rejection(program())).toBe(own)
    expect(isAlive(pid)).toBe(false)
  })

  it("a portal that is disposed of stops its actor, and the tree goes on", async () => {
    await using tree = await Furrow.open()
    let pid = 0
    {
      await using worker = await tree.spawn(Worker, { ...main, arguments: {} })
      pid = worker.pid!
    }
    expect(isAlive(pid)).toBe(false)
    const worker = await tree.spawn(Worker, { ...main, arguments: {} })
    expect(await worker.client.Echo("there")).toBe("there")
  })

  it("a one-shot is one operation in a process of its own; what it throws is the call's alone", async () => {
    await using tree = await Furrow.open()
    const who = await tree.call(Worker, ({ Who }) => Who(), { ...main, arguments: {} })
    expect(isAlive(who.pid)).toBe(false)
    const failed = await rejection(
      tree.call(Worker, ({ Assert }) => Assert("no"), { ...main, arguments: {} })
    )
    expect(failed).toBeInstanceOf(Assertion)
    expect(tree.signal.aborted).toBe(false)
  })

  it("what an actor writes can be read as it comes", async () => {
    await using tree = await Furrow.open()
    const worker = await tree.spawn(Worker, {
      ...main,
      arguments: {},
      stdout: "pipe",
      execArgv: ["--import", "data:text/javascript,console.log('here')"]
    })
    const reading = (async () => {
      let text = ""
      for await (const chunk of worker.stdout) text += Buffer.from(chunk).toString()
      return text
    })()
    await worker.stop()
    expect(await reading).toBe("here\n")
  })

  it("actors are threads with another spawner, and may call what is served to them", async () => {
    const Served = Above.toLayer({
      Ask: () => Effect.succeed(0),
      Add: (n) => Effect.succeed(n + 1)
    })
    await using tree = await Furrow.open({
      services: Layer.merge(NodeWorkerSpawner.layer, Served)
    })
    const player = await tree.spawn(Player, { ...main, serve: Above })
    expect(player.pid).toBeUndefined()
    expect(await player.client.Run([{ do: "parent", script: [{ do: "return", value: 5 }] }])).toBe(
      0
    )
  })

  it("rejects with what its services fail with, and is not open then", async () => {
    const own = new Error("no services")
    expect(await rejection(Furrow.open({ services: Layer.effectDiscard(Effect.fail(own)) }))).toBe(
      own
    )
  })

  it("S9 can be opened again, and beside another", async () => {
    const before = process.listenerCount("SIGINT")
    await using one = await Furrow.open()
    await using other = await Furrow.open()
    const [a, b] = await Promise.all([
      one.spawn(Worker, { ...main, arguments: {} }),
      other.spawn(Worker, { ...main, arguments: {} })
    ])
    await one.close()
    expect([isAlive(a.pid!), isAlive(b.pid!)]).toEqual([false, true])
    expect(process.listenerCount("SIGINT")).toBe(before)
  })
})

describe("a tree for the length of a function", () => {
  it("gives what it returns, throws what it throws, and is gone then", async () => {
    let pid = 0
    const own = new Error("the body's own")
    const answer = await Furrow.run(async (tree) => {
      const counter = await tree.spawn(Counter, { ...main, arguments: { from: 40 } })
      pid = counter.pid!
      return counter.client.Increment({ by: 2 })
    })
    expect(answer).toBe(42)
    expect(isAlive(pid)).toBe(false)
    expect(await rejection(Furrow.run(async () => Promise.reject(own)))).toBe(own)
    const aborted = new DOMException("enough", "AbortError")
    expect(await rejection(Furrow.run(async () => Promise.reject(aborted)))).toBe(aborted)
  })

  it("aborts its signal when the function has ended, in whichever way", async () => {
    const signals: Array<AbortSignal> = []
    const own = new Error("the body's own")
    const begin = (tree: Furrow.Tree): void => {
      expect(tree.signal.aborted).toBe(false)
      signals.push(tree.signal)
    }
    await Furrow.run(async (tree) => begin(tree))
    await rejection(
      Furrow.run(async (tree) => {
        begin(tree)
        throw own
      })
    )
    expect(signals.map(({ aborted, reason }) => [aborted, reason.name])).toEqual([
      [true, "AbortError"],
      [true, "AbortError"]
    ])
  })

  it("S2 is told of a crash by its signal, and what is thrown is the crash alone", async () => {
    let aborted = false
    const crash = await rejection(
      Furrow.run(async (tree) => {
        tree.signal.addEventListener("abort", () => {
          aborted = true
        })
        const worker = await tree.spawn(Worker, { ...main, arguments: {} })
        await worker.client.Leave(3)
      })
    )
    expect(crash).toBeInstanceOf(ActorCrashed)
    expect(crash).toMatchObject({ cause: { exit: { code: 3 } } })
    expect(aborted).toBe(true)
  })

  it("S1 does not wait for ever for a body that does not listen", async () => {
    const crash = await rejection(
      Furrow.run(
        async (tree) => {
          const worker = await tree.spawn(Worker, { ...main, arguments: {} })
          await worker.client.Leave(3).catch(() => {})
          await new Promise(() => {})
        },
        { patience: "100 millis" }
      )
    )
    expect(crash).toBeInstanceOf(ActorCrashed)
  })
})
