/**
 * The watchdog: a thread inside an actor that ends the actor's group when its parent is gone, where no guardian can.
 *
 * Answers for an actor that is busy or blocked, and for the programs it has started. One that is stopped it cannot end:
 * its threads are stopped with it. And it watches from the moment the actor's program is run, not while that is loaded.
 */
import { Worker } from "node:worker_threads"

/** Stands in front of what an actor is told of its watchdog, in its arguments. */
const Prefix = "furrow:watchdog:"

/** How often it looks, in milliseconds. */
const LookTime = 100

/** The argument that has an actor of this process watched, which has `grace` milliseconds to end by itself. */
export const argument = (grace: number): string => `${Prefix}${process.pid}:${grace}`

/** Somebody else is its parent from the moment that its own is gone. The thread must not need a module: it may be bundled. */
const Code = `
const { workerData: { parent, look, grace } } = require("node:worker_threads")
const never = new Int32Array(new SharedArrayBuffer(4))
const pause = (millis) => Atomics.wait(never, 0, 0, millis)
while (process.ppid === parent) pause(look)
pause(grace)
process.kill(0, "SIGKILL")
`

/** Starts the watchdog of this process, an actor that leads its group, if it was told to have one. Gives whether it was. */
export const start = (args: ReadonlyArray<string>): boolean => {
  const told = args.find((argument) => argument.startsWith(Prefix))
  if (told === undefined) return false
  const [parent, grace] = told.slice(Prefix.length).split(":").map(Number)
  const worker = new Worker(Code, {
    eval: true,
    // Neither the flags nor the preloaded modules of the actor.
    execArgv: [],
    env: {},
    workerData: { parent, look: LookTime, grace },
    // Node takes 7 MiB before the first line is run, and a thread that has no more dies without anybody knowing.
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }
  })
  worker.unref()
  return true
}
