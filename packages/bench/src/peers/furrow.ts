/**
 * Furrow, as its users have it: an actor in a process of its own, started by a nursery, with everything on that is on by
 * default.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as NodeSpawner from "@furrow/node/NodeSpawner"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ActorPool from "furrow/ActorPool"
import * as Nursery from "furrow/Nursery"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { scratch } from "../scratch.mjs"
import { operations } from "../EffectCalls.ts"
import type { Child, Peer, Tree } from "../Peer.ts"
import { check } from "../Workload.ts"
import { Branch, Measured } from "./furrow.actor.ts"

const main = new URL("./furrow.main.ts", import.meta.url)
const branchMain = new URL("./furrow.branch.main.ts", import.meta.url)

const spawn = Effect.gen(function* (): Effect.fn.Return<
  Child,
  unknown,
  Nursery.Nursery | NodeActor.Services
> {
  const { client, pid, stop } = yield* Nursery.spawn(Measured, { main })
  const run = Effect.runPromise
  return {
    ...operations(client),
    pid,
    stop: () => run(stop),
    pingPong: () =>
      run(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const dialog = yield* Scope.provide(client.Rally(), scope)
          return {
            rally: (from: number, millis: number) =>
              run(
                Effect.gen(function* () {
                  const end = performance.now() + millis
                  let next = from
                  yield* dialog.send(next)
                  yield* Stream.runForEachWhile(dialog.messages, (pong) => {
                    check(pong, next, "pong")
                    next++
                    return performance.now() < end
                      ? Effect.as(dialog.send(next), true)
                      : Effect.succeed(false)
                  })
                  return next
                })
              ),
            close: () => run(Scope.close(scope, Exit.void))
          }
        })
      ),
    download: (size) => run(Effect.map(client.Download({ size }), (value) => value.byteLength)),
    upload: (value) => run(client.Upload({ value })),
    openDialogs: (n) =>
      run(
        Effect.gen(function* () {
          const scope = yield* Scope.make("parallel")
          yield* Effect.forEach(
            Array.from({ length: n }),
            () => Scope.provide(client.Rally(), scope),
            { concurrency: "unbounded", discard: true }
          )
          return { close: () => run(Scope.close(scope, Exit.void)) }
        })
      ),
    memory: () =>
      run(
        Effect.gen(function* () {
          const { held } = yield* Effect.promise(() => import("../collectGarbage.mjs"))
          return { callee: yield* client.Held(), caller: held() }
        })
      )
  }
})

const startPool = (size: number) =>
  Effect.map(ActorPool.make(Measured, { main, size }), ({ client, stop }): Child => ({
    ...operations(client),
    pid: undefined,
    stop: () => Effect.runPromise(stop)
  }))

/** A block of its own: what a root is in a program. */
const grow = Effect.fnUntraced(function* (middles: number, leaves: number) {
  const directory = mkdtempSync(join(scratch, "furrow-bench-"))
  const notes = join(directory, "notes")
  const grown = yield* Deferred.make<ReadonlyArray<number>>()
  const root = yield* Effect.forkDetach(
    Nursery.run(
      Effect.gen(function* () {
        const pids = yield* Effect.forEach(
          Array.from({ length: middles }),
          Effect.fnUntraced(function* () {
            const { client, pid } = yield* Nursery.spawn(Branch, {
              main: branchMain,
              arguments: { notes }
            })
            return [pid ?? 0, ...(yield* client.Grow({ leaves }))]
          }),
          { concurrency: "unbounded" }
        )
        yield* Deferred.succeed(grown, pids.flat())
        return yield* Effect.never
      })
    )
  )
  const pids = yield* Effect.raceFirst(Deferred.await(grown), Fiber.join(root))
  const cancel = async () => {
    await Effect.runPromise(Fiber.interrupt(root))
    const left = readFileSync(notes, "utf8").trim().split("\n")
    rmSync(directory, { recursive: true })
    check(left.sort().join(), pids.map(String).sort().join(), "actors that ran their finalizers")
  }
  return { pids, cancel } satisfies Tree
})

/** Opens a block that stays open until the peer is closed, and keeps so many spares. */
export const openWith = (spares: number): Promise<Peer> =>
  new Promise((resolve, reject) => {
    const block = Effect.gen(function* () {
      const closing = yield* Deferred.make<void>()
      const run = Effect.runPromiseWith(
        yield* Effect.context<Nursery.Nursery | NodeActor.Services>()
      )
      resolve({
        kind: "process",
        ready: () => run(NodeSpawner.awaitSpares),
        spawn: () => run(spawn),
        pool: (size) => run(startPool(size)),
        tree: (middles, leaves) => run(grow(middles, leaves)),
        close: async () => {
          Deferred.doneUnsafe(closing, Exit.void)
          await ended
        }
      })
      yield* Deferred.await(closing)
    })
    const ended = Nursery.run(block).pipe(
      Effect.provide(NodeActor.layer),
      Effect.provideService(NodeSpawner.Spares, { count: spares }),
      Effect.runPromise
    )
    ended.catch(reject)
  })

/** Opens it as it is by default. */
export const open = (): Promise<Peer> => openWith(0)
