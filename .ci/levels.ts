/**
 * The layers of the packages, written down once, and the check that imports keep to them.
 *
 * Answers for three rules: inside `furrow` imports point down or stay on their level; a package imports only what
 * `packages` allows it, so none reaches up to another; and there is no cycle. Type-only imports count, because a reader
 * follows them too. Unused and undeclared dependencies are knip's, everything inside a file is the linter's.
 */
import { globSync, readFileSync } from "node:fs"
import { join, posix, sep } from "node:path"

/** The levels of `packages/furrow/src`, lowest first: a file may import its own level and those listed before it. */
const levels: ReadonlyArray<{ readonly name: string; readonly files: ReadonlyArray<string> }> = [
  { name: "protocol", files: ["protocol/*"] },
  {
    name: "errors",
    files: [
      "ById.ts",
      "Changes.ts",
      "CodecError.ts",
      "Events.ts",
      "Exits.ts",
      "Guard.ts",
      "Known.ts",
      "PortalError.ts",
      "ProcessExit.ts",
      "RestartIntensity.ts",
      "RestartPlan.ts",
      "TreeError.ts",
      "Waits.ts"
    ]
  },
  {
    name: "contracts",
    files: [
      "Actor.ts",
      "Deadline.ts",
      "Dialog.ts",
      "Life.ts",
      "NurseryKey.ts",
      "NurseryLimits.ts",
      "SessionLimits.ts",
      "Spawner.ts",
      "Transport.ts",
      "Travel.ts"
    ]
  },
  { name: "session", files: ["DialogEnd.ts", "OpenRoom.ts", "Outbox.ts", "Session.ts", "Wire.ts"] },
  {
    name: "portal",
    files: [
      "ActorServer.ts",
      "CalleeEnd.ts",
      "CallerEnd.ts",
      "Inspector.ts",
      "LastWord.ts",
      "Operations.ts",
      "Portal.ts",
      "RootCause.ts",
      "Routers.ts",
      "Ticket.ts",
      "Via.ts"
    ]
  },
  { name: "launch", files: ["Ladder.ts", "launch.ts"] },
  {
    name: "nursery",
    files: [
      "ActorPool.ts",
      "Admission.ts",
      "Block.ts",
      "ChildSpec.ts",
      "Echoes.ts",
      "FanOut.ts",
      "Gather.ts",
      "Guest.ts",
      "GuestEnds.ts",
      "GuestStay.ts",
      "LocalCluster.ts",
      "Nursery.ts",
      "PoolOptions.ts",
      "Registry.ts",
      "Shared.ts",
      "Tasks.ts",
      "Topics.ts",
      "TopicsFeed.ts",
      "Workers.ts"
    ]
  },
  {
    name: "program",
    files: [
      "ActorProgram.ts",
      "SupervisedChild.ts",
      "SupervisedLife.ts",
      "SupervisedPortal.ts",
      "Supervision.ts",
      "Supervisor.ts",
      "SupervisorHandle.ts",
      "SupervisorSpec.ts"
    ]
  },
  { name: "surface", files: ["index.ts", "testing/*"] }
]

/** What the sources of each package may import beside their own: packages by name, `node:` for Node's modules. */
const packages: Readonly<Record<string, ReadonlyArray<string>>> = {
  furrow: ["effect"],
  node: ["effect", "@effect/platform-node", "furrow", "node:"],
  bench: [
    "effect",
    "@effect/platform-node",
    "furrow",
    "@furrow/node",
    "node:",
    "@grpc/grpc-js",
    "@grpc/proto-loader",
    "comedy",
    "comlink",
    "moleculer",
    "msgpackr",
    "piscina",
    "zeromq"
  ]
}

/** What is wrong with some sources, given as text by path (`furrow/src/Actor.ts`); nothing if all is well. */
export const problems = (sources: ReadonlyMap<string, string>): ReadonlyArray<string> => {
  const graph = new Map<string, ReadonlyArray<string>>()
  const names = new Set([...sources.keys()].map(packageOf))
  const found = [...names]
    .filter((name) => packages[name] === undefined)
    .map((name) => `packages/${name} is not listed: say in .ci/levels.ts what it may import`)
  for (const [file, text] of sources) {
    const specifiers = importsOf(text)
    const files = specifiers
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => posix.join(posix.dirname(file), specifier))
    const modules = specifiers.filter((specifier) => !specifier.startsWith("."))
    found.push(...packageProblems(file, files, modules), ...levelProblems(file, files))
    graph.set(file, files)
  }
  return [...found, ...cycles(graph).map((cycle) => `import cycle: ${cycle.join(" -> ")}`)]
}

const packageProblems = (
  file: string,
  files: ReadonlyArray<string>,
  modules: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const allowed = packages[packageOf(file)]
  if (allowed === undefined) return []
  return [
    ...files
      .filter((target) => packageOf(target) !== packageOf(file))
      .map((target) => `${file} imports ${target}, which is in another package: import it by name`),
    ...modules
      .filter((specifier) => !allowed.includes(moduleOwner(specifier)))
      .map(
        (specifier) =>
          `${file} imports ${specifier}, but its package may only import ${allowed.join(", ")}`
      )
  ]
}

const packageOf = (file: string): string => file.slice(0, file.indexOf("/"))

const moduleOwner = (specifier: string): string =>
  specifier.startsWith("node:")
    ? "node:"
    : specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

const levelProblems = (file: string, files: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (!file.startsWith(levelled)) return []
  const own = levelOf(file)
  if (own === -1)
    return [`${file} is in no level: add it to the one it belongs to in .ci/levels.ts`]
  return files
    .filter((target) => levelOf(target) > own)
    .map(
      (target) =>
        `${file} (${nameOf(own)}) imports upward ${target} (${nameOf(levelOf(target))}): ` +
        "move what both need down, or let the upper one hand it over"
    )
}

const levelled = "furrow/src/"

const levelOf = (file: string): number =>
  levels.findIndex(({ files }) =>
    files.some((pattern) =>
      pattern.endsWith("/*")
        ? file.startsWith(levelled + pattern.slice(0, -1))
        : file === levelled + pattern
    )
  )

const nameOf = (level: number) => `level ${level + 1}, ${levels[level]?.name}`

/** Every module that a source names: `import`, `export … from`, and `import("…")`, in a type or not. */
const importsOf = (text: string): ReadonlyArray<string> => {
  // Examples in doc comments import, too, and are nobody's dependency.
  const code = text.replaceAll(/^[ \t]*\/\*[\s\S]*?\*\/|^[ \t]*\/\/.*$/gm, "")
  const statements = code.matchAll(
    /^(?:import|export)\b(?:[^"'();=]*\bfrom)?\s*["']([^"'\n]+)["']/gm
  )
  const expressions = code.matchAll(/\bimport\(\s*["']([^"'\n]+)["']/g)
  return [...new Set([...statements, ...expressions].flatMap((match) => match[1] ?? []))]
}

/** The cycles that a walk along the imports runs into, each from the file where it closes back to it. */
const cycles = (
  graph: ReadonlyMap<string, ReadonlyArray<string>>
): ReadonlyArray<ReadonlyArray<string>> => {
  const found: Array<ReadonlyArray<string>> = []
  const done = new Set<string>()
  const path: Array<string> = []
  const walk = (file: string): void => {
    if (path.includes(file)) {
      found.push([...path.slice(path.indexOf(file)), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const target of graph.get(file) ?? []) walk(target)
    path.pop()
    done.add(file)
  }
  for (const file of graph.keys()) walk(file)
  return found
}

if (import.meta.main) {
  const directory = join(import.meta.dirname, "..", "packages")
  const files = globSync("*/src/**/*.ts", { cwd: directory })
  const found = problems(
    new Map(
      files.map((file) => [file.replaceAll(sep, "/"), readFileSync(join(directory, file), "utf8")])
    )
  )
  for (const problem of found) console.error(problem)
  if (found.length > 0) process.exit(1)
}
