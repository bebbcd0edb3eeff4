/** Programs of Node seen from outside: exit codes, signals, what is printed, and programs started the wrong way. */
import { describe, expect, it } from "@effect/vitest"
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Child from "./Child.ts"
import { isAlive, killGroup, untilDead } from "./Pids.ts"
import * as Program from "./Program.ts"

/** How often a text contains another. */
const times = (text: string, part: string) => text.split(part).length - 1

describe("a root", () => {
  it.live("that succeeds exits 0 and leaves no listener", () =>
    Effect.gen(function* () {
      const program = yield* Program.start("root.ts", ["succeed"])
      expect(yield* program.ended).toEqual({
        code: 0,
        signal: null,
        stdout: "listeners: 1 1 1 1 1 1 -> 0 0 0 0 0 0\n",
        stderr: ""
      })
    }).pipe(Effect.scoped)
  )

  for (const [how, text] of [
    ["fail", "the program's own error"],
    ["die", "the program's own defect"]
  ] as const) {
    it.live(`whose effect ends with ${how} exits 1 and prints why, once, to stderr`, () =>
      Effect.gen(function* () {
        const ended = yield* (yield* Program.start("root.ts", [how])).ended
        expect(ended.code).toBe(1)
        expect(ended.stdout).toBe("")
        expect(times(ended.stderr, text)).toBe(1)
      }).pipe(Effect.scoped)
    )
  }

  it.live("exits with its error's own code", () =>
    Effect.gen(function* () {
      expect((yield* (yield* Program.start("root.ts", ["coded"])).ended).code).toBe(7)
    }).pipe(Effect.scoped)
  )

  it.live("that interrupts itself exits 130 and prints nothing", () =>
    Effect.gen(function* () {
      expect(yield* (yield* Program.start("root.ts", ["interrupted"])).ended).toEqual({
        code: 130,
        signal: null,
        stdout: "",
        stderr: ""
      })
    }).pipe(Effect.scoped)
  )

  it.live("has passed on all it wrote before it exits", () =>
    Effect.gen(function* () {
      const program = yield* Program.start("root.ts", ["flood"])
      program.process.stdout.pause()
      yield* program.until("stderr", /after the flood/)
      program.process.stdout.resume()
      const ended = yield* program.ended
      expect(ended.code).toBe(1)
      expect(ended.stdout.length).toBe(4_000_005)
      expect(ended.stdout.endsWith("\nend\n")).toBe(true)
    }).pipe(Effect.scoped)
  )
})

describe("signals", () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129]
  ] as const) {
    it.live(`${signal} runs the finalizers and exits ${code}`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start("root.ts", ["wait"])
        yield* program.until("stdout", /ready/)
        program.process.kill(signal)
        expect(yield* program.ended).toEqual({
          code,
          signal: null,
          stdout: "ready\nreleased\n",
          stderr: ""
        })
      }).pipe(Effect.scoped)
    )

    it.live(`${signal} exits ${code} also when a finalizer dies, whose error is printed`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start("root.ts", ["dyingFinalizer"])
        yield* program.until("stdout", /ready/)
        program.process.kill(signal)
        const ended = yield* program.ended
        expect(ended.code).toBe(code)
        expect(times(ended.stderr, "the finalizer's own defect")).toBe(1)
      }).pipe(Effect.scoped)
    )
  }

  it.live("the second of any kind ends a finalizer and every child's group at once", () =>
    Effect.gen(function* () {
      const program = yield* Program.start("root.ts", ["stubborn"])
      const [, child, inGroup] = yield* program.until("stdout", /(\d+) (\d+)\n/)
      yield* Effect.addFinalizer(() => Effect.sync(() => killGroup(Number(child))))
      program.process.kill("SIGTERM")
      yield* program.until("stdout", /finalizing/)
      expect(isAlive(Number(child))).toBe(true)
      program.process.kill("SIGINT")
      expect((yield* program.ended).code).toBe(143)
      yield* untilDead(Number(child))
      yield* untilDead(Number(inGroup))
    }).pipe(Effect.scoped)
  )

  it.live("a layer alone installs no handler", () =>
    Effect.gen(function* () {
      const count = () => ["SIGINT", "SIGTERM", "SIGHUP"].map((name) => process.listenerCount(name))
      const before = count()
      yield* Effect.scoped(Layer.build(NodeActor.layer))
      yield* Effect.sync(() => expect(count()).toEqual(before)).pipe(
        Effect.provide(NodeActor.layer)
      )
    })
  )
})

describe("output of children", () => {
  it.live("SUB-1: is passed on line by line with the actor's path, the last line too", () =>
    Effect.gen(function* () {
      const ended = yield* (yield* Program.start("root.ts", ["lines"])).ended
      expect(ended.stdout).toBe(
        "[root/obedient] one\n[root/obedient] two\n[root/obedient] three\nlisteners: 1 1 1 1 1 1 -> 0 0 0 0 0 0\n"
      )
      expect(ended.stderr).toBe("[root/obedient] four\n")
    }).pipe(Effect.scoped)
  )

  it.live("F25 that nobody reads ends the root in order, quietly, with 141, as SIGPIPE would", () =>
    Effect.gen(function* () {
      const program = yield* Program.start("root.ts", ["closedOutput"])
      yield* program.until("stderr", /ready/)
      program.process.stdout.destroy()
      program.process.stdin.end()
      const ended = yield* program.ended
      expect(ended.stderr).toBe("ready\nreleased\n")
      expect(ended.code).toBe(141)
    }).pipe(Effect.scoped)
  )

  it.live(
    "F25 that nobody reads is dropped when the program listens for errors of stdout itself",
    () =>
      Effect.gen(function* () {
        const program = yield* Program.start("root.ts", ["closedOutput", "listens"])
        yield* program.until("stderr", /ready/)
        program.process.stdout.destroy()
        program.process.stdin.end()
        const ended = yield* program.ended
        expect(ended.stderr).toBe("ready\ntold of EPIPE\nreleased\n")
        expect(ended.code).toBe(0)
      }).pipe(Effect.scoped)
  )
})

describe("no room", () => {
  it.live("in the system's table of files is a SpawnError LimitReached", () =>
    Effect.gen(function* () {
      const program = yield* Program.start("root.ts", ["many"], {
        shell: 'ulimit -n 40; exec "$@"'
      })
      const ended = yield* program.ended
      expect(ended.stdout).toMatch(/^LimitReached .*EMFILE/)
      expect(ended.code).toBe(0)
    }).pipe(Effect.scoped)
  )
})

describe("a program started the wrong way exits 64 and says", () => {
  const byHand = Effect.fnUntraced(function* (fixture: string, args: ReadonlyArray<string>) {
    const ended = yield* (yield* Program.start(fixture, args)).ended
    expect(ended.code).toBe(64)
    expect(ended.stdout).toBe("")
    return ended.stderr
  }, Effect.scoped)

  /** What a module says that was spawned with a wire, as the actor "Obedient". */
  const spawned = Effect.fnUntraced(
    function* (fixture: string) {
      const child = yield* Child.spawn({
        main: new URL(`./fixtures/${fixture}`, import.meta.url),
        stderr: "pipe"
      })
      expect(yield* child.exit).toEqual({ code: 64 })
      return yield* child.stderrTail
    },
    Effect.scoped,
    Effect.provide(Child.layer)
  )

  it.live("what an actor's module is, run by hand", () =>
    Effect.gen(function* () {
      const text = yield* byHand("actor.ts", [])
      expect(text).toContain('actor.ts runs the actor "Counter"')
      expect(text).toContain("Nursery.spawn(Counter")
    })
  )

  it.live("that nobody is at the other end of the wire", () =>
    Effect.gen(function* () {
      for (const fixture of ["actor.ts", "root.ts", "one-file.ts"]) {
        expect(yield* byHand(fixture, ["furrow:Counter"])).toContain("descriptor 3 is no socket")
      }
    })
  )

  it.live("both names, when it is another actor's", () =>
    Effect.gen(function* () {
      const text = yield* spawned("actor.ts")
      expect(text).toContain('"Obedient"')
      expect(text).toContain('"Counter"')
    })
  )

  it.live("all names, when none of one file's actors is meant", () =>
    Effect.gen(function* () {
      expect(yield* spawned("one-file.ts")).toContain(
        'was started as the actor "Obedient", but it runs "Counter", "Timer"'
      )
    })
  )

  it.live("that it is the main program, spawned as an actor", () =>
    Effect.gen(function* () {
      expect(yield* spawned("root.ts")).toContain("it is the main program and runs no actor")
    })
  )

  it.live("which name stands twice in one file", () =>
    Effect.gen(function* () {
      expect(yield* byHand("one-file.ts", ["twice"])).toContain('two programs called "Counter"')
    })
  )
})

describe("a program of one file", () => {
  it.live("runs its effect as the root, and is the default module of its actors", () =>
    Effect.gen(function* () {
      const ended = yield* (yield* Program.start("one-file.ts", [])).ended
      expect(ended.stdout).toBe(
        `root, main is ${new URL("./fixtures/one-file.ts", import.meta.url).href}\n`
      )
    }).pipe(Effect.scoped)
  )
})

describe("an actor", () => {
  it.live(
    "is run by the file that spawns it; its programs share its group, unless told otherwise",
    () =>
      Effect.gen(function* () {
        const ended = yield* (yield* Program.start("tree.ts", ["groups"])).ended
        expect(ended.stdout).toMatch(
          /^worker \d+\nsame true\nown true\n\[root\/Worker\] released\n$/
        )
        expect(ended.stderr).toBe("")
        expect(ended.code).toBe(0)
      }).pipe(Effect.scoped)
  )

  /** The processes of a tree that waits: the worker, and the program it has started. */
  const waiting = Effect.fnUntraced(function* () {
    const program = yield* Program.start("tree.ts", ["wait"])
    const [, worker, inGroup] = yield* program.until("stdout", /worker (\d+)\nprogram (\d+)\n/)
    yield* Effect.addFinalizer(() => Effect.sync(() => killGroup(Number(worker))))
    return { program, pids: [Number(worker), Number(inGroup)] }
  })

  it.live("BOOT-22: is gone with its programs when the root has exited after a signal", () =>
    Effect.gen(function* () {
      const { pids, program } = yield* waiting()
      program.process.kill("SIGTERM")
      const ended = yield* program.ended
      expect(pids.map(isAlive)).toEqual([false, false])
      expect(ended.code).toBe(143)
      expect(ended.stdout).toContain("[root/Worker] released\n")
      expect(ended.stderr).toBe("")
    }).pipe(Effect.scoped)
  )

  it.live("BOOT-23: is gone with its programs when the root was killed", () =>
    Effect.gen(function* () {
      const { pids, program } = yield* waiting()
      program.process.kill("SIGKILL")
      yield* Effect.forEach(pids, untilDead)
      expect((yield* program.ended).signal).toBe("SIGKILL")
    }).pipe(Effect.scoped)
  )

  it.live("BOOT-20: ends in order at a signal of its own, which is a crash for its owner", () =>
    Effect.gen(function* () {
      const ended = yield* (yield* Program.start("tree.ts", ["exit"])).ended
      expect(ended.stdout).toContain("[root/Worker] released\n")
      expect(times(ended.stderr, "ActorCrashed")).toBe(1)
      expect(ended.stderr).toContain("exited with code 143")
      expect(ended.code).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("that fails says so in one line, and all of it to its owner", () =>
    Effect.gen(function* () {
      const ended = yield* (yield* Program.start("tree.ts", ["broken"])).ended
      expect(ended.stdout).toContain("a layer that is\n")
      expect(ended.stderr).toBe('[root/Broken] The actor "Broken" failed: Error: a layer that is\n')
      expect(ended.code).toBe(0)
    }).pipe(Effect.scoped)
  )
})
