/**
 * Builds what actors start from: `node packages/node/scripts/prebuild.ts`, which does nothing if what is there is fresh;
 * with `--dist` from what the build has compiled, for the package that is published.
 *
 * Answers for the list of modules (all that a program of an actor loads, and what it is likely to import besides), for
 * one file with all that each of them exports, and for another that serves them. How they are used is
 * `internal/Prebuilt`'s.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import * as Prebuilt from "../src/internal/Prebuilt.ts"
import * as PrebuiltCode from "../src/internal/PrebuiltCode.ts"
import { Reserved } from "../src/internal/PrebuiltServe.ts"

/** Where modules are taken from; what they import from elsewhere stays an import. */
const packages = [
  "effect",
  "@effect/platform-node",
  "@effect/platform-node-shared",
  "furrow",
  "@furrow/node"
]

/** What the program of an actor imports, as a rule. All that these load is built, too. */
const roots = [
  "@furrow/node/NodeActor",
  "furrow",
  "effect/Config",
  "effect/Console",
  "effect/FiberMap",
  "effect/FiberSet",
  "effect/Ref",
  "effect/Semaphore",
  "effect/SubscriptionRef"
]

/** Words of the language that a module may export as a name, and not declare. */
const words = new Set(
  (
    "arguments await break case catch class const continue debugger default delete do else enum eval export extends " +
    "false finally for function if implements import in instanceof interface let new null package private protected " +
    "public return static super switch this throw true try typeof var void while with yield"
  ).split(" ")
)

/** Whether a module can declare it, beside what is declared in each that is served. */
const canDeclare = (name: string): boolean => !words.has(name) && !name.startsWith("$")

/** Packages under development change from run to run, the others with their version. */
const isSource = (file: string): boolean => file.endsWith(".ts")

/** Functions of a module of Node, which is loaded when one is called. */
const forward = (module: string, names: ReadonlyArray<string>): string =>
  names
    .map(
      (name) =>
        `export const ${name} = (...args) => process.getBuiltinModule("${module}").${name}(...args)`
    )
    .join("\n")

/** Classes of a module of Node, which is loaded when something is made of one. */
const forwardClass = (module: string, names: ReadonlyArray<string>): string =>
  names
    .map(
      (name) =>
        `export const ${name} = new Proxy(class {}, { construct: (_, args) => new (process.getBuiltinModule("${module}").${name})(...args) })`
    )
    .join("\n")

/** What a module holds, without what is loaded when it is read. */
const held = (module: object): ReadonlyArray<string> =>
  Object.entries(Object.getOwnPropertyDescriptors(module)).flatMap(([name, property]) =>
    property.get === undefined ? [name] : []
  )

/**
 * Modules of Node in a form that spares an actor what most of them never need: they take 12 ms of its start. Starting
 * programs and threads and drawing random bytes load much, and so does reading all that `node:fs` and `node:util` export, as an
 * import does.
 * What is not named here cannot be imported by a module that is built.
 */
const spared: Readonly<Record<string, string>> = {
  "node:child_process": forward("node:child_process", ["execFile", "spawn", "spawnSync"]),
  "node:crypto": forward("node:crypto", ["randomBytes"]),
  "node:fs": [
    `const fs = process.getBuiltinModule("node:fs")`,
    `export const { ${held(process.getBuiltinModule("node:fs")).join()} } = fs`,
    "export const promises = new Proxy({}, { get: (_, name) => fs.promises[name] })"
  ].join("\n"),
  "node:os": forward("node:os", ["tmpdir"]),
  "node:util": forward("node:util", ["inspect"]),
  "node:worker_threads": [
    forward("node:worker_threads", ["receiveMessageOnPort"]),
    forwardClass("node:worker_threads", ["MessageChannel", "Worker"])
  ].join("\n")
}

/** Modules of this package that see to it. */
const makers = ["Here.ts", "MainThread.ts", "Prebuilt.ts", "PrebuiltCode.ts", "PrebuiltServe.ts"]

const own = fileURLToPath(new URL("..", import.meta.url))

const dist = process.argv.includes("--dist")
const folder = dist ? Prebuilt.FolderOf.dist : Prebuilt.FolderOf.src

/** What is published is the compiled file: in this repository, packages find the sources of each other. */
const published = (source: string): string =>
  dist ? source.replace(/(\/packages\/\w+)\/src\/(.+)\.ts$/, "$1/dist/$2.js") : source

/** Whether a module is imported by this name. */
const resolves = (specifier: string, url: string): boolean => {
  try {
    return published(import.meta.resolve(specifier)) === url
  } catch {
    return false
  }
}

/** One file with all that this module imports from the packages: as a module, or as the body of a function. */
const bundle = async (code: string, format: "esm" | "cjs"): Promise<string> => {
  const entry = "furrow:prebuilt"
  const made = await rolldown({
    input: entry,
    platform: "node",
    // What is no module has none of its own; where it stands, the one that asks is told below.
    ...(format === "cjs" ? { transform: { define: { "import.meta": "{}" } } } : {}),
    external: (id, importer) =>
      importer !== undefined &&
      !/^[./]/.test(id) &&
      !Object.hasOwn(spared, id) &&
      !packages.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins: [
      {
        name: "prebuilt",
        resolveId: {
          order: "pre",
          handler: async function (id, importer) {
            if (id === entry || Object.hasOwn(spared, id)) return id
            const resolved = await this.resolve(id, importer, { skipSelf: true })
            return resolved === null ? null : { ...resolved, id: published(resolved.id) }
          }
        },
        // What a module knows of its place stays true in the file.
        transform: (text, id) =>
          /[\\/]internal[\\/]Here\.\w+$/.test(id)
            ? text.replaceAll(
                "import.meta.url",
                `new URL(${JSON.stringify(relative(folder, id))}, ${PrebuiltCode.Own}).href`
              )
            : null,
        load: (id) => (id === entry ? code : (spared[id] ?? null))
      }
    ]
  })
  const { output } = await made.generate({
    format,
    codeSplitting: false,
    comments: false,
    // Names stay: those of functions and classes are in messages.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } }
  })
  // One letter that is not Latin would make the text of all modules take twice the room in every actor.
  return output[0].code.replaceAll(/\P{ASCII}/gu, (letter) =>
    // Both halves of one that has two: a pattern may know no other way to write it.
    letter
      .split("")
      .map((half) => `\\u${half.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("")
  )
}

const build = async (): Promise<void> => {
  const found = packages.map((name) => ({ name, ...Prebuilt.packageOf(name) }))
  const nameOf = (file: string): string | undefined => {
    for (const { folder, name } of found) {
      if (file.startsWith(folder + sep)) {
        return [name, ...relative(folder, file).split(sep)].join("/")
      }
    }
    return undefined
  }
  const loaded: Array<{ readonly file: string; readonly name: string; readonly url: string }> = []
  registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = next(specifier, context)
      return { ...resolved, url: published(resolved.url) }
    },
    load: (url, context, next) => {
      const file = url.startsWith("file:") ? fileURLToPath(url) : undefined
      const name = file === undefined ? undefined : nameOf(file)
      if (file !== undefined && name !== undefined && !name.includes("/node_modules/")) {
        loaded.push({ file, name, url })
      }
      return next(url, context)
    }
  })
  for (const root of roots) await import(root)

  const modules: Record<string, readonly [string, ReadonlyArray<string>]> = {}
  const sources: Record<string, string> = {}
  const imports: Array<string> = []
  const entries: Array<string> = []
  for (const [at, { file, name, url }] of loaded.entries()) {
    const names = Object.keys(await import(url))
    const key = `m${at}`
    modules[name] = [key, names]
    if (isSource(file)) sources[name] = Prebuilt.stampOf(file)
    const named = names.map((exported) => `${exported} as ${key}$${exported}`)
    imports.push(`import { ${named.join()} } from ${JSON.stringify(file)}`)
    entries.push(`${key}: () => [${names.map((exported) => `${key}$${exported}`).join()}]`)
  }

  if (!dist) {
    // What makes it, and no module of an actor.
    for (const path of ["scripts/prebuild.ts", ...makers.map((maker) => `src/internal/${maker}`)]) {
      sources[`@furrow/node/${path}`] = Prebuilt.stampOf(join(own, path))
    }
  }
  const keyed = found.map(({ name }) =>
    Object.fromEntries(
      Object.entries(modules)
        .filter(([module]) => module.startsWith(`${name}/`))
        .map(([module, [key, names]]) => [
          encodeURI(module.slice(name.length + 1)),
          [key, ...names.map((name) => (canDeclare(name) ? name : `${Reserved}${name}`))].join()
        ])
    )
  )
  /** What is imported by these names from anywhere where the package is found. */
  const specifiers: Record<string, readonly [number, string]> = {}
  for (const { name, url } of loaded) {
    const at = found.findIndex(({ name: owner }) => name.startsWith(`${owner}/`))
    const owner = found[at]!.name
    const path = name.slice(owner.length + 1)
    const inside = path.replace(/^(?:dist|src)\//, "").replace(/\.\w+$/, "")
    for (const specifier of [`${owner}/${inside}`, `${owner}/${inside}`.replace(/\/index$/, "")]) {
      if (resolves(specifier, url)) specifiers[specifier] = [at, encodeURI(path)]
    }
  }
  const serve = [
    `import { serve } from ${JSON.stringify(join(own, "src/internal/PrebuiltServe.ts"))}`,
    "const [own, ...folders] = import.meta.url.split('?')",
    `export const built = serve(import.meta.url, new URL("./${Prebuilt.ModulesFile}", own), ${JSON.stringify(keyed)}, ${JSON.stringify(specifiers)}, folders)`
  ].join("\n")
  const all = `${imports.join("\n")}\nexport const modules = {\n${entries.join(",\n")}\n}`
  mkdirSync(folder, { recursive: true })
  const files = {
    [Prebuilt.ModulesFile]: PrebuiltCode.stamped(await bundle(all, "cjs")),
    [Prebuilt.ServeFile]: await bundle(serve, "esm")
  }
  for (const [file, code] of Object.entries(files)) writeFileSync(join(folder, `${file}.new`), code)
  const table: Prebuilt.Table = {
    packages: Object.fromEntries(found.map(({ name, version }) => [name, version])),
    sources,
    modules
  }
  const tableFile = join(folder, Prebuilt.TableFile)
  // As long as there is no table, nobody begins to use it; who does by then finds files that belong together.
  rmSync(tableFile, { force: true })
  for (const file of Object.keys(files)) renameSync(join(folder, `${file}.new`), join(folder, file))
  writeFileSync(tableFile, JSON.stringify(table))
}

if (dist || !Prebuilt.isFresh()) await build()
