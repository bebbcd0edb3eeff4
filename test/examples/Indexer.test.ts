/**
 * The demo, run as a user runs it: over a small tree made up for it, compared with a count that reads each file whole, in
 * one process; and over this project's own modules, to be ended in the middle.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { extname, join } from "node:path"
import { Identifiers, isName, isSource } from "../../examples/indexer/identifiers.ts"
import { Report } from "../../examples/indexer/report.ts"
import { isAlive } from "../node/Pids.ts"
import * as Program from "../node/Program.ts"
import * as Terminal from "../node/Terminal.ts"

const demo = "../../../examples/indexer/main.ts"

/** All that may stand on stderr where nothing went wrong. */
const OnlyProgress = /^(progress: .*\n)*$/

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Report))

// ---------------------------------------------------------------------------------------------------------------------
// A tree, and a straightforward count of it
// ---------------------------------------------------------------------------------------------------------------------

/** Source code that is longer than two chunks, with comments, quotes and names across their borders wherever they are. */
const long = Array.from(
  { length: 12_000 },
  (_, n) =>
    `const name${n % 700} = "a \\" quoted ${n}" /* a comment\n over two * lines ${n} */ + other$${n % 5}(3e10) // don't`
).join("\n")

/** Makes the tree; the path of what in it cannot be read, and why. */
const plant = (root: string): { readonly path: string; readonly reason: string } => {
  const write = (path: string, content: string | Uint8Array) => {
    mkdirSync(join(root, path, ".."), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  for (let n = 0; n < 300; n++) {
    write(
      `many/${n % 7}/file ${n}.ts`,
      `export const value${n % 11} = ${n % 150}\nvalue${n % 11} + shared\n`
    )
  }
  write("long.mjs", long)
  write(
    "deep/er/and/deeper/ünïcode\nname.TXT",
    "text with words that are no identifiers\nand no end"
  )
  write("quotes.c", "char apostrophe = 'x'; /* don't */ int straße = \"one 'two'\"; done /")
  write("empty.ts", "")
  write("Makefile", "all:\n")
  write("binary.js", Buffer.from("const looksLikeCode = 1\n\0\n"))
  write("late.dat", Buffer.concat([Buffer.alloc(8000, 65), Buffer.from([0, 10])]))
  write("image.png", Buffer.alloc(300_000, "\x89PNG\0"))
  write("copy.png", Buffer.alloc(300_000, "\x89PNG\0"))
  linkSync(join(root, "image.png"), join(root, "deep", "link.png"))
  symlinkSync("image.png", join(root, "soft.png"))
  symlinkSync(".", join(root, "circle"))

  // Nothing is closed to root; but a name that is no UTF-8 cannot be asked for.
  if (process.getuid?.() === 0) {
    writeFileSync(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xff])]), "unreachable")
    return { path: "bad-\uFFFD", reason: "not found" }
  }
  write("closed.txt", "closed")
  chmodSync(join(root, "closed.txt"), 0)
  return { path: "closed.txt", reason: "permission denied" }
}

const files = (root: string, below = ""): ReadonlyArray<string> =>
  readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    return entry.isDirectory() ? files(root, path) : entry.isFile() ? [path] : []
  })

/** Comments and quotes from their beginning to their end, and words. */
const tokens =
  /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:\\[\s\S]|[^"\\\n])*["\n]?|'(?:\\[\s\S]|[^'\\\n])*['\n]?|[\w$\u0080-\u00FF]+/g

const add = (counts: Map<string, number>, name: string, n = 1): void => {
  counts.set(name, (counts.get(name) ?? 0) + n)
}

const namesIn = (text: string): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const [token] of text.matchAll(tokens)) if (isName(token)) add(counts, token)
  return counts
}

const firstNames = (counts: ReadonlyMap<string, number>, n: number) =>
  Array.from(counts, ([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || Order.String(a.name, b.name))
    .slice(0, n)

const groupBy = <A>(all: ReadonlyArray<A>, key: (one: A) => string): Map<string, Array<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const one of all) groups.set(key(one), [...(groups.get(key(one)) ?? []), one])
  return groups
}

const sum = <A>(all: ReadonlyArray<A>, of: (one: A) => number): number =>
  all.reduce((total, one) => total + of(one), 0)

/** What a report of the tree says, but for how it was made. */
const count = (root: string, unreadable: { readonly path: string; readonly reason: string }) => {
  const all = files(root)
    .filter((path) => path !== unreadable.path)
    .map((path) => {
      const content = readFileSync(join(root, path))
      const text = content.toString("latin1")
      const binary = text.slice(0, 8000).includes("\0")
      const extension = extname(path).toLowerCase()
      return {
        path,
        extension,
        binary,
        bytes: content.length,
        lines: binary
          ? undefined
          : text.replace(/\n$/, "").split("\n").length - Number(text === ""),
        sha256: createHash("sha256").update(content).digest("hex"),
        inode: lstatSync(join(root, path)).ino,
        names: !binary && isSource(extension) ? namesIn(text) : new Map<string, number>()
      }
    })
  const names = new Map<string, number>()
  for (const file of all) for (const [name, n] of file.names) add(names, name, n)
  const groups = groupBy(
    all.filter(({ bytes }) => bytes > 0),
    ({ sha256 }) => sha256
  )
  const duplicates = Array.from(groups, ([sha256, same]) => ({
    sha256,
    bytes: same[0]!.bytes,
    files: same.length,
    places: new Set(same.map(({ inode }) => inode)).size,
    paths: same
      .map(({ path }) => path)
      .sort(Order.String)
      .slice(0, 10)
  })).filter((group) => group.files > 1)
  const again = (group: (typeof duplicates)[number]) => group.bytes * (group.files - 1)

  return {
    root,
    partial: false,
    totals: {
      files: all.length,
      bytes: sum(all, ({ bytes }) => bytes),
      lines: sum(all, ({ lines }) => lines ?? 0),
      binaries: all.filter(({ binary }) => binary).length,
      unreadable: 1
    },
    extensions: Array.from(
      groupBy(all, ({ extension }) => extension),
      ([extension, those]) => ({
        extension,
        files: those.length,
        bytes: sum(those, ({ bytes }) => bytes),
        lines: sum(those, ({ lines }) => lines ?? 0)
      })
    ).sort((a, b) => b.bytes - a.bytes || Order.String(a.extension, b.extension)),
    largest: [...all]
      .sort((a, b) => b.bytes - a.bytes || Order.String(a.path, b.path))
      .slice(0, 10)
      .map(({ binary, bytes, lines, names, path, sha256 }) => ({
        path,
        bytes,
        sha256,
        ...(binary ? {} : { lines }),
        identifiers: firstNames(names, 5)
      })),
    identifiers: firstNames(names, 20),
    duplicates: {
      groups: duplicates.length,
      files: sum(duplicates, (group) => group.files - 1),
      bytes: sum(duplicates, again),
      wasted: sum(duplicates, (group) => group.bytes * (group.places - 1)),
      largest: duplicates
        .sort((a, b) => again(b) - again(a) || Order.String(a.sha256, b.sha256))
        .slice(0, 10)
    },
    unreadable: [unreadable]
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The facts
// ---------------------------------------------------------------------------------------------------------------------

let tree: string
let expected: ReturnType<typeof count>

beforeAll(() => {
  tree = realpathSync(mkdtempSync(join(tmpdir(), "furrow-indexer-")))
  expected = count(tree, plant(tree))
})

afterAll(() => rmSync(tree, { recursive: true }))

/** Runs the demo to its end. */
const run = (args: ReadonlyArray<string>, options?: { readonly shell: string }) =>
  Effect.scoped(Effect.flatMap(Program.start(demo, args, options), (program) => program.ended))

/** A report without what differs from run to run. */
const facts = (json: string) => {
  const { bytesPerSecond: _, restarts, seconds: __, workers, ...result } = decode(json)
  return { workers, restarts, result }
}

describe("the indexer", () => {
  for (const workers of [1, 3]) {
    it.live(`with --workers ${workers} finds exactly what is there`, () =>
      Effect.gen(function* () {
        const ended = yield* run([tree, "--json", "--workers", String(workers)])
        expect(ended.code).toBe(0)
        expect(facts(ended.stdout)).toEqual({ workers, restarts: undefined, result: expected })
        expect(ended.stderr).toMatch(OnlyProgress)
      })
    )
  }

  for (const workers of [1, 3]) {
    it.live(
      `with --kill-some and --workers ${workers} finds the same, though ten and more workers are killed`,
      () =>
        Effect.gen(function* () {
          const ended = yield* run([tree, "--json", "--kill-some", "--workers", String(workers)])
          expect(ended.code).toBe(0)
          const { restarts, result } = facts(ended.stdout)
          expect(result).toEqual(expected)
          expect(restarts).toBeGreaterThanOrEqual(10)
          expect(ended.stderr).toMatch(OnlyProgress)
        }),
      120_000
    )
  }

  it.live("with --kill-some says in the table how often workers were replaced", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run([join(tree, "many"), "--kill-some"])
      expect(code).toBe(0)
      expect(stdout).toMatch(/^ {2}[1-9]\d* restarts? after SIGKILL$/m)
    })
  )

  it.live("prints a table, names what it could not read, and steers no terminal", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run([tree])
      expect(code).toBe(0)
      expect(stdout).toContain(`${expected.totals.files} files`)
      const [{ path, reason } = { path: "", reason: "" }] = expected.unreadable
      expect(stdout).toContain(`${path}: ${reason}`)
      expect(stdout).not.toContain("partial")
      expect(stdout).toMatch(/^[\P{C}\n]+$/u)
    })
  )

  it.live("indexes a single file, also one that a link leads to", () =>
    Effect.gen(function* () {
      const { result } = facts((yield* run([join(tree, "soft.png"), "--json"])).stdout)
      expect(result.root).toBe(tree)
      expect(result.largest.map(({ bytes, path }) => ({ bytes, path }))).toEqual([
        { bytes: 300_000, path: "image.png" }
      ])
    })
  )

  it.live("names a path that is missing, and exits 2", () =>
    Effect.gen(function* () {
      const missing = join(tree, "missing")
      const { code, stderr, stdout } = yield* run([missing])
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
      expect(stderr).toContain(`Cannot index "${missing}": not found.`)
      expect(stderr).not.toMatch(/^ +at /m)
    })
  )

  it.live("refuses a number of workers that makes no sense", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run([tree, "--workers", "0"])
      expect(code).toBe(1)
      expect(stderr).toContain("--workers")
    })
  )

  it.live("says how it is used", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(["--help"])
      expect(code).toBe(0)
      for (const word of ["path", "--workers", "--json"]) expect(stdout).toContain(word)
    })
  )

  it.live("ends well when nobody reads what it prints", () =>
    Effect.gen(function* () {
      const shell = '{ "$@"; echo "code $?" >&2; } | true'
      const { stderr } = yield* run([tree], { shell })
      expect(stderr).toMatch(/^code 0$/m)
      expect(stderr).not.toMatch(/^ +at /m)
    })
  )
})

/** Everything below a process, as it is now; or what of it has this in its command. */
const below = (root: number, command = ""): ReadonlyArray<number> => {
  const { stdout } = spawnSync("ps", ["-ww", "-eo", "pid=,ppid=,args="], { encoding: "utf8" })
  const rows = stdout.split("\n").map((line) => {
    const [pid, ppid, ...args] = line.trim().split(/\s+/)
    return { pid: Number(pid), ppid: Number(ppid), args: args.join(" ") }
  })
  const children = (parent: number): typeof rows =>
    rows.filter(({ ppid }) => ppid === parent).flatMap((row) => [row, ...children(row.pid)])
  return children(root)
    .filter(({ args }) => args.includes(command))
    .map(({ pid }) => pid)
}

describe("the indexer, ended in the middle", () => {
  const modules = join(import.meta.dirname, "..", "..", "node_modules")

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const) {
    it.live(`by ${signal} prints a partial result, leaves no process, and exits ${code}`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start(demo, [modules])
        const pid = program.process.pid!
        yield* program.until("stderr", /^progress: /m)
        const processes = below(pid)
        expect(processes.length).toBeGreaterThan(0)
        process.kill(-pid, signal)
        const ended = yield* program.ended
        expect(processes.filter(isAlive)).toEqual([])
        expect({ code: ended.code, signal: ended.signal }).toEqual({ code, signal: null })
        expect(ended.stdout).toMatch(/^.*\(partial: .*\n {2}[1-9][\d,]* files? /)
        expect(ended.stderr).toMatch(OnlyProgress)
      }).pipe(Effect.scoped)
    )
  }

  it.live("still prints one JSON document, marked as partial, if that was asked for", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(demo, [modules, "--json"])
      yield* program.until("stderr", /^progress: /m)
      program.process.kill("SIGINT")
      const ended = yield* program.ended
      expect(ended.code).toBe(130)
      expect(decode(ended.stdout).partial).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.live("by the loss of a worker prints what there is, says who and why, and exits 1", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(demo, [modules, "--workers", "2"])
      yield* program.until("stderr", /#1 busy/)
      const [worker] = below(program.process.pid!, "root/indexer-1")
      process.kill(worker!, "SIGKILL")
      const ended = yield* program.ended
      expect(ended.code).toBe(1)
      expect(ended.stdout).toContain("(partial: ")
      expect(ended.stderr).toMatch(/The actor "root\/indexer-1" crashed: .*SIGKILL/)
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(!Terminal.isPossible)(
  "the indexer at a terminal (skipped where there is no python3 to make one)",
  () => {
    /** To the start of the line, and nothing right of it: all that the terminal is steered by. */
    const clear = "\r\u001B[2K"

    it.live("F24 leaves it as it was at Ctrl-C, with a partial result, and exits 130", () =>
      Effect.gen(function* () {
        const modules = join(import.meta.dirname, "..", "..", "node_modules")
        const program = yield* Program.start(demo, [modules], Terminal.inTerminal)
        // A worker is busy before anything was counted.
        yield* program.until("stdout", /[1-9][\d,]* of [\d,]+\+? files/)
        const processes = below(program.process.pid!)
        program.process.stdin.write(Terminal.CtrlC)
        const { code, stdout } = yield* program.ended
        expect(processes.filter(isAlive)).toEqual([])
        expect(code).toBe(130)
        const [table = "", ...progress] = stdout.split(clear).reverse()
        expect(progress.length).toBeGreaterThan(0)
        expect(table).toMatch(/^.*\(partial: .*\r\n {2}[1-9][\d,]* files? /)
        // What was typed was shown, and cleared away with the rest of the line.
        expect(stdout).toContain("^C")
        for (const shown of [table, ...progress]) expect(shown).not.toContain("\u001B")
      }).pipe(Effect.scoped)
    )
  }
)

describe("identifiers", () => {
  it.prop(
    "are the same however a file is cut into chunks",
    {
      chunks: Schema.Array(
        Schema.Literals([
          "name",
          "x",
          "9",
          "$",
          " ",
          "\n",
          "/",
          "*",
          "'",
          '"',
          "\\",
          "//",
          "/*",
          "é"
        ])
      )
    },
    ({ chunks }) => {
      const identifiers = new Identifiers()
      for (const chunk of chunks) identifiers.push(Buffer.from(chunk, "latin1"))
      expect(identifiers.end()).toEqual(namesIn(chunks.join("")))
    }
  )
})
