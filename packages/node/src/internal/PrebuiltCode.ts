/**
 * The one file with all modules, as code: it is run as a script, with what V8 has made of it in an earlier actor's life.
 *
 * Answers for what is kept of that belonging to this very text, this Node and these flags, and for a file of it being
 * whole. Node's own compile cache keeps what is compiled when a file is loaded; what is compiled when it is run first,
 * which is most of what a start runs, it does not know. It loads no module of Node that an actor would not load.
 */
import type { Script } from "node:vm"
import { isMainThread } from "./MainThread.ts"
import { RolePrefix } from "./RolePrefix.ts"

/** The modules by their keys, each a function that gives the values that it exports. */
export type Built = Readonly<Record<string, () => ReadonlyArray<unknown>>>

/** What the URL of the file is called in it. */
export const Own = "prebuiltUrl"

/** What the text is known by stands at its beginning. */
const Begin = "/*"
const End = "*/"

/** The text of the file, from what stands in a function that is given `exports` and `require`. */
export const stamped = (body: string): string => {
  const code = `(function(exports,require,${Own}){"use strict";${body}\n})`
  const { createHash } = process.getBuiltinModule("node:crypto")
  const stamp = createHash("sha256").update(code).digest("hex").slice(0, 32)
  return `${Begin}${stamp}${End}${code}`
}

/** Where the code is kept; where Node keeps nothing, neither is this. A thread runs other parts of it than a process. */
const placeOf = (source: string): string | undefined => {
  const directory = process.getBuiltinModule("node:module").getCompileCacheDir()
  const stamp = source.slice(Begin.length, source.indexOf(End))
  return directory === undefined
    ? undefined
    : `${directory}/furrow-${stamp}${isMainThread() ? "" : "-thread"}`
}

/** What V8 has made of the text in so many lives, each of which has begun with what there was before. */
interface Kept {
  readonly code: Buffer
  readonly lives: number
}

/** How many lives add to it: the first may have been one that says little of others, and each takes 20 ms for it. */
const Lives = 4

/** What stands behind the code: its sum, and the number of lives. */
const TrailSize = 8

/** One of so many words is in the sum: what a system that has failed makes of a file is whole pages of something else. */
const SumStep = 256

/**
 * What tells bytes from others: V8 believes what it is given, and would fail in the middle of the actor's life. Every start
 * computes it in code that has not been compiled, so it has few steps, and no calls in them.
 */
const sumOf = (bytes: Buffer): number => {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  const { length } = words
  let sum = bytes.length
  for (let at = 0; at < length; at += SumStep) sum = (Math.imul(sum, 31) + words[at]!) | 0
  return sum
}

const read = (place: string): Kept | undefined => {
  try {
    const bytes = process.getBuiltinModule("node:fs").readFileSync(place)
    const code = bytes.subarray(0, -TrailSize)
    return bytes.readInt32LE(code.length) === sumOf(code)
      ? { code, lives: bytes.readInt32LE(code.length + 4) }
      : undefined
  } catch {
    return undefined
  }
}

/** Writes it beside its place first, so that nobody finds half of it. */
const write = (place: string, { code, lives }: Kept): void => {
  const fs = process.getBuiltinModule("node:fs")
  const { threadId } = process.getBuiltinModule("node:worker_threads")
  const own = `${place}.${process.pid}.${threadId}`
  const trail = Buffer.alloc(TrailSize)
  trail.writeInt32LE(sumOf(code))
  trail.writeInt32LE(lives, 4)
  try {
    fs.writeFileSync(own, Buffer.concat([code, trail]), { mode: 0o600, flush: true })
    fs.renameSync(own, place)
  } catch {
    // There is no room, or no such directory any more.
    fs.rmSync(own, { force: true })
  }
}

/** After how many milliseconds it is kept at the latest: V8 forgets in time what is not run again. */
const LatestTime = 10_000

/** Keeps what V8 has made of it by the end of an actor's life, if that ends in order, or after some of a longer one. */
const keep = (script: Script, place: string, before: Kept | undefined): void => {
  const once = (): void => {
    clearTimeout(timer)
    process.off("exit", atExit)
    if (!process.argv[2]?.startsWith(RolePrefix)) return
    const now = script.createCachedData()
    const code = before !== undefined && before.code.length > now.length ? before.code : now
    write(place, { code, lives: (before?.lives ?? 0) + 1 })
  }
  const atExit = (code: number): void => {
    if (code === 0) once()
  }
  const timer = setTimeout(once, LatestTime)
  timer.unref()
  process.on("exit", atExit)
}

/**
 * Runs something during which stacks have names and no places: Effect looks for names in two of them when it is loaded,
 * and V8 would look for every line of the file first, which takes 2 ms.
 */
const withoutPlaces = <A>(run: () => A): A => {
  const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace")
  Error.prepareStackTrace = (_, sites) =>
    sites.map((site) => `${site.getFunctionName()} [as ${site.getMethodName()}]`).join("\n")
  try {
    return run()
  } finally {
    Reflect.deleteProperty(Error, "prepareStackTrace")
    if (before !== undefined) Object.defineProperty(Error, "prepareStackTrace", before)
  }
}

/** Runs the file. */
export const run = (file: URL): Built => {
  const filename = process.getBuiltinModule("node:url").fileURLToPath(file)
  const source = process.getBuiltinModule("node:fs").readFileSync(filename, "latin1")
  const place = placeOf(source)
  const kept = place === undefined ? undefined : read(place)
  const { Script } = process.getBuiltinModule("node:vm")
  const script = new Script(source, {
    filename,
    ...(kept === undefined ? {} : { cachedData: kept.code })
  })
  const taken = script.cachedDataRejected === false ? kept : undefined
  if (place !== undefined && (taken === undefined || taken.lives < Lives))
    keep(script, place, taken)
  const exports: { modules?: Built } = {}
  withoutPlaces(() =>
    script.runInThisContext()(exports, (id: string) => process.getBuiltinModule(id), file.href)
  )
  return exports.modules!
}
