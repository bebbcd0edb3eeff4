/** Which of this process's flags a child inherits. */
import { describe, expect, it } from "@effect/vitest"
import { Worker } from "node:worker_threads"
import {
  identityFlag,
  inheritedExecArgv,
  inheritedNodeOptions
} from "../../packages/node/src/internal/NodeFlags.ts"

describe("execArgv", () => {
  const kept = (...execArgv: ReadonlyArray<string>) => inheritedExecArgv(execArgv)

  it("keeps what changes how modules are found and how much memory there is, with its values", () => {
    const flags = [
      "--import",
      "tsx",
      "--import=data:text/javascript,1",
      "-r",
      "./hook.cjs",
      "--conditions",
      "source",
      "-C",
      "source",
      "--max-old-space-size=100",
      "--enable-source-maps"
    ]
    expect(kept(...flags)).toEqual(flags)
  })

  it("drops inspectors, watchers and test runners, with their values", () => {
    expect(
      kept(
        "--inspect",
        "--inspect-brk=0.0.0.0:0",
        "--inspect_brk",
        "--inspect-port",
        "9230",
        "--watch",
        "--watch-path",
        "./src",
        "--test",
        "--test-reporter",
        "spec",
        "--test-reporter-destination=out",
        "--import",
        "tsx"
      )
    ).toEqual(["--import", "tsx"])
  })

  it("drops programs given on the command line", () => {
    for (const flag of ["-e", "-p", "-pe", "--eval", "--print"]) {
      expect(kept("--enable-source-maps", flag, "console.log(1)", "--input-type=module")).toEqual([
        "--enable-source-maps"
      ])
    }
    expect(kept("--eval=1", "--experimental-eventsource")).toEqual(["--experimental-eventsource"])
  })

  it("drops what this process was given for itself: its title, its user", () => {
    const [identity = ""] = identityFlag(1, 2)
    expect(kept(identity, "--title=furrow:root/me", "--trace-warnings")).toEqual([
      "--trace-warnings"
    ])
  })
})

describe("a thread of a process that was given a user", () => {
  it("leaves the user as it is", () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker("", { eval: true, execArgv: identityFlag(1, 2) })
      worker.on("error", reject)
      worker.on("exit", () => resolve())
    }))
})

describe("NODE_OPTIONS", () => {
  it("is split at spaces outside of quotes, and keeps its text", () => {
    expect(
      inheritedNodeOptions(
        '--inspect=9229 --require "./a file.js"  --title "a \\" b" --max-old-space-size=100'
      )
    ).toBe('--require "./a file.js" --max-old-space-size=100')
    expect(inheritedNodeOptions("--inspect-brk")).toBe("")
  })
})
