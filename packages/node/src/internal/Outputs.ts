/**
 * The outputs of this process, which many write to at once.
 *
 * Answers for nobody dying of an output whose reader has gone, for telling that to whoever wants to know, and for
 * waiting until what was written has been passed on. What follows from it is `Signals`'s, and what is written is not
 * known here.
 */
import type { Writable } from "node:stream"

/** What an output fails with when nobody reads it any more: a pipe or socket that was closed, a terminal that is gone. */
const Gone = new Set(["EPIPE", "EIO", "ECONNRESET"])

/** Whether this is what a write fails with when nobody reads its output any more. */
export const isGone = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  typeof error.code === "string" &&
  Gone.has(error.code)

/** The one listener of an output, as long as somebody needs it. */
class Guard {
  users = 0
  gone = false
  readonly told = new Set<() => void>()
  private readonly output: Writable

  constructor(output: Writable) {
    this.output = output
    output.on("error", this.onError)
  }

  readonly onError = (error: Error): void => {
    if (!isGone(error)) return
    this.gone = true
    // Whoever listens for errors of an output decides what follows from them.
    if (this.output.listenerCount("error") > 1) return
    for (const tell of this.told) tell()
  }
}

const guards = new Map<Writable, Guard>()

/** A hold on an output. */
export interface Guarded {
  /** Whether its reader has gone: what is written from now on is for nobody. */
  readonly isGone: () => boolean
  /** Lets go of it. */
  readonly release: () => void
}

/**
 * Makes an output fit to be written to by many: a failed write harms nobody as long as it is held. `onGone` is called when
 * one has failed because the output's reader has gone, unless somebody else listens for its errors.
 */
export const guard = (output: Writable, onGone?: () => void): Guarded => {
  const held = guards.get(output) ?? new Guard(output)
  guards.set(output, held)
  held.users++
  if (onGone !== undefined) held.told.add(onGone)
  return {
    isGone: () => held.gone,
    release: () => {
      if (onGone !== undefined) held.told.delete(onGone)
      if (--held.users > 0) return
      guards.delete(output)
      // Node reports a failed write to its callback first and to the listeners afterwards.
      setImmediate(() => output.off("error", held.onError))
    }
  }
}

/** Calls back when both outputs, which are guarded, have passed on what was written to them, or never will. */
export const whenFlushed = (done: () => void): void => {
  const outputs = [process.stdout, process.stderr].filter(
    (output) => output.writable && output.writableLength > 0
  )
  let left = outputs.length + 1
  // Not before a write that has failed was told to those who listen.
  const flushed = () => void setImmediate(() => --left === 0 && done())
  for (const output of outputs) output.write("", flushed)
  flushed()
}
