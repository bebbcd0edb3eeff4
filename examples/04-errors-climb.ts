/**
 * Three daemons and one that fails. An operation's error goes to its caller; where nobody handles it, that actor is gone
 * too, and so it climbs to the root. Every block on its way ends all it owns, and what arrives names who and why.
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

const LookoutLive = Lookout.toLayer({ Watch: ({ what }) => new LostSight({ what }) })

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

const program = Effect.gen(function* () {
  const pids: Array<number | undefined> = []
  const block = Nursery.run(
    Effect.gen(function* () {
      for (const name of ["north", "east", "south"]) {
        const { pid } = yield* Nursery.spawn(Lookout, { name })
        pids.push(pid)
      }
      const west = yield* Nursery.spawn(Tower, { name: "west" })
      pids.push(west.pid)
      yield* west.client.Man({ what: "the sun" })
      return yield* Effect.never
    })
  )
  const error = yield* Effect.flip(block)
  yield* Console.log(`${error._tag}: ${error.message}`)
  yield* Console.log(`still running: ${pids.filter(isRunning).length} of ${pids.length}`)
  return yield* error
})

NodeActor.main(import.meta, [Lookout.program(LookoutLive), Tower.program(TowerLive)], program)

// Output (exit code 1; the root's error, with LostSight at its bottom, is on stderr):
// ActorCrashed: The actor "root/west" crashed: A fiber started with Nursery.fork failed: LostSight: lost sight of the sun; its process exited with code 1.
// still running: 0 of 4
