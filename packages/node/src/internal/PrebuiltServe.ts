/**
 * Preloaded by an actor's process, or thread: whoever imports a module that was built beforehand gets that one.
 *
 * Answers for there being one copy of each module: a module keeps its address, and what is found there hands on what was
 * built. Modules that were not built are loaded as ever, and find the others here. It imports nothing else: it is built
 * into the file `Prebuilt.ServeFile`, together with the table that it is given.
 */
import { registerHooks } from "node:module"

/** The modules of one package by their path in it: the key in the file and the names that are exported, between commas. */
export type Modules = Readonly<Record<string, string>>

/**
 * Serves from now on what is in the file `all`, given the modules of each package and, in the same order, the URL of the
 * folder that the package is in.
 */
export const serve = (
  all: string,
  packages: ReadonlyArray<Modules>,
  folders: ReadonlyArray<string>
): void => {
  const find = (url: string): string | undefined => {
    const at = folders.findIndex((folder) => url.startsWith(folder))
    const path = url.slice(folders[at]?.length)
    return at >= 0 && Object.hasOwn(packages[at]!, path) ? packages[at]![path] : undefined
  }
  registerHooks({
    load: (url, context, next) => {
      const module = find(url)
      if (module === undefined) return next(url, context)
      const [key, ...names] = module.split(",")
      // A name that is exported may be none that can be declared, such as "void".
      const source = [
        `import { modules } from ${JSON.stringify(all)}`,
        `const [${names.map((_, at) => `v${at}`).join()}] = modules.${key}()`,
        `export { ${names.map((name, at) => `v${at} as ${name}`).join()} }`
      ].join("\n")
      return { format: "module", shortCircuit: true, source }
    }
  })
}
