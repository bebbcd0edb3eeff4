/** What the signs of a death mean, and where the system's own count of kills is found: the texts are recorded ones. */
import { describe, expect, it } from "@effect/vitest"
import { deathOf } from "../../packages/node/src/internal/Death.ts"
import { counterFiles, killsIn, MemoryKills } from "../../packages/node/src/internal/MemoryKills.ts"

const signs = { stderr: "", heapLimit: undefined, memoryKill: false }

const heapFull = `
<--- Last few GCs --->

[31394:0x407c7000]      170 ms: Mark-Compact 66.2 (99.8) -> 65.7 (131.3) MB, pooled: 0 MB, 28.26 / 0.00 ms
FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0x931db0  [node]
`

const heapFullAtStart = `
#
# Fatal JavaScript out of memory: GC during deserialization
#
----- Native stack trace -----
`

describe("why a process has ended", () => {
  it("is not known better for an exit code, or a signal that somebody else sends", () => {
    for (const exit of [{ code: 0 }, { code: 134 }, { signal: "SIGTERM" }, {}]) {
      expect(deathOf(exit, { ...signs, stderr: heapFull, memoryKill: true })).toBeUndefined()
    }
    expect(deathOf({ signal: "SIGKILL" }, { ...signs, stderr: heapFull })).toBeUndefined()
  })

  it("F22 is a heap that was full, in V8's words, at the limit that was set", () => {
    const heap = { _tag: "OutOfMemory", of: "heap" }
    expect(deathOf({ signal: "SIGABRT" }, { ...signs, stderr: heapFull })).toEqual(heap)
    expect(
      deathOf({ signal: "SIGTRAP" }, { ...signs, stderr: heapFullAtStart, heapLimit: 64 })
    ).toEqual({ ...heap, limit: 64 })
  })

  it("F22 is the system's want of memory, by its count of kills or the runtime's words", () => {
    const system = { _tag: "OutOfMemory", of: "system" }
    expect(deathOf({ signal: "SIGKILL" }, { ...signs, memoryKill: true })).toEqual(system)
    for (const stderr of [
      "#\n# Fatal process out of memory: Zone\n#\n",
      "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    ]) {
      expect(deathOf({ signal: "SIGABRT" }, { ...signs, stderr })).toEqual(system)
    }
  })

  it("F1 is a crash of the runtime, with its own words where it has any", () => {
    for (const signal of [
      "SIGABRT",
      "SIGBUS",
      "SIGFPE",
      "SIGILL",
      "SIGSEGV",
      "SIGSYS",
      "SIGTRAP"
    ]) {
      expect(deathOf({ signal }, { ...signs, stderr: "some words\n" })).toEqual({
        _tag: "RuntimeCrash"
      })
    }
    const said = (stderr: string) => deathOf({ signal: "SIGABRT" }, { ...signs, stderr })
    expect(said("x\nFATAL ERROR: v8::ToLocalChecked Empty MaybeLocal\n 1: 0x9")).toEqual({
      _tag: "RuntimeCrash",
      said: "FATAL ERROR: v8::ToLocalChecked Empty MaybeLocal"
    })
    expect(said("\n\n#\n# Fatal error in , line 0\n# unreachable code\n#\n")).toEqual({
      _tag: "RuntimeCrash",
      said: "unreachable code"
    })
    expect(said("node: ../src/x.cc:12: void f(): Assertion `(r) == (0)' failed.\n")).toEqual({
      _tag: "RuntimeCrash",
      said: "node: ../src/x.cc:12: void f(): Assertion `(r) == (0)' failed."
    })
  })
})

const hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`

describe("F22 the system's count of kills for want of memory", () => {
  it("is found with cgroup v2, v1, both, and where a container sees its own part only", () => {
    expect(
      counterFiles(
        "0::/user.slice/user-1000.slice/session-2.scope\n",
        "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
      )
    ).toEqual(["/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope/memory.events"])
    expect(
      counterFiles("0::/\n", "25 1 0:22 / /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n")
    ).toEqual(["/sys/fs/cgroup/memory.events"])
    expect(counterFiles("9:name=systemd:/\n4:memory:/jobs/a:b\n1:cpu:/\n0::/\n", hybrid)).toEqual([
      "/sys/fs/cgroup/unified/memory.events",
      "/sys/fs/cgroup/memory/jobs/a:b/memory.oom_control"
    ])
    expect(
      counterFiles(
        "4:memory:/docker/0123\n",
        "35 31 0:32 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
      )
    ).toEqual(["/sys/fs/cgroup/memory/memory.oom_control"])
    expect(counterFiles("", "")).toEqual([])
  })

  it("is the same word in both versions", () => {
    expect(killsIn("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")).toBe(2)
    expect(killsIn("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")).toBe(1)
    expect(killsIn("oom_kill_disable 0\nunder_oom 0\n")).toBeUndefined()
  })

  it("is laid to as many of those that were killed as it says, and to none that began later", () => {
    let counter: number | undefined = 5
    const kills = new MemoryKills(() => counter)
    const [first, second, third] = [kills.begin(), kills.begin(), kills.begin()]
    expect(first()).toBe(false)
    counter = 7
    expect([first(), second(), third()]).toEqual([true, true, false])
    expect(kills.begin()()).toBe(false)
    counter = undefined
    expect(kills.begin()()).toBe(false)
  })
})
