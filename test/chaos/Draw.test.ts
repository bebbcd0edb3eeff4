/** Plans out of seeds: the same ones again, within bounds, and of every kind. */
import { expect, it } from "@effect/vitest"
import { draw } from "./Draw.ts"
import { Harm, inWords, LastWords, placed, Root, StartFault } from "./Plan.ts"
import type { Plan } from "./Plan.ts"

const some = (count: number): ReadonlyArray<Plan> =>
  Array.from({ length: count }, (_, index) => draw(7, index + 1))

it("a seed and a round give the same plan each time, another round another", () => {
  expect(draw(42, 3)).toStrictEqual(draw(42, 3))
  expect(draw(42, 4)).not.toStrictEqual(draw(42, 3))
  expect(draw(43, 3)).not.toStrictEqual({ ...draw(42, 3), seed: 43 })
})

it("a plan survives being written down", () => {
  const plan = draw(42, 3)
  expect(JSON.parse(JSON.stringify(plan))).toStrictEqual(plan)
})

it("trees are at most 4 deep and have at most 40 processes, and most are small", () => {
  const sizes = some(500).map((plan) => {
    const actors = placed(plan).filter(({ shot }) => !shot)
    expect(Math.max(...actors.map(({ depth }) => depth))).toBeLessThanOrEqual(4)
    return actors.length + 1
  })
  expect(Math.max(...sizes)).toBeLessThanOrEqual(40)
  expect(Math.max(...sizes)).toBeGreaterThan(20)
  expect(sizes.filter((size) => size <= 15).length).toBeGreaterThan(400)
})

it("names are unique, and every blow and act is on somebody who is there", () => {
  for (const plan of some(300)) {
    const names = placed(plan).map(({ knot }) => knot.name)
    expect(new Set(names).size).toBe(names.length)
    for (const { on } of plan.blows) expect([Root, ...names]).toContain(on)
    expect(plan.root.end === undefined).toBe(plan.blows.some(({ on }) => on === Root))
  }
})

it("every kind of fault is drawn", () => {
  const text = some(1500).map(inWords).join("\n")
  for (const fault of [...Harm.literals, ...StartFault.literals])
    expect(text).toContain(`! ${fault}`)
  for (const last of LastWords.literals) expect(text).toContain(`its last finalizer ${last}`)
  for (const words of [
    "SIGKILL",
    "SIGSTOP",
    "then SIGCONT",
    "then SIGKILL",
    "SIGHUP",
    "spares: 2"
  ]) {
    expect(text).toContain(words)
  }
})
