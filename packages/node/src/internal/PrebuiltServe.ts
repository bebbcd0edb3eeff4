/**
 * Preloaded by an actor's process, or thread: whoever imports a module that was built beforehand gets that one.
 *
 * Answers for there being one copy of each module: a module keeps its address, and what is found there hands on what was
 * built. Modules that were not built are loaded as ever, and find the others here. And for not asking Node again where a
 * package is that was asked for from the same folder before. It imports nothing else: it is built into the file
 * `Prebuilt.ServeFile`, together with the tables that it is given.
 */
import type { Built } from "./PrebuiltCode.ts"
import * as PrebuiltCode from "./PrebuiltCode.ts"

/** Stands in front of an exported name that cannot be declared, such as "void". */
export const Reserved = "!"

/** The modules of one package by their path in it: the key in the file and the names that are exported, between commas. */
export type Modules = Readonly<Record<string, string>>

/** By what a module is imported: the place of its package in the list, and its path in that. */
export type Specifiers = Readonly<Record<string, readonly [at: number, path: string]>>

/**
 * Serves from now on what is in the file `all`, given the modules of each package and, in the same order, the URL of the
 * folder that the package is in. What it gives is to be found as the export `built` of the module `own`.
 */
export const serve = (
  own: string,
  all: URL,
  packages: ReadonlyArray<Modules>,
  specifiers: Specifiers,
  folders: ReadonlyArray<string>
): ((key: string) => ReadonlyArray<unknown>) => {
  let built: Built | undefined
  /** Whether it is this package that is found, by the folder of the importer and the place of the package. */
  const found = new Map<string, boolean>()
  const find = (url: string): string | undefined => {
    const at = folders.findIndex((folder) => url.startsWith(folder))
    const path = url.slice(folders[at]?.length)
    return at >= 0 && Object.hasOwn(packages[at]!, path) ? packages[at]![path] : undefined
  }
  process.getBuiltinModule("node:module").registerHooks({
    resolve: (specifier, context, next) => {
      const { conditions, parentURL } = context
      const named = Object.hasOwn(specifiers, specifier) ? specifiers[specifier] : undefined
      if (named === undefined || parentURL === undefined || !conditions.includes("import")) {
        return next(specifier, context)
      }
      const [at, path] = named
      const url = `${folders[at]}${path}`
      const from = `${at} ${parentURL.slice(0, parentURL.lastIndexOf("/"))}`
      if (found.get(from) === true) return { url, format: "module", shortCircuit: true }
      const resolved = next(specifier, context)
      found.set(from, resolved.url === url)
      return resolved
    },
    load: (url, context, next) => {
      const module = find(url)
      if (module === undefined) return next(url, context)
      const [key, ...names] = module.split(",")
      const declared: Array<string> = []
      const others: Array<string> = []
      for (const [at, name] of names.entries()) {
        if (!name.startsWith(Reserved)) declared.push(`${name}=$v[${at}]`)
        else others.push(`const $${at}=$v[${at}];export { $${at} as ${name.slice(1)} }`)
      }
      // Node takes half as long for names that are declared where they are exported, one by one.
      const source = [
        `import { built as $built } from ${JSON.stringify(own)}`,
        `const $v = $built("${key}")`,
        declared.length === 0 ? "" : `export var ${declared.join()}`,
        ...others
      ].join("\n")
      return { format: "module", shortCircuit: true, source }
    }
  })
  return (key) => (built ??= PrebuiltCode.run(all))[key]!()
}
