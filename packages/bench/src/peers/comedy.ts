/** comedy: actors in forked processes. Its messages have no backpressure: the child waits to be told what was taken. */
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { acknowledgeEvery } from "../Payloads.mjs"
import type { Consumed, Payload, Peer } from "../Peer.ts"

/** What is used of the package, which has no types. */
interface Actor {
  readonly createChild: (
    behaviour: string | object,
    options: { readonly mode: "forked" | "in-memory" }
  ) => Promise<Actor>
  readonly send: (topic: string, message: unknown) => Promise<void>
  readonly sendAndReceive: <A>(topic: string, message?: unknown) => Promise<A>
  readonly destroy: () => Promise<void>
}
interface System {
  readonly rootActor: () => Promise<Actor>
  readonly getLog: () => {
    readonly setLevel: (level: unknown) => void
    readonly levels: () => { readonly Error: unknown }
  }
}

/** What comes of a stream. */
interface Message {
  readonly id: number
  readonly value?: { readonly size: number }
  readonly end?: boolean
}

// It looks for what an actor is made of below the root of the application.
process.env["APP_ROOT_PATH"] = dirname(fileURLToPath(import.meta.url))
const comedy: (options: object) => System = createRequire(import.meta.url)("comedy")
const behaviour = "/comedy.child.cjs"

/** Opens it. */
export const open = async (): Promise<Peer> => {
  const quiet = () => {}
  const system = comedy({ log: { error: console.error, warn: quiet, info: quiet, debug: quiet } })
  system.getLog().setLevel(system.getLog().levels().Error)
  const root = await system.rootActor()
  const listening = new Map<number, (message: Message) => void>()
  // Children send to the actor that has created them, so there has to be one.
  const parent = await new Promise<Actor>((resolve, reject) => {
    const own = {
      initialize: (self: Actor) => resolve(self),
      value: (message: Message) => listening.get(message.id)?.(message)
    }
    root.createChild(own, { mode: "in-memory" }).catch(reject)
  })
  let last = 0
  const start = async () => {
    const actor = await parent.createChild(behaviour, { mode: "forked" })
    return { actor, pid: await actor.sendAndReceive<number>("pid") }
  }
  return {
    kind: "process",
    spawn: async () => {
      const { actor, pid } = await start()
      return {
        pid,
        echo: (value) => actor.sendAndReceive<Payload>("echo", value),
        isPrime: (n) => actor.sendAndReceive<boolean>("isPrime", n),
        items: (n) =>
          new Promise<Consumed>((resolve, reject) => {
            const id = ++last
            let count = 0
            let sum = 0
            listening.set(id, ({ end, value }) => {
              if (end === true) {
                listening.delete(id)
                return resolve({ count, sum })
              }
              count++
              sum += value?.size ?? 0
              if (count % acknowledgeEvery === 0) {
                actor.send("ack", { id, n: acknowledgeEvery }).catch(reject)
              }
            })
            actor.send("items", { id, n }).catch(reject)
          }),
        stop: () => actor.destroy()
      }
    },
    tree: async (middles, leaves) => {
      const started = await Promise.all(Array.from({ length: middles }, start))
      const below = await Promise.all(
        started.map(({ actor }) => actor.sendAndReceive<ReadonlyArray<number>>("grow", leaves))
      )
      return {
        pids: [...started.map(({ pid }) => pid), ...below.flat()],
        cancel: async () => {
          await Promise.all(started.map(({ actor }) => actor.destroy()))
        }
      }
    }
  }
}
