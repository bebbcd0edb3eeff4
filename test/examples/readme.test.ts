/**
 * The README's first actor, as a reader would copy it: three files beside the examples, and the command that runs them.
 */
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, it } from "vitest"

const run = promisify(execFile)
const root = join(import.meta.dirname, "..", "..")

it("the README's first actor answers 42, says nothing else, and ends well", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8")
  const files = [...readme.matchAll(/^```ts\n\/\/ (\S+\.ts)\n([\s\S]*?)^```$/gm)]
  expect(files.map(([, name]) => name)).toEqual(["counter.ts", "counter.main.ts", "main.ts"])

  // Inside examples/, where a reader's folder is and the packages resolve.
  const folder = await mkdtemp(join(root, "examples", ".readme-"))
  try {
    for (const [, name = "", text = ""] of files) await writeFile(join(folder, name), text)
    const { stdout, stderr } = await run(process.execPath, [join(folder, "main.ts")], {
      timeout: 20_000,
      killSignal: "SIGKILL"
    })
    expect({ stdout, stderr }).toEqual({ stdout: "42\n", stderr: "" })
  } finally {
    await rm(folder, { recursive: true })
  }
})
