/**
 * Where children keep their compiled code, so that every actor after the first starts faster.
 *
 * It never fails: where no directory can be had that nobody else may write to, there is no cache.
 */
import { lstatSync, mkdirSync } from "node:fs"
import { getCompileCacheDir } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** A directory of this user alone. */
const ownDirectory = (): string | undefined => {
  const uid = process.getuid?.()
  if (uid === undefined) return undefined
  try {
    const directory = join(tmpdir(), `furrow-${uid}`)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // Somebody else may have made it first, in a directory that everybody may write to.
    const found = lstatSync(directory)
    const safe = found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0
    return safe ? join(directory, "compile-cache") : undefined
  } catch {
    return undefined
  }
}

/**
 * The environment that gives a child its compile cache: this process's own, else a directory of this user in the
 * system's temporary one. While coverage is measured there is none: cached code is counted less exactly.
 */
export const environment = (): Readonly<Record<string, string>> => {
  const env = process.env
  if (env["NODE_COMPILE_CACHE"] !== undefined || env["NODE_V8_COVERAGE"] !== undefined) return {}
  const current = getCompileCacheDir()
  // Node names a directory per version inside the one it was given.
  const directory = current === undefined ? ownDirectory() : dirname(current)
  return directory === undefined ? {} : { NODE_COMPILE_CACHE: directory }
}
