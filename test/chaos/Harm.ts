/**
 * What a process does to itself: ends, blocks its thread, spoils its wire.
 *
 * Answers for doing it for real, by the means of Node and of the system alone. When, and what must come of it, is not
 * known here.
 */
import { spawn, spawnSync } from "node:child_process"
import { writeSync } from "node:fs"
import { Socket } from "node:net"
import type { Harm } from "./Plan.ts"

/** The exit code of a process that ends because it was to. */
export const ExitCode = 7

/** The descriptor that an actor's wire is on. */
const WireFd = 3

/** Lets go of the wire, as Furrow has opened it. */
const sever = (): void => {
  const handles: unknown = Reflect.get(process, "_getActiveHandles").call(process)
  for (const handle of Array.isArray(handles) ? handles : []) {
    if (!(handle instanceof Socket)) continue
    const inner: unknown = Reflect.get(handle, "_handle")
    if (typeof inner === "object" && inner !== null && Reflect.get(inner, "fd") === WireFd) {
      handle.destroy()
    }
  }
}

/** Says on the wire what no session says, past whoever writes there otherwise. */
const say = (bytes: Uint8Array): void => {
  try {
    writeSync(WireFd, bytes)
  } catch {
    // It takes nothing now, or nobody is there.
  }
}

/** The length of a frame that would have so many bytes, and fewer of them. */
const halfFrame = (): Buffer => {
  const bytes = Buffer.alloc(4 + 20, "x")
  bytes.writeUInt32BE(4000)
  return bytes
}

/** No length of a frame, nor any frame. */
const garbage = Buffer.alloc(200, 0xfe)

/** Blocks the thread, and is busy. */
export const loopForEver = (): never => {
  for (;;);
}

const untilMillis = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

/** All there is, and more. */
const growing = (): never => {
  const all: Array<Array<number>> = []
  for (;;) all.push(Array.from({ length: 100_000 }, (_, n) => n * 1.5))
}

/** Does it, at once. `fail` lets the actor's root fail. */
export const inflict = (harm: Harm, fail: () => void): void => {
  switch (harm) {
    case "exits":
      process.exit(ExitCode)
      break
    case "throws outside of Effect":
      setImmediate(() => {
        throw new Error("thrown by chaos")
      })
      break
    case "rejects a promise":
      void Promise.reject(new Error("rejected by chaos"))
      break
    case "runs out of memory":
      growing()
      break
    case "severs its wire":
      sever()
      break
    case "breaks off in half a frame":
      say(halfFrame())
      sever()
      break
    case "stops in half a frame":
      say(halfFrame())
      break
    case "writes garbage":
      speakGarbage()
      break
    case "fails":
      fail()
      break
    case "loops for ever":
      loopForEver()
      break
    case "waits for ever":
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      break
    case "sits in a native call":
      spawnSync("sleep", ["1000"])
      break
    case "loops a while":
      untilMillis(300)
      break
  }
}

/** Says what is no frame. */
export const speakGarbage = (): void => say(garbage)

/** A program of an actor, in its process group, that nothing ends by itself. */
export const startProgram = (kind: "plain" | "deaf"): void => {
  const script =
    kind === "deaf" ? "trap '' TERM INT HUP; sleep 1000; sleep 1000" : "sleep 1000; sleep 1000"
  spawn("sh", ["-c", script], { stdio: "ignore" }).unref()
}
