import * as Scheduler from "effect/Scheduler"
import { it, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Cause from "effect/Cause"
import * as TestClock from "effect/testing/TestClock"
import * as Nursery from "furrow/Nursery"
import * as Dialog from "furrow/Dialog"
import { TestWorld } from "furrow/testing"
import { programs } from "../contract/fixtures/programs.ts"
import { Worker } from "../contract/fixtures/Worker.ts"
import { Player } from "../contract/fixtures/Player.ts"

const scenarios: Record<string, Effect.Effect<any, any, any>> = {
  spawn: Effect.gen(function*(){ yield* Nursery.spawn(Worker, {arguments: {children: {b: {}}}}) ; return 1 }),
  call: Nursery.call(Worker, ({Echo}) => Echo("x"), {arguments: {}}),
  callHang: Nursery.call(Worker, ({Hang}) => Hang(), {arguments: {lingers: 10}}),
  forks: Effect.gen(function*(){
    yield* Nursery.fork(Nursery.call(Worker, ({Echo}) => Echo("x"), {arguments: {}}))
    const w = yield* Nursery.spawn(Worker, {arguments: {}})
    yield* Nursery.fork(w.client.Hang())
    yield* Nursery.cancel
    return 1
  }),
  stop: Effect.gen(function*(){
    const w = yield* Nursery.spawn(Worker, {arguments: {lingers: 10}})
    yield* w.stop
    return 1
  }),
  layer: Effect.provide(Effect.flatMap(Worker.Portal, w => w.client.Echo("x")), Nursery.layer(Worker, {arguments: {}})),
  dialog: Effect.gen(function*(){
    const p = yield* Nursery.spawn(Player)
    return yield* p.client.Play([{do:"accept", value:1},{do:"echo"}]).pipe(Dialog.use(t => Effect.gen(function*(){ yield* t.send(1); yield* t.end; return yield* t.result })))
  }),
  crash: Effect.gen(function*(){
    const w = yield* Nursery.spawn(Worker, {arguments: {}})
    yield* Nursery.spawn(Worker, {arguments: {lingers: 10}})
    yield* w.client.Break({why: "x"})
    return yield* w.client.Hang()
  }),
  below: Effect.gen(function*(){
    return yield* Nursery.call(Worker, ({FailBelow}) => FailBelow({depth: 1, breadth: 2}), {arguments: {}})
  }),
}
for (const [name, body] of Object.entries(scenarios)) {
  it.effect(name, () => Effect.gen(function*(){
    const shapes = new Map<string, Array<number>>(); let finished = 0, last = 0
    for (let k = 0; k < 250 && finished < 3; k++) {
      const block = yield* Effect.forkChild(Effect.exit(Nursery.run(body as Effect.Effect<any, any, Nursery.Nursery>)).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, 4)), { startImmediately: true })
      for (let i = 0; i < k; i++) yield* Effect.yieldNow
      const doneAlready = block.pollUnsafe() !== undefined
      last = k; if (doneAlready) finished++
      const [victim] = yield* TestWorld.lives
      if (victim) yield* TestWorld.crash({ actor: victim })
      for (let i = 0; i < 50 && block.pollUnsafe() === undefined; i++) yield* TestClock.adjust("200 millis")
      if (block.pollUnsafe() === undefined) throw new Error(`hangs at ${k}`)
      yield* TestClock.adjust("1 hour")
      const lives = yield* TestWorld.lives
      expect(lives, `at ${k}`).toEqual([])
      const exit = yield* Fiber.await(block)
      const shape = victim === undefined ? "no victim" : Exit.isFailure(exit) ? "outer" : Exit.isSuccess(exit.value) ? "ok" : victim.path + " -> " + exit.value.cause.reasons.map(r => Cause.isInterruptReason(r) ? "int" : String((r as any).error ?? (r as any).defect).slice(0, 150)).join(" || ")
      shapes.set(shape, [...(shapes.get(shape) ?? []), k])
    }
    console.log(name, "finished", finished, "last", last); for (const [shape, ks] of shapes) console.log("   ", ks.length, ks.slice(0,3).join(), shape)
  }).pipe(Effect.provide(TestWorld.layer(programs))), 300000)
}
