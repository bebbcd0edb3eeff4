/**
 * Effect and Furrow in one file, built beforehand, for actors to start from: some three hundred modules are found, read
 * and linked as one, which is most of what the start of an actor costs.
 *
 * Answers for what was built being what is installed: the same versions, and sources as they were. What was not built,
 * or does not fit, is not used, and actors load module by module. Building it is `scripts/prebuild`'s, serving it inside
 * an actor `PrebuiltServe`'s.
 */
import { readFileSync, realpathSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Here from "./Here.ts"

/** What was built, as it stands beside the file: names are those of packages, with a path inside them. */
export interface Table {
  /** The packages that it was built from, with their versions. */
  readonly packages: Readonly<Record<string, string>>
  /** Files that may change under it, each with a stamp of what it was (see {@link stampOf}). */
  readonly sources: Readonly<Record<string, string>>
  /** The modules, each with its key in the file and the names that it exports, in order. */
  readonly modules: Readonly<Record<string, readonly [key: string, names: ReadonlyArray<string>]>>
}

/** Where that is which was built from the sources, and from what was compiled from them. */
export const FolderOf = {
  src: fileURLToPath(new URL("../../prebuilt/src/", Here.url)),
  dist: fileURLToPath(new URL("../../prebuilt/dist/", Here.url))
}

/** Where it is for this module, and so for all others that run with it. */
export const Folder = Here.url.endsWith(".ts") ? FolderOf.src : FolderOf.dist

/** The file with all modules, in the folder. */
export const ModulesFile = "modules.js"

/**
 * The file that is preloaded to have them served, in the folder. Where the packages are stands behind it in its URL, so
 * that nothing has to be looked for.
 */
export const ServeFile = "serve.mjs"

/** The file with the {@link Table}, in the folder. */
export const TableFile = "table.json"

/** What was built, and where each of its packages is. */
export interface Built {
  readonly table: Table
  readonly folders: ReadonlyMap<string, string>
}

/** The size of a file and when it was last written. */
export const stampOf = (file: string): string => {
  const { mtimeMs, size } = statSync(file)
  return `${size} bytes, ${mtimeMs}`
}

/** Where a package is found that only another one depends on. */
const via: Readonly<Record<string, string>> = {
  "@effect/platform-node-shared": "@effect/platform-node"
}

/** The folder that a package is in, and its version, as this package finds it. */
export const packageOf = (name: string): { readonly folder: string; readonly version: string } => {
  const other = via[name]
  const from = other === undefined ? Here.url : join(packageOf(other).folder, "package.json")
  const file = realpathSync(createRequire(from).resolve(`${name}/package.json`))
  return { folder: dirname(file), version: JSON.parse(readFileSync(file, "utf8")).version }
}

/** What was built; nothing if there is none, or other versions are installed. */
export const read = (folder = Folder): Built | undefined => {
  try {
    const table: Table = JSON.parse(readFileSync(join(folder, TableFile), "utf8"))
    const folders = new Map<string, string>()
    for (const [name, version] of Object.entries(table.packages)) {
      const found = packageOf(name)
      if (found.version !== version) return undefined
      folders.set(name, found.folder)
    }
    return { table, folders }
  } catch {
    return undefined
  }
}

/** The file of a name in the table. */
export const fileOf = (name: string, folders: ReadonlyMap<string, string>): string => {
  const parts = name.split("/")
  const length = name.startsWith("@") ? 2 : 1
  return join(folders.get(parts.slice(0, length).join("/")) ?? "", ...parts.slice(length))
}

/** Whether it can be used as it is. */
export const isFresh = (folder = Folder): boolean => {
  const found = read(folder)
  if (found === undefined) return false
  try {
    for (const file of [ModulesFile, ServeFile]) statSync(join(folder, file))
    return Object.entries(found.table.sources).every(
      ([name, stamp]) => stampOf(fileOf(name, found.folders)) === stamp
    )
  } catch {
    return false
  }
}

/** What the flag begins with that serves it. */
export const Flag = `--import=${pathToFileURL(join(Folder, ServeFile)).href}`

let flags: ReadonlyArray<string> | undefined

const find = (): ReadonlyArray<string> => {
  // What this process runs is what its children run.
  const own = process.execArgv.find((flag) => flag.startsWith(Flag))
  if (own !== undefined) return [own]
  const folders = isFresh() ? read()?.folders : undefined
  // A URL has no bare question mark in its path.
  return folders === undefined
    ? []
    : [
        [
          Flag,
          ...[...folders.values()].map((folder) => pathToFileURL(join(folder, "/")).href)
        ].join("?")
      ]
}

/**
 * The flags that have a child of Node start from it, looked for once in a process. While coverage is measured there are
 * none: it is counted by module.
 */
export const flagsOf = (env: Readonly<Record<string, string | undefined>>): ReadonlyArray<string> =>
  env["NODE_V8_COVERAGE"] === undefined ? (flags ??= find()) : []
