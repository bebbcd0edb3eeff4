/**
 * The tree of a plan, as it runs: each block spawns its actors, does its acts, and ends as it is to.
 *
 * Answers for doing what the plan says at its time, and for noting all of it as it happens, with what everybody was
 * told. Nothing is judged here.
 */
import * as NodeSpawner from "@furrow/node/NodeSpawner"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Events from "furrow/Events"
import * as Nursery from "furrow/Nursery"
import * as Portal from "furrow/Portal"
import type { PortalError } from "furrow/PortalError"
import type { Spawner } from "furrow/Spawner"
import { Variables } from "./Early.ts"
import { inflict, loopForEver, ExitCode, startProgram } from "./Harm.ts"
import { write } from "./Journal.ts"
import type { Fact } from "./Journal.ts"
import { hurried, JoinBound, Parent, Root, StartPatience } from "./Plan.ts"
import type { Act, Block, End, Knot as KnotPlan, Plan } from "./Plan.ts"
import { livingOf } from "./ProcessTable.ts"
import { ofCause, ofExit } from "./Told.ts"
import { Above, AboveLive, answers, ask, Gone, Knot } from "./Traffic.ts"
import type { Client } from "./Traffic.ts"

/** The module that runs root and actors. */
const main = new URL("./tree.main.ts", import.meta.url)

/** One process of the round. */
interface Here {
  readonly who: string
  readonly file: string
  /** Whoever spawned it; none in the root. */
  readonly parent: Client | undefined
}

type KnotPortal = Portal.Portal<Actor.OperationsOf<typeof Knot>>

/** The children of a block: there, still to come, or gone for good. */
type Doors = ReadonlyMap<string, Deferred.Deferred<KnotPortal, Gone>>

type Given = Nursery.Nursery | Spawner | Actor.Service<"Above">

const note = (here: Here, fact: Fact): Effect.Effect<void> =>
  Effect.sync(() => write(here.file, here.who, fact))

// ---------------------------------------------------------------------------------------------------------------------
// Spawning
// ---------------------------------------------------------------------------------------------------------------------

const optionsOf = Effect.fnUntraced(function* ({ file }: Here, plan: KnotPlan) {
  const spares = yield* NodeSpawner.Spares
  const { grace, harm, name, start, terminateGrace } = plan
  return {
    main,
    name,
    arguments: { plan, file },
    serve: Above,
    // No spare has an output that is ignored.
    stdout: spares.count > 0 ? "lines" : "ignore",
    grace,
    terminateGrace,
    env: { [Variables.file]: file, [Variables.name]: name, [Variables.start]: start },
    ...(start !== undefined && hurried(start)
      ? { helloTimeout: StartPatience, startTimeout: StartPatience }
      : {}),
    ...(harm?.harm === "runs out of memory" ? { memory: 80 } : {})
  } as const
})

/** Spawns one child. Whoever waits for it hears of it. */
const spawn = (here: Here, plan: KnotPlan, doors: Doors) =>
  optionsOf(here, plan).pipe(
    Effect.flatMap((options) => Nursery.spawn(Knot, options)),
    Effect.onExit((exit) => {
      const door = doors.get(plan.name)!
      if (Exit.isFailure(exit)) {
        Deferred.doneUnsafe(door, Exit.fail(new Gone({ knot: plan.name })))
        return note(here, { note: "not spawned", knot: plan.name, told: ofCause(exit.cause) })
      }
      Deferred.doneUnsafe(door, Exit.succeed(exit.value))
      return note(here, { note: "spawned", knot: plan.name, child: exit.value.pid })
    })
  )

const spawnAll = (here: Here, block: Block, doors: Doors) =>
  Effect.forEach(
    block.knots,
    (plan) => (block.tolerant ? Effect.ignore(spawn(here, plan, doors)) : spawn(here, plan, doors)),
    { concurrency: block.atOnce ? "unbounded" : 1, discard: true }
  )

const doorsOf = (block: Block): Doors =>
  new Map(block.knots.map(({ name }) => [name, Deferred.makeUnsafe()]))

const shut = (doors: Doors): void => {
  for (const [knot, door] of doors) Deferred.doneUnsafe(door, Exit.fail(new Gone({ knot })))
}

/** Whoever of these children lives, with the group that it led. */
const left = (doors: Doors): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const pids: Array<number> = []
    for (const door of doors.values()) {
      const known = Deferred.isDoneUnsafe(door)
        ? yield* Effect.exit(Deferred.await(door))
        : undefined
      if (known !== undefined && Exit.isSuccess(known)) pids.push(known.value.pid ?? 0)
    }
    return livingOf(pids).map(({ command, pid, state }) => `${pid} ${state} ${command}`)
  })

// ---------------------------------------------------------------------------------------------------------------------
// Acts
// ---------------------------------------------------------------------------------------------------------------------

/** Leaves early, if it is to. */
const limited = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  limit: (Act & { readonly act: "call" })["limit"]
): Effect.Effect<A, E | Cause.TimeoutError, R> => {
  switch (limit?.by) {
    case undefined:
      return effect
    case "timeout":
      return Effect.timeout(effect, limit.millis)
    case "deadline":
      return Deadline.within(limit.millis)(effect)
    case "interruption":
      return Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
        yield* Effect.raceFirst(Fiber.await(fiber), Effect.sleep(limit.millis))
        yield* Fiber.interrupt(fiber)
        return yield* yield* Fiber.await(fiber)
      })
  }
}

const perform = (
  here: Here,
  doors: Doors,
  act: Act
): Effect.Effect<number, PortalError | Error, Given> =>
  Effect.gen(function* () {
    if (act.act === "one-shot") {
      return yield* Nursery.call(
        Knot,
        (client) => limited(ask(client, act.operation), act.limit),
        yield* optionsOf(here, act.knot)
      )
    }
    if (act.on === Parent && act.act === "call") {
      if (here.parent === undefined) return yield* Effect.die(new Error("the root has no parent"))
      return yield* limited(ask(here.parent, act.operation), act.limit)
    }
    const door = doors.get(act.on)
    if (door === undefined) return yield* Effect.die(new Error(`there is no ${act.on}`))
    const portal = yield* Deferred.await(door)
    if (act.act === "stop") {
      const stop = Effect.gen(function* () {
        yield* note(here, { note: "stopping", knot: act.on })
        yield* portal.stop
        const still = livingOf([portal.pid ?? 0])
        yield* note(here, {
          note: "stopped",
          knot: act.on,
          left: still.map(({ command, pid, state }) => `${pid} ${state} ${command}`)
        })
      })
      const times = act.times === "once" ? 1 : 2
      yield* Effect.forEach(Array.from({ length: times }), () => stop, {
        concurrency: act.times === "by two" ? 2 : 1
      })
      return 0
    }
    if (act.through !== undefined && act.operation.do === "double") {
      const { n } = act.operation
      return yield* limited(portal.client.Through({ knot: act.through, n }), act.limit)
    }
    return yield* limited(ask(portal.client, act.operation), act.limit)
  })

/** Does one act at its time, and notes what came of it. It never fails. */
const act = (here: Here, doors: Doors, doing: Act, index: number) =>
  Effect.gen(function* () {
    yield* Effect.sleep(doing.after)
    yield* note(here, { note: "begun", act: index })
    yield* perform(here, doors, doing).pipe(
      Effect.provideService(Deadline.JoinBound, JoinBound),
      Effect.onExit((exit) =>
        note(here, {
          note: "done",
          act: index,
          ...(Exit.isSuccess(exit) ? { value: exit.value } : {}),
          told: ofExit(exit)
        })
      ),
      Effect.exit
    )
  })

const acts = (here: Here, block: Block, doors: Doors) =>
  block.acts.map((doing, index) => act(here, doors, doing, index))

// ---------------------------------------------------------------------------------------------------------------------
// Blocks
// ---------------------------------------------------------------------------------------------------------------------

/** A block failed because it was to. */
class Planned extends Error {
  override readonly name = "Planned"
}

/** Waits for its time, and ends as the plan says; for ever, if that says nothing. */
const ending = (here: Here, end: End | undefined) =>
  Effect.gen(function* () {
    if (end === undefined || end.how === "is interrupted") return yield* Effect.never
    yield* Effect.sleep(end.after)
    yield* note(here, { note: "ending", how: end.how })
    if (end.how === "fails") return yield* Effect.fail(new Planned("the block failed, as planned"))
    if (end.how === "cancels") yield* Nursery.cancel
  })

/** A block of its own: what happens in it goes no further than the note of its end. */
const own = (here: Here, block: Block, doors: Doors) =>
  Effect.gen(function* () {
    const ready = Deferred.makeUnsafe<void>()
    const body = Effect.gen(function* () {
      yield* spawnAll(here, block, doors)
      Deferred.doneUnsafe(ready, Exit.void)
      if (here.who === Root) yield* note(here, { note: "ready" })
      yield* Effect.forEach(acts(here, block, doors), (doing) => Effect.forkScoped(doing))
      yield* ending(here, block.end)
    }).pipe(Effect.scoped)
    const running = Nursery.run(body).pipe(
      Effect.onExit((exit) =>
        Effect.gen(function* () {
          shut(doors)
          yield* note(here, { note: "over", told: ofExit(exit), left: yield* left(doors) })
        })
      )
    )
    const { end } = block
    if (end?.how !== "is interrupted") return yield* running
    const fiber = yield* Effect.forkChild(running)
    yield* Effect.raceFirst(
      Fiber.await(fiber),
      Effect.andThen(Deferred.await(ready), Effect.sleep(end.after))
    )
    yield* note(here, { note: "ending", how: end.how })
    yield* Fiber.interrupt(fiber)
    return yield* yield* Fiber.await(fiber)
  })

/** The ladder's stages and what would pass unseen, as they happen in this process. */
const watching = (here: Here) =>
  Effect.map(Events.CurrentHub, ({ watchers }) => {
    watchers.add((event) => {
      if (event._tag === "Stage") {
        const knot = event.actor.path.split("/").at(-1)!
        write(here.file, here.who, { note: "stage", knot, stage: event.stage })
      } else if (event._tag === "FailedWhileEnding" || event._tag === "NotJoined") {
        write(here.file, here.who, {
          note: "event",
          event: event._tag,
          knot: event.actor.path.split("/").at(-1)!,
          told: event._tag === "NotJoined" ? [] : ofCause(event.cause)
        })
      }
    })
  })

/** The root of a round. */
export const root = (plan: Plan, file: string) =>
  Effect.gen(function* () {
    const here: Here = { who: Root, file, parent: undefined }
    yield* watching(here)
    yield* NodeSpawner.awaitSpares
    yield* own(here, plan.root, doorsOf(plan.root))
  }).pipe(
    Effect.provide(AboveLive),
    Effect.provideService(NodeSpawner.Spares, { count: plan.spares })
  )

/** What an actor's Layer does before it is ready, if it fails to start there. */
const failStart = (here: Here, { start }: KnotPlan) =>
  Effect.gen(function* () {
    const layered = new Set<KnotPlan["start"]>([
      "exits in its Layer",
      "fails in its Layer",
      "dies in its Layer",
      "hangs in its Layer",
      "loops in its Layer"
    ])
    if (start === undefined || !layered.has(start)) return
    yield* note(here, { note: "harm", harm: start })
    if (start === "exits in its Layer") process.exit(ExitCode)
    if (start === "fails in its Layer")
      return yield* Effect.fail(new Planned("no start, as planned"))
    if (start === "dies in its Layer") return yield* Effect.die(new Planned("no start, as planned"))
    if (start === "hangs in its Layer") return yield* Effect.never
    if (start === "loops in its Layer") loopForEver()
  })

const lastFinalizer = (here: Here, { last }: KnotPlan) =>
  Effect.gen(function* () {
    if (last !== undefined) yield* note(here, { note: "last", last })
    if (last === "throws") return yield* Effect.die(new Error(`last words of ${here.who}`))
    if (last === "hangs") return yield* Effect.never
    if (last === "lingers") yield* Effect.sleep("150 millis")
    yield* note(here, { note: "ended" })
  })

/** An actor of a round. */
export const KnotLive = Knot.toLayer(
  Effect.gen(function* () {
    const { file, plan } = yield* Knot.Arguments
    const { client } = yield* Portal.parent(Above)
    const here: Here = { who: plan.name, file, parent: client }
    const nursery = yield* Nursery.Nursery
    const { block } = plan
    const doors = doorsOf(block)
    yield* watching(here)
    yield* Effect.addFinalizer(() => lastFinalizer(here, plan))
    if (plan.program !== undefined) startProgram(plan.program)
    yield* failStart(here, plan)
    if (block.climbs) {
      yield* spawnAll(here, block, doors)
      yield* Effect.forEach(acts(here, block, doors), (doing) => nursery.fork(doing))
    } else {
      yield* nursery.fork(Effect.exit(own(here, block, doors)))
    }
    yield* note(here, { note: "ready" })
    if (plan.harm !== undefined) {
      const { after, harm } = plan.harm
      const context = yield* Effect.context<never>()
      setTimeout(() => {
        write(file, here.who, { note: "harm", harm })
        inflict(harm, () =>
          Effect.runForkWith(context)(nursery.fork(Effect.fail(new Planned("failed by chaos"))))
        )
      }, after)
    }
    return Knot.of({
      ...answers,
      Through: ({ knot, n }) =>
        Effect.gen(function* () {
          const door = doors.get(knot)
          if (door === undefined) return yield* Effect.fail(new Gone({ knot }))
          const portal = yield* Deferred.await(door)
          return yield* Effect.catchTag(portal.client.Double(n), "PortalError", () =>
            Effect.fail(new Gone({ knot }))
          )
        })
    })
  })
)
