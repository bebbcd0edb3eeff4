/**
 * The files of Unix sockets: whether they may be used, and what a listener that died has left.
 *
 * Answers for a directory that only its owner can enter, for names that fit into an address, and for never taking the
 * place of somebody who lives.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { HeartbeatSuffix } from "furrow/protocol/Link"
import { NotAllowed, PathTooLong } from "furrow/Transport"
import type { TransportError } from "furrow/Transport"
import { lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import type { BigIntStats } from "node:fs"
import { connect } from "node:net"
import { dirname } from "node:path"
import { fail, reasonOf } from "./Links.ts"

/** So many bytes fit into the address of a Unix socket, without the zero at its end. */
const limit = process.platform === "linux" ? 107 : 103

const refuse = (path: string, detail: string) => fail(path, new NotAllowed({ detail }))

/** What the system says no to becomes a reason. */
const attempt = <A>(path: string, run: () => A): Effect.Effect<A, TransportError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      return fail(path, reasonOf(error instanceof Error ? error : new Error(String(error))))
    }
  })

const named = (path: string): Effect.Effect<void, TransportError> => {
  // Both ends must be able to name the longer one.
  const length = Buffer.byteLength(path + HeartbeatSuffix)
  if (path.includes("\0")) return refuse(path, "a name with a zero byte in it is no file's")
  return length > limit
    ? fail(
        path,
        new PathTooLong({ length: Buffer.byteLength(path), limit: limit - HeartbeatSuffix.length })
      )
    : Effect.void
}

/** Whether the directory belongs to this user, and to nobody else. */
const guarded = (path: string): Effect.Effect<void, TransportError> =>
  Effect.gen(function* () {
    if (process.getuid === undefined)
      return yield* refuse(path, "Unix sockets need Linux or macOS; use TCP")
    const directory = dirname(path)
    const { mode, uid, ...stat } = yield* attempt(path, () => {
      const stat = lstatSync(directory)
      return { mode: stat.mode, uid: stat.uid, isDirectory: stat.isDirectory() }
    })
    if (!stat.isDirectory)
      return yield* refuse(path, `${directory} is no directory; a link to one is not followed`)
    if (uid !== process.getuid())
      return yield* refuse(path, `${directory} belongs to another user (${uid})`)
    if ((mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8)
      return yield* refuse(
        path,
        `others may enter ${directory} (mode ${found}); take a directory of its own, or chmod it to 700`
      )
    }
  })

/** Whether a file may be dialled. */
export const check = (path: string): Effect.Effect<void, TransportError> =>
  Effect.andThen(named(path), guarded(path))

/** Whether somebody listens at the file. */
const isAlive = (path: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const net = connect({ path })
    const answer = (alive: boolean) => {
      net.destroy()
      resume(Effect.succeed(alive))
    }
    net.once("connect", () => answer(true))
    net.on("error", (error: NodeJS.ErrnoException) =>
      // Only these say that nobody listens; one who is too busy to answer does.
      answer(error.code !== "ECONNREFUSED" && error.code !== "ENOENT")
    )
    return Effect.sync(() => void net.destroy())
  })

/** Whether two looks have seen one file. Numbers are used again, so the time belongs to it. */
const isSame = (one: BigIntStats | undefined, other: BigIntStats): boolean =>
  one !== undefined && one.ino === other.ino && one.ctimeNs === other.ctimeNs

const lookAt = (path: string) => lstatSync(path, { bigint: true, throwIfNoEntry: false })

/**
 * Takes a file away that nobody listens at, if it is still the one that was seen. Whoever does that holds a lock for
 * some microseconds; a lock that is older belongs to one who was killed just then.
 */
const takeAway = (path: string, seen: BigIntStats): Effect.Effect<void, TransportError> => {
  const lock = lockOf(path)
  return attempt(path, () => {
    writeFileSync(lock, "", { flag: "wx" })
    if (isSame(lookAt(path), seen)) rmSync(path)
    rmSync(lock)
  }).pipe(
    Effect.retry({ times: 100, schedule: Schedule.spaced("10 millis"), while: isLocked }),
    Effect.catchIf(isLocked, () =>
      attempt(path, () => {
        rmSync(lock, { force: true })
        if (isSame(lookAt(path), seen)) rmSync(path)
      })
    )
  )
}

const lockOf = (path: string): string => `${path}.lock`

const isLocked = ({ reason }: TransportError): boolean =>
  reason._tag === "SystemFailed" && reason.code === "EEXIST"

/**
 * Makes room for a listener: the directory is there, and a socket file whose listener has died is not. Of two who do
 * this at once, one will find the address in use.
 */
export const prepare = (path: string): Effect.Effect<void, TransportError> =>
  Effect.gen(function* () {
    yield* named(path)
    yield* attempt(path, () => mkdirSync(dirname(path), { recursive: true, mode: 0o700 }))
    yield* guarded(path)
    const seen = yield* attempt(path, () => lookAt(path))
    if (seen === undefined) return
    if (!seen.isSocket()) return yield* refuse(path, "a file that is no socket stands there")
    if (!(yield* isAlive(path))) yield* takeAway(path, seen)
  })

/** Removes what a listener that died has left of a file that is ours. */
export const clear = (path: string): void => rmSync(path, { force: true })
