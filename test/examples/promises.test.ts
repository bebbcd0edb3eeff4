/**
 * The page of promises, held to the tests that it names.
 *
 * Answers for every file that is linked being there, and for each id standing at the head of a test's name in the file it
 * is given for. That those tests show what the page says is for their readers.
 */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"

const page = join(import.meta.dirname, "..", "..", "docs", "promises.md")
const text = readFileSync(page, "utf8")
const linked = (link: string) => join(dirname(page), link.replace(/#.*/, ""))

/** Every `[Name](file) `id` `id``. */
const named = Array.from(
  text.matchAll(/\]\((\S+\.ts)\)((?:\s+`[A-Z]+-?\d+`)+)/g),
  ([, link = "", ids = ""]) => ({ link, ids: Array.from(ids.matchAll(/`(.+?)`/g), ([, id]) => id) })
)

/** Whether a test's name begins with the id, alone or among others. */
const hasTest = (source: string, id: string | undefined): boolean =>
  new RegExp(`["'\`](?:[A-Z]+-?\\d+[: ]+)*${id}\\b[^"'\`]* `).test(source)

describe("the page of promises", () => {
  it("links to what is there", () => {
    const links = Array.from(text.matchAll(/\]\((?!http)(\S+?)\)/g), ([, link = ""]) => link)
    expect(links.filter((link) => !existsSync(linked(link)))).toEqual([])
  })

  it("names a test for each promise", () => {
    const promises = text
      .split("\n## What is not promised")[0]!
      .split(/\n\n(?=\*\*)/)
      .slice(1)
    expect(promises.filter((promise) => !promise.includes("_Tests:_"))).toEqual([])
  })

  it.each(named)("$link has tests of $ids", ({ ids, link }) => {
    const source = readFileSync(linked(link), "utf8")
    expect(ids.filter((id) => !hasTest(source, id))).toEqual([])
  })
})
