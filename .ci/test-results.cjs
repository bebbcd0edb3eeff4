// Usage: node test-results.cjs REPORT STATUS
// Turns the JSON report of a test run that ended with STATUS into a line for each test: "passed NAME" or "failed NAME".
// A run that failed in any other way (a file that does not load, an error outside every test) is a failed line as well.
const { readFileSync } = require("node:fs")
const { relative } = require("node:path")

const [report, status] = process.argv.slice(2)
const lines = []
const add = (result, ...name) => lines.push(`${result} ${name.join(" > ").replaceAll(/\s+/g, " ")}`)

try {
  for (const { name, status, message, assertionResults } of JSON.parse(readFileSync(report, "utf8"))
    .testResults) {
    const file = relative(process.cwd(), name)
    const ran = assertionResults.filter(
      (test) => test.status === "passed" || test.status === "failed"
    )
    for (const test of ran) add(test.status, file, test.fullName)
    if (status === "failed" && ran.every((test) => test.status === "passed"))
      add("failed", file, message)
  }
} catch (error) {
  add("failed", "test", `no report of the tests can be read: ${error.message}`)
}
if (status !== "0" && !lines.some((line) => line.startsWith("failed "))) {
  add("failed", "test", `every test passed, but the run ended with status ${status}`)
}
console.log(lines.join("\n"))
