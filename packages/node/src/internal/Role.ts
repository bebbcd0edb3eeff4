/**
 * What this process, or thread, was started to be: a program of its own, or an actor.
 *
 * Answers for telling which, and for what is said, and done, to one that was started in a way that it cannot be run in.
 */
import { basename } from "node:path"
import { isMainThread } from "./MainThread.ts"
import { RolePrefix } from "./RolePrefix.ts"
import { exitFlushed } from "./Signals.ts"
import * as Thread from "./Thread.ts"
import * as WireFd from "./WireFd.ts"

/** The process was started in a way that it cannot be run in (EX_USAGE). */
const MisusedCode = 64

/** Says so, and ends the process. */
export const misused = (text: string): void => {
  process.stderr.write(`${text}\n`)
  exitFlushed(MisusedCode)
}

/** The name of the actor that this process was started for, if it was. */
export const name = (): string | undefined => {
  const argument = process.argv[2]
  return argument?.startsWith(RolePrefix) === true ? argument.slice(RolePrefix.length) : undefined
}

let isTaken = false

/** From now on this process, or thread, runs the actor that it was started for. */
export const take = (): void => {
  isTaken = true
}

/** The name of the actor that this process was started for, if it is one that it does not run. */
export const notTaken = (): string | undefined => (isTaken ? undefined : name())

/** What this program is called. */
export const file = (): string => basename(process.argv[1] ?? "This file")

/** Whether somebody who could talk to this process, or thread, has started it. */
export const hasWire = (): boolean =>
  isMainThread() ? WireFd.isThere() : Thread.ports() !== undefined

/** It was given a role by hand. */
export const withoutWire = (name: string): string =>
  `${file()} was started as the actor "${name}", but nobody who could talk to it has started it: descriptor ${WireFd.Fd} is no socket. Actors are started by Nursery.spawn; leave out the argument "${RolePrefix}${name}".`

/** An actor's module was run by hand. */
export const byHand = (name: string): string =>
  `${file()} runs the actor "${name}". It is started by the program that needs it, not by hand:

  Nursery.spawn(${name}, { main: new URL("./${file()}", import.meta.url) })
`

/** It was given the role of an actor that it does not run. */
export const otherName = (name: string, known: ReadonlyArray<string>): string =>
  `${file()} was started as the actor "${name}", but it runs ${known.map((other) => `"${other}"`).join(", ") || "no actor"}. Check the "main" that "${name}" is spawned with.`

/** A main program was given the role of an actor. */
export const asRoot = (name: string): string =>
  `${file()} was started as the actor "${name}", but it is the main program and runs no actor. Give "main" the module that runs ${name}'s program, or run both from this file with NodeActor.main.`
