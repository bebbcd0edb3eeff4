/**
 * How the tests run: what is fast first, then the types, then the tests that start processes.
 *
 * Four workers, so that a run on a small machine means what it means on a large one: the process tests start trees of
 * their own, and half of their time they wait. `FURROW_TEST_REPORT` names a file for the numbers.
 */
import { defineConfig } from "vitest/config"

const report = process.env["FURROW_TEST_REPORT"]

export default defineConfig({
  test: {
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    coverage: {
      provider: "v8",
      // Actors are processes: what they run counts, too.
      autoAttachSubprocess: true,
      include: ["packages/*/src/**/*.ts"],
      exclude: ["packages/bench/**"],
      reporter: ["text", "html", "lcovonly"]
    },
    maxWorkers: 4,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          // Generated cases take their time on a machine that is busy.
          testTimeout: 60_000,
          include: [
            "test/{furrow,fuzz,workspace}/**/*.test.ts",
            "test/bench/figures.test.ts",
            "examples/**/*.test.ts"
          ]
        }
      },
      {
        extends: true,
        test: {
          name: "types",
          include: [],
          // A test here passes when the compiler finds every `@ts-expect-error` deserved, and nothing else to say.
          typecheck: {
            enabled: true,
            only: true,
            include: ["test/types/**/*.test.ts"],
            tsconfig: "test/types/tsconfig.json",
            ignoreSourceErrors: true
          }
        }
      },
      {
        extends: true,
        test: {
          name: "process",
          include: [
            "test/{node,tree,chaos,soak,examples}/**/*.test.ts",
            "test/bench/bench.test.ts"
          ],
          sequence: { groupOrder: 1 },
          globalSetup: "test/node/prebuild.ts",
          pool: "forks",
          testTimeout: 30_000,
          hookTimeout: 30_000
        }
      }
    ]
  }
})
