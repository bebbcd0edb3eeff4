/**
 * Every numbered example, as a reader would run it: it does what its own comments say, says nothing on stderr if it ends
 * well, and leaves no process behind. The examples' own text is the only place where their output stands.
 */
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { expect, it } from "vitest"
import { documented, run } from "./Example.ts"

/** Runs an example's main file; `observe` as in `run`. */
const check = async (file: string, observe?: (actors: number) => void) => {
  const { code, stderr, stdout } = documented(file)
  expect(stdout, "an example says what it prints").not.toEqual([])
  const ran = await run([file], observe)
  expect({ ...ran, stderr: "" }).toEqual({ stdout, code, stderr: "", left: [] })
  if (code === 0) expect(ran.stderr).toBe("")
  for (const part of stderr) expect(ran.stderr).toContain(part)
}

it("EX-1 examples/01-first-call prints what it says", () => check("examples/01-first-call/main.ts"))

it("EX-1 examples/02-one-file prints what it says", () => check("examples/02-one-file.ts"))

it("EX-1 examples/03-two-way-dialog prints what it says", () =>
  check("examples/03-two-way-dialog/main.ts"))

it("EX-1 examples/04-errors-climb prints what it says, and fails with who and why", () =>
  check("examples/04-errors-climb.ts"))

it("EX-1 examples/05-self-destruct has one process per core, then none, and fails with its body's error", async () => {
  let most = 0
  await check("examples/05-self-destruct.ts", (actors) => {
    most = Math.max(most, actors)
  })
  expect(most).toBe(availableParallelism())
})

it("EX-1 examples/06-streaming-service prints what it says", () =>
  check("examples/06-streaming-service/main.ts"))

it("EX-1 examples/07-primes prints what it says", () => check("examples/07-primes/main.ts"))

it("EX-1 examples/08-test-with-testclock passes as it says", async () => {
  const folder = "examples/08-test-with-testclock"
  const ran = await run(["node_modules/vitest/vitest.mjs", "run", "--root", folder])
  const lines = ran.stdout.map((line) => line.trim())
  const { stdout } = documented(`${folder}/lease.test.ts`)
  expect(lines).toEqual(expect.arrayContaining([...stdout]))
  expect({ ...ran, stdout: [] }).toEqual({ stdout: [], code: 0, stderr: "", left: [] })
})

it("EX-1 examples/09-threads prints what it says", () => check("examples/09-threads.ts"))

it("EX-1 examples/11-worker-pool prints what it says", () =>
  check("examples/11-worker-pool/main.ts"))

it("EX-1 examples/12-cluster prints what it says", () => check("examples/12-cluster/main.ts"))

it("EX-1 examples/12-cluster/tasks prints what it says", () =>
  check("examples/12-cluster/tasks.ts"))

it("EX-1 examples/13-fan-out prints what it says", () => check("examples/13-fan-out/main.ts"))

it("EX-1 examples/15-guest prints what it says", () => check("examples/15-guest/main.ts"))

it("EX-1 examples/16-async-await prints what it says, without Effect in its main file", async () => {
  const file = "examples/16-async-await/main.ts"
  await check(file)
  expect(readFileSync(file, "utf8")).not.toMatch(/from "effect/)
})

it("EX-1 examples/14-shared-resource prints what it says", () =>
  check("examples/14-shared-resource.ts"))

it("EX-1 examples/17-foreign-program prints what it says", () =>
  check("examples/17-foreign-program.ts"))

it("EX-1 examples/10-supervisor prints what it says", () => check("examples/10-supervisor/main.ts"))
