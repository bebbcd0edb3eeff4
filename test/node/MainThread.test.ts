/** Whether it is the main thread: as Node says it, whether the system tells or not. */
import { describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { isMainThread as said, Worker } from "node:worker_threads"
import { isMainThread } from "../../packages/node/src/internal/MainThread.ts"

describe("the main thread", () => {
  it("is told from others", async () => {
    const module = new URL("../../packages/node/src/internal/MainThread.ts", import.meta.url)
    const worker = new Worker(
      `import(${JSON.stringify(module.href)}).then(({ isMainThread }) =>
        require("node:worker_threads").parentPort.postMessage(
          ["/proc/thread-self", "/no/such/file", "/proc/self"].map((source) => isMainThread(source))))`,
      { eval: true, execArgv: [], env: {} }
    )
    const [found] = await once(worker, "message")
    expect(found).toEqual([false, false, false])
  })

  it("is what Node says where the system does not tell", () => {
    for (const source of ["/no/such/file", "/proc/self", undefined]) {
      expect(isMainThread(source)).toBe(said)
    }
  })
})
