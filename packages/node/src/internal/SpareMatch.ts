/**
 * Whether a spare can become what is to be started, and what it has to be told then.
 *
 * Answers for the process being the same as one that was started afresh: what is read at the start and never again has to
 * be the same, all else is told. Telling it is `SparePool`'s.
 */
import { resolve } from "node:path"
import * as NodeFlags from "./NodeFlags.ts"
import type { Order } from "./SpareOrder.ts"
import { argumentsOf } from "./WiredProcess.ts"
import type { Program } from "./WiredProcess.ts"

/** Variables that Node, its libraries and the system read when a process starts. */
const ReadAtStart =
  /^(?:NODE_(?!ENV$)|(?:LD|DYLD|UV|MALLOC|GLIBC|OPENSSL|SSL_CERT|ICU|LC|TZ)_?|LANG)/

const fixedOf = ({ env, file, flags, stderr, stdin, stdout }: Program): string =>
  JSON.stringify([
    file,
    flags,
    stdin === "ignore",
    stdout,
    stderr,
    Object.entries(env)
      .filter(([name, value]) => value !== undefined && ReadAtStart.test(name))
      .sort(([one], [other]) => (one < other ? -1 : 1))
  ])

/** A title takes the place of the arguments in the list of processes, and cannot be longer. */
const hasRoomFor = (title: string, spare: Program): boolean =>
  Buffer.byteLength(title) < Buffer.byteLength([spare.file, ...argumentsOf(spare)].join(" "))

const changes = (
  from: Program["env"],
  to: Program["env"]
): Readonly<Record<string, string | null>> =>
  Object.fromEntries(
    [...new Set([...Object.keys(from), ...Object.keys(to)])]
      .filter((name) => from[name] !== to[name])
      .map((name) => [name, to[name] ?? null])
  )

/** The directory, if there is one: somebody may have removed that of this process. */
const directory = (cwd: string | undefined): string | undefined => {
  try {
    return cwd === undefined ? process.cwd() : resolve(cwd)
  } catch {
    return undefined
  }
}

/** What the spare has to be told to become the other program; nothing if it cannot. */
export const orderFor = (spare: Program, wanted: Program): Order | undefined => {
  if (fixedOf(spare) !== fixedOf(wanted) || !hasRoomFor(wanted.title, spare)) return undefined
  const [main, ...args] = wanted.args
  return main === undefined
    ? undefined
    : {
        main,
        args,
        execArgv: [...wanted.flags, NodeFlags.titleFlag(wanted.title)],
        title: NodeFlags.shown(wanted.title),
        cwd: directory(wanted.cwd),
        env: changes(spare.env, wanted.env)
      }
}
