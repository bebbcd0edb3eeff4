/**
 * Whether the system has room for one more process, and what to say when it has not.
 *
 * Answers for the limits of descriptors, processes and memory that a system sets; those that a nursery sets are its own.
 */
import { closeSync, openSync } from "node:fs"

/**
 * How many descriptors one more process takes for a moment: two for its wire and for each standard stream, those by
 * which the system tells how starting it went, its guardian's, and one that it opens itself.
 */
const Descriptors = 12

const noRoom: Readonly<Record<string, string>> = {
  EAGAIN: `no more processes may run (EAGAIN); the limit is that of this user ("ulimit -u") or of its control group ("pids.max")`,
  EMFILE: `this process may open no more files (EMFILE); the limit is that of "ulimit -n"`,
  ENFILE: `nobody may open more files (ENFILE); the limit is that of the system ("fs.file-max")`,
  ENOMEM: `no memory is left for one more process (ENOMEM)`
}

/** What there is no room for, if this is an error of that kind. */
export const lack = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  return "code" in error && typeof error.code === "string" ? noRoom[error.code] : lack(error.cause)
}

/**
 * Looks whether there are descriptors enough for one more process: what there is no room for, if there are not. Node
 * loses those it has opened already when they run out at the last step of a start.
 */
export const lackOfDescriptors = (): string | undefined => {
  const opened: Array<number> = []
  try {
    while (opened.length < Descriptors) opened.push(openSync("/dev/null", "r"))
    return undefined
  } catch (error) {
    return lack(error)
  } finally {
    for (const descriptor of opened) closeSync(descriptor)
  }
}
