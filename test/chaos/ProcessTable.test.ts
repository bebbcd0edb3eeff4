/** The observer of rounds sees what lives, by its mark and by its company, and nothing else. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { assert, expect } from "vitest"
import { livingOf, MarkVariable, Observer, parseStat } from "./ProcessTable.ts"

const linux = process.platform === "linux"

it("a line of stat is read past any name, and the dead are nobody", () => {
  const rest = `1 20 30 ${"0 ".repeat(15)}777 0`
  expect(parseStat(`12 (a) Z ) (b) S ${rest}`)).toStrictEqual({
    pid: 12,
    parent: 1,
    group: 20,
    session: 30,
    state: "S",
    started: 777
  })
  expect(parseStat(`12 (a) Z ${rest}`)).toBeUndefined()
  expect(parseStat("")).toBeUndefined()
})

/** A shell with a mark in a group of its own, whose script has said a word; its group is gone with the scope. */
const marked = (mark: string, script: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn("sh", ["-c", `${script}; read line`], {
        detached: true,
        stdio: ["pipe", "pipe", "ignore"],
        env: { ...process.env, [MarkVariable]: mark }
      })
      await once(child.stdout, "data")
      return child
    }),
    (child) =>
      Effect.promise(async () => {
        const ended =
          child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined
        // Its group may live on without it.
        if (livingOf([child.pid!]).length > 0) process.kill(-child.pid!, "SIGKILL")
        await ended
      })
  )

it.live.runIf(linux)("who carries the mark is seen until it has ended", () =>
  Effect.gen(function* () {
    const mark = `test/${process.pid}/one`
    const child = yield* marked(mark, "echo ready")
    const observer = new Observer(mark)
    expect(observer.look().map(({ pid }) => pid)).toStrictEqual([child.pid])
    expect(new Observer(`${mark}/other`).look()).toStrictEqual([])
    expect(observer.signal(process.pid, "SIGKILL")).toBe(false)
    const ended = once(child, "exit")
    assert(observer.signal(child.pid!, "SIGKILL"))
    yield* Effect.promise(() => ended)
    expect(observer.look()).toStrictEqual([])
    expect(observer.signal(child.pid!, "SIGKILL")).toBe(false)
  })
)

it.live.runIf(linux)("a program that has dropped the mark is seen by its group", () =>
  Effect.gen(function* () {
    const mark = `test/${process.pid}/two`
    const child = yield* marked(mark, "{ env -i sh -c 'echo ready; exec sleep 1000' & }")
    const observer = new Observer(mark)
    const pids = () => observer.look().map(({ pid }) => pid)
    expect(pids().length).toBe(2)
    expect(livingOf([child.pid!]).length).toBe(2)
    const ended = once(child, "exit")
    process.kill(child.pid!, "SIGKILL")
    yield* Effect.promise(() => ended)
    const [left, ...others] = pids()
    expect(others).toStrictEqual([])
    expect(left).not.toBe(child.pid)
    expect(observer.count).toBe(2)
    expect(observer.signal(left!, "SIGKILL")).toBe(false)
  })
)
