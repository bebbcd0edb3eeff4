/**
 * Three daemons and one that fails. An operation's error goes to its caller, as the class it is. Where nobody handles
 * it, that actor is gone too, and so the error climbs, level by level. Every block on its way ends all that it owns,
 * and what arrives at the root names who and why.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"

class LostSight extends Schema.TaggedError<LostSight>()("LostSight", { what: Schema.String }) {
  override get message() {
    return `lost sight of ${this.what}`
  }
}

const Watch = Rpc.make("Watch", { payload: { what: Schema.String }, error: LostSight })
class Lookout extends Actor.make("Lookout", [Watch]) {}

const Man = Rpc.make("Man", { payload: { what: Schema.String } })
class Tower extends Actor.make("Tower", [Man]) {}

const LookoutLive = Lookout.toLayer({ Watch: ({ what }) => Effect.fail(new LostSight({ what })) })

const TowerLive = Tower.toLayer(
  Effect.gen(function* () {
    const lookout = yield* Nursery.spawn(Lookout)
    return Tower.of({
      // The fiber belongs to the tower's own block: its failure is the tower's crash.
      Man: ({ what }) => Effect.asVoid(Nursery.fork(lookout.client.Watch({ what })))
    })
  })
)

const isRunning = (pid: number | undefined): boolean => {
  try {
    return pid !== undefined && process.kill(pid, 0)
  } catch {
    return false
  }
}

const pids: Array<number | undefined> = []

const block = Nursery.run(
  Effect.gen(function* () {
    const lookouts = ["north", "east", "south"].map((name) => Nursery.spawn(Lookout, { name }))
    const daemons = yield* Effect.all(lookouts, { concurrency: "unbounded" })
    const west = yield* Nursery.spawn(Tower, { name: "west" })
    pids.push(...daemons.map(({ pid }) => pid), west.pid)
    yield* west.client.Man({ what: "the sun" })
    return yield* Effect.never
  })
)

const program = Effect.ensuring(
  block,
  Effect.suspend(() =>
    Console.log(`still running: ${pids.filter(isRunning).length} of ${pids.length}`)
  )
)

NodeActor.main(import.meta, [Lookout.program(LookoutLive), Tower.program(TowerLive)], program)

// Output:
// still running: 0 of 4

// Exit code 1, and on stderr:
// ActorCrashed: The actor "root/west" crashed: A fiber started with Nursery.fork, or Nursery.start, failed
// LostSight: lost sight of the sun
