/**
 * Preloaded by an actor's process, or thread: whoever imports a module that was built beforehand gets that one.
 *
 * Answers for there being one copy of each module: a module keeps its address, and what is found there hands on what was
 * built. Modules that were not built are loaded as ever, and find the others here.
 */
import { registerHooks } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { fileOf, Folder, ModulesFile, read } from "./Prebuilt.ts"

const found = read()
if (found !== undefined) {
  const { folders, table } = found
  const modules = new Map(
    Object.entries(table.modules).map(([name, module]) => [
      pathToFileURL(fileOf(name, folders)).href,
      module
    ])
  )
  const all = JSON.stringify(pathToFileURL(join(Folder, ModulesFile)).href)
  registerHooks({
    load: (url, context, next) => {
      const module = modules.get(url)
      if (module === undefined) return next(url, context)
      const [key, names] = module
      // A name that is exported may be none that can be declared, such as "void".
      const source = [
        `import { modules } from ${all}`,
        `const [${names.map((_, at) => `v${at}`).join()}] = modules.${key}()`,
        `export { ${names.map((name, at) => `v${at} as ${name}`).join()} }`
      ].join("\n")
      return { format: "module", shortCircuit: true, source }
    }
  })
}
