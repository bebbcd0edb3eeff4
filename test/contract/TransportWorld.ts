/**
 * The test world's actors, whose connections to their spawners cross real sockets: a listener and a link for each.
 *
 * Answers for worlds in which only the transport differs, so that the contract suite says of a transport what it says of
 * a pipe. Time is real there.
 */
import { it as effectIt } from "@effect/vitest"
import * as NodeActor from "@furrow/node/NodeActor"
import * as TcpTransport from "@furrow/node/TcpTransport"
import * as UnixTransport from "@furrow/node/UnixTransport"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { TestWorld } from "furrow/testing"
import type { JoinedEnds } from "furrow/testing/MemorySocket"
import type { Transport } from "furrow/Transport"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import backpressure from "./Backpressure.suite.ts"
import calls from "./Calls.suite.ts"
import clusters from "./Clusters.suite.ts"
import context from "./Context.suite.ts"
import dialogs from "./Dialogs.suite.ts"
import errors from "./Errors.suite.ts"
import fanOut from "./FanOut.suite.ts"
import { programs } from "./fixtures/programs.ts"
import guests from "./Guests.suite.ts"
import leaving from "./Leaving.suite.ts"
import messages from "./Messages.suite.ts"
import nurseries from "./Nurseries.suite.ts"
import starting from "./Starting.suite.ts"
import oneShots from "./OneShots.suite.ts"
import pools from "./Pools.suite.ts"
import sharing from "./Sharing.suite.ts"
import spawning from "./Spawning.suite.ts"
import streams from "./Streams.suite.ts"
import supervisors from "./Supervisors.suite.ts"
import tasks from "./Tasks.suite.ts"
import topics from "./Topics.suite.ts"
import { make, patience, testWorldCan } from "./World.ts"
import type { World } from "./World.ts"
import worlds from "./Worlds.suite.ts"

const severed = new Socket.CloseEvent(1006, "the connection was severed")

const sever = (socket: Socket.Socket) =>
  Effect.scoped(Effect.flatMap(socket.writer, (writer) => Effect.ignore(writer.write(severed))))

/** A link, both of whose ends are here. */
const joined = <Address>(
  transport: Transport<Address>,
  address: Effect.Effect<Address, never, Scope.Scope>
): Effect.Effect<JoinedEnds, never, Scope.Scope> =>
  Effect.gen(function* () {
    const listener = yield* transport.listen(yield* address)
    const came = Deferred.makeUnsafe<Socket.Socket>()
    const over = Deferred.makeUnsafe<void>()
    yield* Effect.forkScoped(
      listener.run((socket) => Effect.andThen(Deferred.succeed(came, socket), Deferred.await(over)))
    )
    const dialled = yield* transport.dial(listener.address)
    const accepted = yield* Deferred.await(came)
    return {
      dialled,
      accepted,
      close: () => Deferred.doneUnsafe(over, Exit.void),
      sever: () => Effect.runSync(Effect.andThen(sever(dialled), sever(accepted)))
    }
  }).pipe(Effect.orDie)

const world = (name: string, connect: TestWorld.Options["connect"]): World =>
  make({
    name,
    it: (name, effect, options) =>
      effectIt.live(
        name,
        () =>
          Effect.asVoid(effect()).pipe(
            Effect.provide(Layer.mergeAll(NodeActor.layer, TestWorld.layer(programs, { connect })))
          ),
        options?.timeout ?? 60_000
      ),
    main: {},
    elapse: () => Effect.void,
    crash: (door, how = { signal: "SIGKILL" }) => TestWorld.crash(door, how),
    isGone: ({ actor }) => {
      const gone = Effect.map(
        TestWorld.lives,
        (lives) => !lives.some(({ incarnation }) => incarnation === actor.incarnation)
      )
      // The fiber that stands for a killed process takes a moment to end.
      return gone.pipe(
        Effect.repeat({ until: Boolean, schedule: Schedule.spaced("10 millis") }),
        Effect.timeoutOption(patience(0) / 4),
        Effect.map(Option.isSome)
      )
    },
    can: { ...testWorldCan, time: false }
  })

/** A file in a directory of its own. */
export const socketFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "furrow-link-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ),
  (directory) => ({ path: join(directory, "link.sock") })
)

/** What the contract says of a transport. */
export const suites = (world: World): void => {
  for (const suite of [
    spawning,
    nurseries,
    starting,
    worlds,
    calls,
    oneShots,
    streams,
    context,
    errors,
    messages,
    dialogs,
    leaving,
    backpressure,
    tasks,
    fanOut,
    topics,
    sharing,
    clusters,
    pools,
    supervisors,
    guests
  ])
    suite(world)
}

/** Links over Unix sockets. */
export const unixSockets: World = world("Unix sockets", joined(UnixTransport.make(), socketFile))

/** Links over TCP on the loopback interface, with heartbeats. */
export const tcp: World = world(
  "TCP",
  joined(
    TcpTransport.make({ heartbeat: { interval: "1 second", bound: "20 seconds" } }),
    Effect.succeed({ port: 0 })
  )
)
