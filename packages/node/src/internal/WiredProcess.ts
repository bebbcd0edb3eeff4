/**
 * One process of Node with the wire on descriptor 3: an actor, or a spare that may become one.
 *
 * Answers for what such a process is given at its start. Watching over it, and its end, is `GroupLeader`'s; what runs in
 * it, and what is said over the wire, is not known here.
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as GroupLeader from "./GroupLeader.ts"
import * as NodeFlags from "./NodeFlags.ts"
import * as StartGate from "./StartGate.ts"
import * as WirePipe from "./WirePipe.ts"

/** What a process of Node is started with. */
export interface Program extends GroupLeader.Command {
  /** Node's own flags, the title aside. */
  readonly flags: ReadonlyArray<string>
  readonly title: string
  /** The main module, and what it is told. */
  readonly args: ReadonlyArray<string>
}

/** A process, until nothing is left of its group. */
export interface WiredProcess extends GroupLeader.GroupLeader {
  readonly program: Program
  /** The wire: this end dialled. */
  readonly socket: Socket.Socket
}

/** All arguments that the program is started with. */
export const argumentsOf = ({ args, flags, title }: Program): ReadonlyArray<string> => [
  ...flags,
  NodeFlags.titleFlag(title),
  ...args
]

/** Starts it. Must not be interrupted; if it fails, nothing is left. */
export const start = Effect.fnUntraced(function* (
  stock: ChildProcessSpawner["Service"],
  program: Program,
  care: GroupLeader.Care
): Effect.fn.Return<WiredProcess, PlatformError> {
  const { net: caught, spawner } = WirePipe.catcher(stock)
  const leader = yield* GroupLeader.start(
    spawner,
    { ...program, args: argumentsOf(program) },
    care,
    "wire"
  ).pipe(Effect.onError(() => Effect.sync(() => caught()?.destroy())))
  const net = caught()
  if (net === undefined) {
    yield* leader.gone()
    return yield* Effect.die(
      new Error(
        "the ChildProcessSpawner does not start processes by Node's own means, and the wire is a socket of Node's: " +
          "provide NodeActor.layer, or one over NodeChildProcessSpawner"
      )
    )
  }
  const socket = yield* Scope.provide(
    WirePipe.make(net, leader.isGated ? StartGate.Open : undefined),
    leader.pipes
  )
  return { ...leader, program, socket }
})
