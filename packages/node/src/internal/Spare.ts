/**
 * The main module of a spare: it loads what every actor loads, waits to be told whose program it is, and becomes that.
 *
 * Answers for the program finding itself as if it had been started afresh: arguments, flags, title, directory and
 * environment, and being the main module. It ends when nobody can tell it any more.
 */
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import Module from "node:module"
import * as SpareOrder from "./SpareOrder.ts"
import { rehearse } from "./SpareRehearsal.ts"
import { Fd } from "./WireFd.ts"

const say = (word: number): void => {
  writeSync(Fd, Uint8Array.of(word))
}

/** Becomes the process that was asked for. */
const become = ({ args, cwd, env, execArgv, main, title }: SpareOrder.Order): void => {
  for (const [name, value] of Object.entries(env)) {
    if (value === null) delete process.env[name]
    else process.env[name] = value
  }
  if (cwd !== undefined && cwd !== process.cwd()) {
    process.chdir(cwd)
    // As the shell at the gate has it.
    if ("PWD" in process.env) process.env["PWD"] = process.cwd()
  }
  process.argv.splice(1, Infinity, main, ...args)
  process.execArgv.splice(0, Infinity, ...execArgv)
  process.title = title
}

// Every actor has its outputs looked after, and they are loaded and opened when they are first seen.
void [process.stdout, process.stderr]
// An actor comes up without it as well, later.
await Effect.runPromise(Effect.ignore(rehearse))
say(SpareOrder.Ready)
const order = SpareOrder.read(Fd)
if (order === undefined) process.exit(0)
become(order)
say(SpareOrder.Taken)
Module.runMain(order.main)
