/**
 * The guide, and the examples in docstrings, as what they are: programs that compile against the packages.
 *
 * Answers for no block being out of date, for the guide's own program doing what the guide says, and for every public
 * name being explained somewhere. Whether a sentence is true is for the tests of what it speaks of.
 */
import { execFile } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, relative } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

const run = promisify(execFile)
const root = join(import.meta.dirname, "..", "..")
const read = (file: string) => readFileSync(join(root, file), "utf8")
const guide = read("docs/guide.md")
/** The pages beside the guide, one for each module that is built on what the guide tells. */
const pages = globSync("docs/guide/*.md", { cwd: root }).map((file) => file.replaceAll("\\", "/"))
const readme = read("README.md")

// ---------------------------------------------------------------------------------------------------------------------
// Blocks
// ---------------------------------------------------------------------------------------------------------------------

/** A whole file by its name, or a fragment by the place it stands at. */
interface Block {
  readonly name: string
  readonly text: string
  readonly isFile: boolean
}

const lineOf = (text: string, index: number) => text.slice(0, index).split("\n").length

const blocksOf = (markdown: string, name: string): ReadonlyArray<Block> =>
  Array.from(markdown.matchAll(/^```ts\n(?:\/\/ (\S+\.ts)\n)?([\s\S]*?)^```$/gm), (match) => {
    const [, file, text = ""] = match
    return {
      name: file ?? `${name}-line-${lineOf(markdown, match.index)}.ts`,
      text,
      isFile: file !== undefined
    }
  })

const examplesOf = (file: string): ReadonlyArray<Block> => {
  const source = read(file)
  return Array.from(source.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm), (match) => ({
    name: `${basename(file, ".ts")}-line-${lineOf(source, match.index)}.ts`,
    text: match[1]!.replaceAll(/^ *\* ?/gm, ""),
    isFile: false
  }))
}

/** Where the namespaces are from that fragments use without importing them. */
const modules: Readonly<Record<string, ReadonlyArray<string>>> = {
  "@furrow/node": [
    "Furrow",
    "NodeActor",
    "NodeGuest",
    "NodeSpawner",
    "NodeWorkerSpawner",
    "Subprocess",
    "TcpTransport"
  ],
  furrow: [
    "Actor",
    "ActorPool",
    "ChildSpec",
    "Deadline",
    "Dialog",
    "Events",
    "FanOut",
    "Gather",
    "Guest",
    "LocalCluster",
    "Nursery",
    "NurseryLimits",
    "Portal",
    "PortalError",
    "SessionLimits",
    "Shared",
    "Supervisor",
    "Tasks",
    "Topics",
    "Travel",
    "TreeError"
  ],
  "furrow/testing": ["TestWorld"],
  "furrow/protocol": ["Codec", "Reasons"],
  effect: ["Cause", "Console", "Context", "Effect", "Layer", "Schedule", "Schema", "Stream"],
  "effect/rpc": ["Rpc", "RpcMiddleware", "RpcServer"],
  "@effect/vitest": ["assert", "it"]
}

/** What fragments speak of without saying where they have it from. */
const stage = `
import { Counter } from "./counter.ts"
import { Chat, Room } from "./room.ts"
import { RoomLive } from "./room.layer.ts"
type PortalOf<D> = Portal.Portal<Actor.OperationsOf<D>>
declare const main: URL
declare const program: Effect.Effect<void>
declare const spawning: Effect.Effect<void, TreeError.SpawnError, Nursery.Nursery>
declare const CounterLive: Layer.Layer<Actor.Service<"Counter">>
declare const counter: PortalOf<typeof Counter>
declare const room: PortalOf<typeof Room>
const List = Rpc.make("List", { payload: {} })
class Orders extends Actor.make("Orders", [List]) {}
declare const orders: PortalOf<typeof Orders>
class Stock extends Actor.make("Stock", [Rpc.make("Count", { payload: {} })]) {}
declare const stock: PortalOf<typeof Stock>
class Slow extends Actor.make("Slow", [Rpc.make("Work", { payload: {} })]) {}
declare const slow: PortalOf<typeof Slow>
const Lobby = Dialog.make("Chat", { payload: { room: Schema.String }, fromCaller: Schema.String })
class Chatter extends Actor.make("Chatter", [Lobby]) {}
declare const chatter: PortalOf<typeof Chatter>
const IsPrime = Rpc.make("IsPrime", { payload: { n: Schema.Int }, success: Schema.Boolean })
const Names = Rpc.make("Names", { success: Schema.String, stream: true })
class Worker extends Actor.make("Worker", [IsPrime, Names]) {}
declare const pool: ActorPool.ActorPool<Actor.OperationsOf<typeof Worker>>
declare const numbers: ReadonlyArray<number>
declare const n: number
class Root extends Actor.make("Root", [Rpc.make("Report", { payload: { done: Schema.Int } })]) {}
`

const fragment = (text: string): string =>
  [
    ...Object.entries(modules).map(
      ([from, names]) => `import { ${names.join(", ")} } from "${from}"`
    ),
    stage,
    // In a generator, so that it may \`yield*\`, and give its own names to what is on the stage.
    "export function* fragment() {",
    text,
    "}"
  ].join("\n")

/** Without Effect's own diagnostics, which are there only if the compiler has been patched. */
const settings = {
  extends: "../../tsconfig.base.json",
  compilerOptions: {
    noEmit: true,
    noUnusedLocals: false,
    plugins: [{ name: "@effect/language-service", diagnostics: false }]
  }
}

/** Writes blocks into a folder beside the examples, where a reader's folder is and the packages resolve. */
const withBlocks = async (blocks: ReadonlyArray<Block>, use: (folder: string) => Promise<void>) => {
  const folder = await mkdtemp(join(root, "examples", ".guide-"))
  try {
    const files = [
      ...blocksOf(readme, "README").filter(({ name }) => name === "counter.ts"),
      ...blocksOf(guide, "guide").filter(({ isFile }) => isFile)
    ]
    const all = new Map([...files, ...blocks].map((block) => [block.name, block]))
    for (const { isFile, name, text } of all.values()) {
      await writeFile(join(folder, name), isFile ? text : fragment(text))
    }
    const project = { ...settings, files: [...all.keys()] }
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(project))
    await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const compile = async (folder: string): Promise<string> => {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
  return run(process.execPath, [tsc, "-p", folder], {
    timeout: 60_000,
    killSignal: "SIGKILL"
  }).then(
    ({ stdout }) => stdout,
    (failed: { readonly stdout: string }) =>
      failed.stdout.replaceAll(`${relative(root, folder)}/`, "")
  )
}

describe("the guide", () => {
  it("has a section for each entry of its table of contents, and the other way round", () => {
    const entries = Array.from(guide.matchAll(/^- \[(.+)\]\(#.+\)$/gm), ([, title]) => title)
    const sections = Array.from(guide.matchAll(/^## (.+)$/gm), ([, title]) => title)
    expect(entries).toEqual(sections)
  })

  it("consists of blocks that compile", { timeout: 60_000 }, () =>
    withBlocks(blocksOf(guide, "guide"), async (folder) => {
      expect(await compile(folder)).toBe("")
    })
  )

  it(
    "has a program that says what the guide says, and a test that passes",
    { timeout: 60_000 },
    () =>
      withBlocks([], async (folder) => {
        const options = { cwd: root, timeout: 30_000, killSignal: "SIGKILL" } as const
        const { stderr, stdout } = await run(process.execPath, [join(folder, "main.ts")], options)
        const [, said] = /^.*Console\.log.* \/\/ (.+)$/m.exec(guide) ?? []
        expect({ stderr, stdout }).toEqual({ stderr: "", stdout: `${said}\n` })

        const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
        await run(process.execPath, [vitest, "run", "--root", folder], options)
      })
  )
})

describe("a page of the guide", () => {
  /** Blocks of a page that are said to be a file of the examples. */
  const shown = pages.flatMap((page) =>
    Array.from(
      read(page).matchAll(/^```ts\n\/\/ (examples\/\S+)\n([\s\S]*?)^```$/gm),
      ([, file = "", text = ""]) => ({ page, file, text })
    )
  )

  it("shows at least one complete program, which is one of the examples, word for word", () => {
    const programs = shown.map(({ file, text }) => ({ file, text: text.trim() }))
    expect(programs).toEqual(shown.map(({ file }) => ({ file, text: read(file).trim() })))
    const without = pages.filter((page) => !shown.some((block) => block.page === page))
    expect(without).toEqual([])
  })

  it("is led to by the guide", () => {
    const links = guide.matchAll(/\]\((guide\/[^)#]+)\)/g)
    const linked = new Set(Array.from(links, ([, link]) => `docs/${link}`))
    expect(pages.filter((page) => !linked.has(page))).toEqual([])
  })

  it("consists of blocks that compile", { timeout: 60_000 }, () =>
    withBlocks(
      pages.flatMap((page) =>
        blocksOf(read(page), basename(page, ".md")).filter(({ isFile }) => !isFile)
      ),
      async (folder) => {
        expect(await compile(folder)).toBe("")
      }
    )
  )
})

describe("docstrings", () => {
  it("have examples that compile", { timeout: 60_000 }, () => {
    const files = globSync("packages/*/src/**/*.ts", { cwd: root })
    return withBlocks(files.flatMap(examplesOf), async (folder) => {
      expect(await compile(folder)).toBe("")
    })
  })
})

it("every link to a file leads to one", () => {
  const dead = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/guide.md",
    ...pages,
    "packages/furrow/README.md",
    "packages/node/README.md"
  ].flatMap((page) =>
    Array.from(read(page).matchAll(/\]\((?!https?:)([^)#]+)/g), ([, target = ""]) => target)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page}: ${target}`)
  )
  expect(dead).toEqual([])
})

// ---------------------------------------------------------------------------------------------------------------------
// Names
// ---------------------------------------------------------------------------------------------------------------------

/** What needs no explanation of its own, by the reason. */
const unexplained: Readonly<Record<string, ReadonlyArray<string>>> = {
  "types that follow from a definition, met when an editor shows them": [
    "Actor.AnyDefinition",
    "Actor.ArgumentsOf",
    "Actor.CallOptions",
    "Actor.CallsAndStreams",
    "Actor.Client",
    "Actor.ClientMethod",
    "Actor.Definition",
    "Actor.Given",
    "Actor.HandlerOf",
    "Actor.HandlerOptions",
    "Actor.Handlers",
    "Actor.HandlersFrom",
    "Actor.PortalOf",
    "Actor.SelfInfo",
    "Actor.Service",
    "Actor.Stock",
    "ChildSpec.AnyChildSpec",
    "ChildSpec.ChildOptions",
    "ChildSpec.Keeping",
    "Dialog.AnyLanes",
    "Dialog.CalleeOf",
    "Dialog.Lanes",
    "FanOut.ErrorOf",
    "FanOut.Options",
    "LocalCluster.Routed",
    "Nursery.Served",
    "Topics.Handler",
    "Travel.AnyTravelling",
    "Travel.Travelling"
  ],
  "for those who handle any definition, or any program": [
    "Actor.isProgram",
    "Dialog.isDialog",
    "Dialog.lanesOf"
  ],
  "schemas and unions of what the guide names one by one": [
    "CodecError.LaneName",
    "PortalError.PortalErrorReason",
    "Transport.TransportErrorReason",
    "TreeError.AnyCause",
    "TreeError.LadderStage",
    "TreeError.SpawnErrorReason"
  ],
  "what a Layer of limits is made of": [
    "NurseryLimits.Current",
    "NurseryLimits.defaults",
    "NurseryLimits.make"
  ],
  "for makers of worlds": [
    "ActorProgram.LifeEnd",
    "Events.CurrentHub",
    "Events.Hub",
    "Events.makeHub",
    "Events.publish",
    "Events.publishTo",
    "SessionLimits.Current",
    "Spawner.Output"
  ]
}

/** The public names of a module; those marked `@internal` are not in what is published. */
const namesOf = (file: string): ReadonlyArray<string> =>
  Array.from(
    read(file).matchAll(
      /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?^export (?:const|class|interface|type) (\w+)/gm
    ),
    ([, docs = "", name = ""]) => (docs.includes("@internal") ? "" : name)
  ).filter((name) => name !== "")

/** The modules that an index hands on as namespaces. */
const modulesOf = (index: string): ReadonlyArray<readonly [namespace: string, file: string]> =>
  Array.from(
    read(index).matchAll(/^export \* as (\w+) from "\.\/(.+)"$/gm),
    ([, namespace = "", file = ""]) => [namespace, join(index, "..", file)] as const
  )

it("every public name is in the README or the guide, or is one that explains itself", () => {
  const text = [readme, guide, ...pages.map(read)].join("\n")
  const excused = new Set(Object.values(unexplained).flat())
  const names = ["furrow/src/index.ts", "furrow/src/testing/index.ts", "node/src/index.ts"]
    .flatMap((index) => modulesOf(join("packages", index)))
    .flatMap(([namespace, file]) => [...new Set(namesOf(file))].map((name) => [namespace, name]))
  const isThere = ([namespace, name]: ReadonlyArray<string>) =>
    // A name like `make` or `run` says nothing without its namespace.
    new RegExp(`\\b${/^[A-Z]/.test(name!) ? "" : `${namespace}\\.`}${name}\\b`).test(text)
  const missing = names.filter((name) => !isThere(name)).map((name) => name.join("."))
  expect(missing.filter((name) => !excused.has(name))).toEqual([])
  const known = new Set(names.map((name) => name.join(".")))
  expect([...excused].filter((name) => !known.has(name))).toEqual([])
})
