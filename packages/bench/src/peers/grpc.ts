/** gRPC in JavaScript (`@grpc/grpc-js`) over a Unix socket. */
import { credentials } from "@grpc/grpc-js"
import type { Client, ClientDuplexStream, ClientReadableStream } from "@grpc/grpc-js"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { scratch } from "../scratch.mjs"
import type { Payload, Peer } from "../Peer.ts"
import { check } from "../Workload.ts"
import { Measured } from "./grpc.service.mjs"

type Unary<I, O> = (request: I, answer: (error: Error | null, response: O) => void) => void

/** What the package makes of the service's definition at run time. */
interface MeasuredClient extends Client {
  readonly Echo: Unary<Payload, Payload>
  readonly IsPrime: Unary<{ readonly n: number }, { readonly prime: boolean }>
  readonly Items: (request: { readonly n: number }) => ClientReadableStream<{
    readonly size: number
  }>
  readonly Chunks: (request: {
    readonly n: number
    readonly size: number
  }) => ClientReadableStream<{ readonly data: Uint8Array }>
  readonly Rally: () => ClientDuplexStream<{ readonly n: number }, { readonly n: number }>
  readonly Stop: Unary<object, object>
}

const file = fileURLToPath(new URL("./grpc.child.mjs", import.meta.url))

const each = <A>(stream: ClientReadableStream<A>, take: (value: A) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.on("data", take)
    stream.on("end", resolve)
    stream.on("error", reject)
  })

let last = 0

/** Opens it. */
export const open = async (): Promise<Peer> => ({
  kind: "process",
  spawn: async () => {
    const path = join(scratch, `furrow-bench-grpc-${process.pid}-${++last}.sock`)
    const child = spawn(process.execPath, [file, `unix:${path}`], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    await once(child.stdout, "data")
    const client = new Measured(`unix:${path}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1
    }) as Client as MeasuredClient
    const call = <I, O>(method: Unary<I, O>, request: I): Promise<O> =>
      new Promise((resolve, reject) => {
        method.call(client, request, (error, response) =>
          error === null ? resolve(response) : reject(error)
        )
      })
    return {
      pid: child.pid,
      echo: (value) => call(client.Echo, value),
      isPrime: async (n) => (await call(client.IsPrime, { n })).prime,
      items: async (n) => {
        let count = 0
        let sum = 0
        await each(client.Items({ n }), ({ size }) => {
          count++
          sum += size
        })
        return { count, sum }
      },
      chunks: async (n, size) => {
        let bytes = 0
        await each(client.Chunks({ n, size }), ({ data }) => {
          bytes += data.byteLength
        })
        return bytes
      },
      pingPong: async () => {
        const rally = client.Rally()
        let arrived: (n: number) => void
        rally.on("data", ({ n }: { readonly n: number }) => arrived(n))
        return {
          rally: async (from, millis) => {
            const end = performance.now() + millis
            let next = from
            do {
              const pong = await new Promise<number>((resolve) => {
                arrived = resolve
                rally.write({ n: next })
              })
              check(pong, next, "pong")
              next++
            } while (performance.now() < end)
            return next
          },
          close: async () => {
            const ended = once(rally, "end")
            rally.end()
            await ended
          }
        }
      },
      stop: async () => {
        const exit = once(child, "exit")
        // It may be gone before its answer is.
        client.Stop({}, () => {})
        await exit
        client.close()
        rmSync(path, { force: true })
      }
    }
  }
})
