/** The result for people to read. */
import { count, counted, printable, shortened, size } from "./quantities.ts"
import type { Report } from "./report.ts"

/** How many extensions, and how many unreadable files, are named. */
const Extensions = 12
const Unreadable = 10

/** How much of a path is shown beside other things. */
const PathWidth = 80

const named = (path: string): string => shortened(printable(path), PathWidth)

/** A report as text, section by section; what there is nothing of is left out. */
export const toText = (report: Report): string =>
  [
    heading(report),
    section("By extension", extensions(report)),
    section("Largest files", largest(report)),
    section("Most frequent identifiers", identifiers(report)),
    section("Duplicates", duplicates(report)),
    section("Not readable", unreadable(report))
  ]
    .filter((text) => text !== "")
    .join("\n\n")

const section = (title: string, lines: ReadonlyArray<string>): string =>
  lines.length === 0 ? "" : [title, ...lines.map((line) => `  ${line}`)].join("\n")

/** Rows with their columns in line: the first `right` of them to the right, the others to the left. */
const align = (
  right: number,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const widths: Array<number> = []
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  return rows.map((row) =>
    row
      .map((cell, at) =>
        at < right ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)
      )
      .join("  ")
      .trimEnd()
  )
}

const heading = ({
  bytesPerSecond,
  partial,
  restarts,
  root,
  seconds,
  totals,
  workers
}: Report): string =>
  section(partial ? `${printable(root)} (partial: ended before all was seen)` : printable(root), [
    `${counted(totals.files, "file")} (${count(totals.binaries)} binary), ${size(totals.bytes)}, ${counted(totals.lines, "line")} of text`,
    `${seconds.toFixed(1)} s with ${counted(workers, "worker")}: ${size(bytesPerSecond)}/s`,
    ...(restarts === undefined ? [] : [`${counted(restarts, "restart")} after SIGKILL`])
  ])

const extensions = (report: Report): ReadonlyArray<string> => {
  const shown = report.extensions.slice(0, Extensions)
  return [
    ...align(3, [
      ...(shown.length > 0 ? [["files", "size", "lines", ""]] : []),
      ...shown.map(({ bytes, extension, files, lines }) => [
        count(files),
        size(bytes),
        count(lines),
        extension === "" ? "(none)" : printable(extension)
      ])
    ]),
    ...andMore(report.extensions.length - shown.length)
  ]
}

const largest = (report: Report): ReadonlyArray<string> =>
  align(
    2,
    report.largest.map(({ bytes, identifiers, lines, path }) => [
      size(bytes),
      lines === undefined ? "binary" : counted(lines, "line"),
      named(path),
      identifiers
        .slice(0, 3)
        .map(({ name }) => name)
        .join(" ")
    ])
  )

const identifiers = (report: Report): ReadonlyArray<string> => {
  const half = Math.ceil(report.identifiers.length / 2)
  const cells = align(
    1,
    report.identifiers.map(({ count: times, name }) => [count(times), name])
  )
  return align(
    0,
    cells.slice(0, half).map((cell, at) => [cell, cells[half + at] ?? ""])
  )
}

const duplicates = ({ duplicates: { bytes, files, groups, largest, wasted } }: Report) =>
  groups === 0
    ? []
    : [
        `${counted(files, "copy", "copies")} of ${counted(groups, "content")}: ${size(bytes)}, ${size(wasted)} of them on the disk; hard links cost none`,
        ...align(
          1,
          largest.map((group) => [
            `${count(group.files)} × ${size(group.bytes)}`,
            named(group.paths[0] ?? ""),
            group.places === 1 ? "hard links" : `in ${counted(group.places, "place")}`
          ])
        )
      ]

const unreadable = (report: Report): ReadonlyArray<string> => {
  const shown = report.unreadable.slice(0, Unreadable)
  return [
    ...shown.map(({ path, reason }) => `${printable(path)}: ${reason}`),
    ...andMore(report.unreadable.length - shown.length)
  ]
}

const andMore = (n: number): ReadonlyArray<string> => (n > 0 ? [`and ${count(n)} more`] : [])
