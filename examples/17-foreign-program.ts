/**
 * Programs that are not ours, inside of an actor: one that is fed and read, one that fails, and one that would never end.
 * None of them outlives its operation, nor the actor, whatever becomes of that.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Subprocess from "@furrow/node/Subprocess"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Nursery from "furrow/Nursery"

const NotRun = Schema.Union([Subprocess.SubprocessFailed, Subprocess.SubprocessNotStarted])

const Largest = Rpc.make("Largest", {
  payload: { numbers: Schema.Array(Schema.Int), count: Schema.Int },
  success: Schema.Array(Schema.Int),
  error: NotRun
})
const Backup = Rpc.make("Backup", { error: NotRun })
const Serve = Rpc.make("Serve", { success: Schema.Int, error: NotRun, stream: true })

class Tools extends Actor.make("Tools", [Largest, Backup, Serve]) {}

const ToolsLive = Tools.toLayer({
  // Fed and read at its own pace. It would go on: leaving the operation ends it.
  Largest: Effect.fnUntraced(function* ({ count, numbers }) {
    const sort = yield* Subprocess.start("sort", ["-rn"], {
      stdin: Stream.map(Stream.fromIterable(numbers), (n) => `${n}\n`)
    })
    return yield* sort.stdout.pipe(Stream.take(count), Stream.map(Number), Stream.runCollect)
  }),
  // Its output would be on stderr, as `[root/Tools/backup] …`.
  Backup: () =>
    Subprocess.run("sh", ["-c", "echo 'the disk is full' >&2; exit 3"], {
      label: "backup",
      stderr: "silent"
    }),
  // A program with a child of its own, which ends when nobody reads the stream any more.
  Serve: () =>
    Stream.unwrap(
      Effect.map(Subprocess.start("sh", ["-c", "echo $$; sleep 1000 & wait"]), (server) =>
        Stream.map(server.stdout, Number)
      )
    )
})

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const program = Nursery.run(
  Effect.gen(function* () {
    const { client } = yield* Nursery.spawn(Tools)
    const numbers = [3, 14, 15, 92, 65, 35]
    yield* Console.log(`the largest: ${(yield* client.Largest({ numbers, count: 2 })).join(", ")}`)

    yield* client
      .Backup()
      .pipe(
        Effect.catchTag("SubprocessFailed", ({ exit, stderr }) =>
          Console.log(`backup: code ${exit.code}, "${stderr.trim()}"`)
        )
      )

    const say = (pid: number) => Console.log(`the server is ${isRunning(pid) ? "up" : "gone"}`)
    const pids = yield* client.Serve().pipe(Stream.tap(say), Stream.take(1), Stream.runCollect)
    yield* Effect.forEach(pids, say)
  })
)

NodeActor.main(import.meta, [Tools.program(ToolsLive)], program)

// Output:
// the largest: 92, 65
// backup: code 3, "the disk is full"
// the server is up
// the server is gone
