/** What actors start from: built from what is installed, served as one copy, and left alone where it does not fit. */
import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import * as Prebuilt from "../../packages/node/src/internal/Prebuilt.ts"

/** What a program prints that is started as an actor would be. */
const run = async (code: string): Promise<unknown> => {
  const flags = [...Prebuilt.flagsOf({}), "--input-type=module", "--eval", code]
  return JSON.parse((await promisify(execFile)(process.execPath, flags)).stdout)
}

/** A copy of what was built, with another table. */
const withTable = (change: (table: Prebuilt.Table) => unknown): boolean => {
  const folder = mkdtempSync(join(tmpdir(), "furrow-prebuilt-"))
  try {
    for (const file of [Prebuilt.ModulesFile, Prebuilt.ServeFile]) {
      copyFileSync(join(Prebuilt.Folder, file), join(folder, file))
    }
    const table: Prebuilt.Table = JSON.parse(
      readFileSync(join(Prebuilt.Folder, Prebuilt.TableFile), "utf8")
    )
    writeFileSync(join(folder, Prebuilt.TableFile), JSON.stringify(change(table)))
    return Prebuilt.isFresh(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe("what actors start from", () => {
  it("has one copy of each module, whoever imports it and by which name", async () => {
    const { folders, table } = Prebuilt.read()!
    const modules = Object.entries(table.modules).map(
      ([name, [key, names]]) =>
        [pathToFileURL(Prebuilt.fileOf(name, folders)).href, key, names] as const
    )
    const [flag] = Prebuilt.flagsOf({})
    const file = JSON.stringify(flag!.slice("--import=".length))
    const others = await run(`
      const { built } = await import(${file})
      const others = []
      for (const [url, key, names] of ${JSON.stringify(modules)}) {
        const found = await import(url)
        const values = built(key)
        const same = Object.keys(found).length === names.length &&
          names.every((name, at) => Object.is(found[name], values[at]))
        if (!same) others.push(url)
      }
      console.log(JSON.stringify(others))`)
    expect(others).toEqual([])
  })

  it("is plain ASCII, of which a process keeps a byte for each letter, and not two", () => {
    for (const file of [Prebuilt.ModulesFile, Prebuilt.ServeFile]) {
      const bytes = readFileSync(join(Prebuilt.Folder, file))
      expect(bytes.findIndex((byte) => byte > 127)).toBe(-1)
    }
  })

  it("lets modules that were not built find those that were", async () => {
    const same = await run(
      `
      const { Effect } = await import("effect")
      const { succeed } = await import("effect/Effect")
      console.log(JSON.stringify(Effect.succeed === succeed))`.replaceAll(
        /import\("(effect[^"]*)"\)/g,
        (_, name: string) => `import(${JSON.stringify(import.meta.resolve(name))})`
      )
    )
    expect(same).toBe(true)
  })

  it("leaves a package alone that is another one where it is imported", async () => {
    const folder = mkdtempSync(join(tmpdir(), "furrow-prebuilt-"))
    try {
      const other = join(folder, "node_modules", "effect")
      mkdirSync(other, { recursive: true })
      writeFileSync(
        join(other, "package.json"),
        JSON.stringify({ name: "effect", type: "module", exports: { "./*": "./*.js" } })
      )
      for (const name of ["Effect", "Schema"]) {
        writeFileSync(join(other, `${name}.js`), `export const whose = "another ${name}"`)
      }
      const main = join(folder, "main.mjs")
      writeFileSync(
        main,
        `export { whose as one } from "effect/Effect"; export { whose as two } from "effect/Schema"`
      )
      const found = await run(`
        await import(${JSON.stringify(import.meta.resolve("effect/Effect"))})
        const { one, two } = await import(${JSON.stringify(pathToFileURL(main).href)})
        console.log(JSON.stringify([one, two]))`)
      expect(found).toEqual(["another Effect", "another Schema"])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("is what is found by each name, from whichever folder", async () => {
    const folder = mkdtempSync(join(import.meta.dirname, "fixtures", ".imports-"))
    try {
      const names = ["effect/Effect", "effect/Schema", "furrow/Actor", "@furrow/node/NodeActor"]
      const main = join(folder, "main.mjs")
      writeFileSync(
        main,
        names.map((name, at) => `export * as n${at} from ${JSON.stringify(name)}`).join("\n")
      )
      const urls = names.map((name) => import.meta.resolve(name))
      const same = await run(`
        const found = Object.values(await import(${JSON.stringify(pathToFileURL(main).href)}))
        const urls = ${JSON.stringify(urls)}
        console.log(JSON.stringify(await Promise.all(urls.map(async (url, at) => found[at] === await import(url)))))`)
      expect(same).toEqual(names.map(() => true))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("has not grown by a tenth: what a child loads is what each start costs", () => {
    const { table } = Prebuilt.read()!
    const { size } = statSync(join(Prebuilt.Folder, Prebuilt.ModulesFile))
    expect(Object.keys(table.modules).length).toBeLessThan(392)
    expect(size).toBeLessThan(1_900_000)
  })

  it("is used as it was built, and not for other versions, changed sources, or without its file", () => {
    expect(withTable((table) => table)).toBe(true)
    expect(
      withTable((table) => ({ ...table, packages: { ...table.packages, effect: "4.1.1" } }))
    ).toBe(false)
    expect(withTable((table) => ({ ...table, packages: { "no-such-package": "1.0.0" } }))).toBe(
      false
    )
    expect(
      withTable((table) => ({
        ...table,
        sources: { ...table.sources, "furrow/src/Actor.ts": "1 bytes, 1" }
      }))
    ).toBe(false)
    expect(
      withTable((table) => ({ ...table, sources: { "furrow/src/Gone.ts": "1 bytes, 1" } }))
    ).toBe(false)
    expect(withTable(() => "nothing")).toBe(false)
    expect(Prebuilt.isFresh(join(tmpdir(), "no-such-folder"))).toBe(false)
  })

  it("keeps what V8 makes of it in the first lives of actors that end in order, and takes it up while it is whole", async () => {
    const folder = mkdtempSync(join(tmpdir(), "furrow-prebuilt-"))
    const live = async (role: string, code = 0): Promise<ReadonlyArray<string>> => {
      const main = `await import("effect/Effect"); process.exit(${code})`
      const own = main.replace(
        '"effect/Effect"',
        JSON.stringify(import.meta.resolve("effect/Effect"))
      )
      const flags = [
        ...Prebuilt.flagsOf({}),
        "--input-type=module",
        "--eval",
        own,
        "--",
        "main",
        role
      ]
      const env = { ...process.env, NODE_COMPILE_CACHE: folder }
      const ended = promisify(execFile)(process.execPath, flags, { env })
      expect(
        await ended.then(
          () => 0,
          (failed: { code: number }) => failed.code
        )
      ).toBe(code)
      return globSync(join(folder, "*", "furrow-*"))
    }
    try {
      expect(await live("no actor")).toEqual([])
      expect(await live("furrow:Failed", 1)).toEqual([])
      const [kept, ...others] = await live("furrow:First")
      expect(others).toEqual([])
      const first = statSync(kept!)
      for (let lives = 2; lives <= 4; lives++) {
        const { ino } = statSync(kept!)
        expect(await live("furrow:Another")).toEqual([kept])
        expect(statSync(kept!).ino).not.toBe(ino)
      }
      const last = statSync(kept!)
      expect(last.size).toBeGreaterThanOrEqual(first.size)
      expect(await live("furrow:Last")).toEqual([kept])
      expect(statSync(kept!).ino).toBe(last.ino)
      const whole = readFileSync(kept!)
      const broken = Buffer.from(whole).fill(0, whole.length / 2, whole.length / 2 + 4096)
      for (const bytes of [broken, whole.subarray(0, -4096), Buffer.alloc(0)]) {
        writeFileSync(kept!, bytes)
        const { ino } = statSync(kept!)
        expect(await live("furrow:Third")).toEqual([kept])
        const again = statSync(kept!)
        expect(again.ino).not.toBe(ino)
        expect(again.size).toBeGreaterThan(whole.length / 2)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("finds its names in stacks while it is run, and leaves stacks as they were", async () => {
    const [before, after, stack] = (await run(`
      const makes = () => String(Object.getOwnPropertyDescriptor(Error, "prepareStackTrace")?.value)
      const before = makes()
      const { map, promise, runPromise } = await import(${JSON.stringify(import.meta.resolve("effect/Effect"))})
      const stack = await runPromise(map(promise(async () => {}), () => new Error().stack))
      console.log(JSON.stringify([before, makes(), stack]))`)) as ReadonlyArray<string>
    expect(after).toBe(before)
    // Effect calls what it is given by way of another function if stacks do not show the names of its own.
    expect(stack).toMatch(/~effect\/Effect\/successCont.* \(.+modules\.js:\d+:\d+\)/)
    expect(stack).not.toContain("~effect/Utils/internal")
  })

  it("loads no module of Node that most actors never need", async () => {
    const loaded = await run(`
      await import(${JSON.stringify(import.meta.resolve("@furrow/node/NodeActor"))})
      console.log(JSON.stringify(process.moduleLoadList))`)
    const names = ["child_process", "crypto", "os", "worker_threads"]
    expect(loaded).toContain("NativeModule net")
    expect(
      names.filter((name) => (loaded as Array<string>).includes(`NativeModule ${name}`))
    ).toEqual([])
  })

  it("is not used while coverage is measured", () => {
    expect(Prebuilt.flagsOf({ NODE_V8_COVERAGE: "coverage" })).toEqual([])
    expect(Prebuilt.flagsOf({})).toEqual([expect.stringContaining(`${Prebuilt.Flag}?file:`)])
  })
})
