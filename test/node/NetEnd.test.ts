/** One end of a connection, and what is left of the chunks that it has read. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Wire from "furrow/Wire"
import { Socket as NetSocket } from "node:net"
import * as NetEnd from "../../packages/node/src/internal/NetEnd.ts"

const bytes = (length: number) => Buffer.from(new Uint8Array(length).fill(7).buffer)

it.effect("the memory of a chunk that was taken is given back, and of no other", () =>
  Effect.gen(function* () {
    const net = new NetSocket()
    const { socket } = yield* NetEnd.make(() => net, { linger: false })
    const { pull } = yield* socket.reader
    const pulled = bytes(65_536)
    net.push(pulled)
    expect(yield* pull).toEqual([pulled])
    const taken: Array<number> = []
    const flow = Wire.flowOf(pull)!
    flow(
      (chunk) => taken.push(chunk[chunk.length - 1]!),
      () => {}
    )
    const large = bytes(65_536)
    const small = bytes(100)
    // One of several in the same memory.
    const whole = bytes(65_536)
    const part = whole.subarray(0, 32_768)
    for (const chunk of [large, small, part]) net.push(chunk)
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    expect(taken).toEqual([7, 7, 7])
    expect([large, small, part, pulled].map(({ length }) => length)).toEqual([
      0, 100, 32_768, 65_536
    ])
  }).pipe(Effect.scoped)
)
