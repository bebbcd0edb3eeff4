/** The runner as its users have it: a program with flags, that starts others and leaves none of them behind. */
import { describe, expect, it, onTestFinished } from "vitest"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { Results } from "../../packages/bench/src/Results.ts"
import { MarkVariable, Observer } from "../chaos/ProcessTable.ts"

const main = fileURLToPath(new URL("../../packages/bench/src/bench.ts", import.meta.url))

/** Starts the runner; whatever is left of it is gone with the test. */
const start = (args: ReadonlyArray<string>, env: Record<string, string> = {}) => {
  const mark = randomUUID()
  const observer = new Observer(mark)
  const runner = spawn(process.execPath, [main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env, [MarkVariable]: mark }
  })
  const text = { stdout: "", stderr: "" }
  runner.stdout.on("data", (data) => (text.stdout += String(data)))
  runner.stderr.on("data", (data) => (text.stderr += String(data)))
  const ended = once(runner, "close").then(([code]): number | null => code)
  onTestFinished(() => {
    for (const { pid } of observer.look()) observer.signal(pid, "SIGKILL")
  })
  return { runner, observer, text, ended }
}

/** A directory that is gone with the test. */
const directory = (): string => {
  const made = mkdtempSync(join(tmpdir(), "furrow-bench-test-"))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

const turns = "--quick --workload W2 --peer fork --peer furrow --rounds 2".split(" ")

/** Makes a module one that cannot be found, in every Node that is started. */
const without = (name: string): Record<string, string> => {
  const hooks = `import { registerHooks } from "node:module"
registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === ${JSON.stringify(name)}) throw new Error("there is no " + specifier)
    return next(specifier, context)
  }
})`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hooks)}` }
}

describe("pnpm bench", () => {
  it("measures two peers in turns, and tells of it in a table and in a file", async () => {
    const file = join(directory(), "results.json")
    const { ended, text } = start([...turns, "--json", file])
    expect({ code: await ended, stderr: text.stderr }).toMatchObject({ code: 0 })
    const results: Results = JSON.parse(readFileSync(file, "utf8"))
    expect(results.cells.map(({ peer, round }) => `${round} ${peer}`)).toEqual([
      "1 furrow",
      "1 fork",
      "2 furrow",
      "2 fork"
    ])
    for (const { outcome } of results.cells) {
      expect(outcome).toMatchObject({
        _tag: "Measured",
        figures: { p50: expect.any(Number), p99: expect.any(Number), calls: expect.any(Number) }
      })
    }
    expect(text.stdout).toMatch(/\| furrow \|/)
    expect(text.stdout).toMatch(/\| fork +\| .*x \|/)
    // Quick figures are not judged.
    expect(text.stdout).not.toContain("Budgets")

    const again = start(["--quick", "--workload", "W2", "--peer", "fork", "--against", file])
    expect({ code: await again.ended, stderr: again.text.stderr }).toMatchObject({ code: 0 })
    expect(again.text.stdout).toMatch(/\| W2 pinned fork p50 +\|/)
  })

  it("skips a peer whose package is missing, with the reason", async () => {
    const { ended, text } = start(
      ["--quick", "--workload", "W7", "--peer", "piscina"],
      without("piscina")
    )
    expect({ code: await ended, stderr: text.stderr }).toMatchObject({ code: 0 })
    expect(text.stdout).toContain("- piscina skipped: Error: there is no piscina")
  })

  it("fails when something cannot be measured that is there", async () => {
    const { ended, text } = start(
      ["--quick", "--workload", "W7", "--peer", "threads"],
      without("node:worker_threads")
    )
    expect(await ended).toBe(1)
    expect(text.stdout).toContain("- threads failed: Error: there is no node:worker_threads")
    expect(text.stderr).toContain("1 of 1 could not be measured")
  })

  it("leaves nobody behind when it is interrupted", async () => {
    const { ended, observer, runner } = start(["--workload", "W5", "--peer", "furrow"])
    // Itself, who measures, and some of the tree.
    while (observer.look().length < 5) {
      expect(runner.exitCode).toBe(null)
      await sleep(20)
    }
    runner.kill("SIGINT")
    expect(await ended).toBe(130)
    while (observer.look().length > 0) await sleep(20)
  })

  it.each([
    [["--peer", "nobody"], /flag --peer: "nobody"/],
    [["--workload", "W77"], /flag --workload: "W77"/],
    [["--rounds", "0"], /flag --rounds: "0". Expected: 1 or more/],
    [["--pinned", "--unpinned"], /leave nothing to measure/],
    [["--peer", "piscina", "--workload", "W5"], /none of these peers has any of these workloads/],
    [["--against", "/nowhere/before.json"], /does not exist/]
  ])("refuses %j", async (args, said) => {
    const { ended, text } = start(args)
    expect(await ended).toBe(1)
    expect(text.stderr).toMatch(said)
  })

  it("refuses to compare with what it has not written", async () => {
    const file = join(directory(), "other.json")
    writeFileSync(file, '{ "name": "furrow" }')
    const { ended, text } = start(["--quick", "--peer", "fork", "--against", file])
    expect(await ended).toBe(1)
    expect(text.stderr).toContain(`"${file}" holds no results of an earlier run`)
  })
})
