/**
 * Effect's own effect/rpc as it comes, over a Unix socket to a child process, in its binary encoding.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { scratch } from "../scratch.mjs"
import { operations } from "../EffectCalls.ts"
import type { Child, Peer } from "../Peer.ts"
import { Measured, serialization } from "./stock.group.mjs"

const file = fileURLToPath(new URL("./stock.child.mjs", import.meta.url))

let last = 0

const start = async (encoding: string): Promise<Child> => {
  const path = join(scratch, `furrow-bench-stock-${process.pid}-${++last}.sock`)
  const running = spawn(process.execPath, [file, encoding, path], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  await once(running.stdout, "data")
  const run = Effect.runPromise
  const scope = Scope.makeUnsafe()
  const protocol = RpcClient.layerProtocolSocket().pipe(
    Layer.provide(NodeSocket.layerNet({ path })),
    Layer.provide(serialization(encoding))
  )
  const client = await run(
    Effect.gen(function* () {
      const context = yield* Layer.build(protocol)
      return yield* Effect.provide(RpcClient.make(Measured), context)
    }).pipe(Scope.provide(scope))
  )
  return {
    ...operations(client),
    pid: running.pid,
    stop: async () => {
      const exit = once(running, "exit")
      running.kill("SIGTERM")
      await run(Scope.close(scope, Exit.void))
      await exit
      rmSync(path, { force: true })
    }
  }
}

/** Opens it, with another encoding if told so. */
export const open = async (encoding = "binary"): Promise<Peer> => ({
  kind: "process",
  spawn: () => start(encoding)
})
