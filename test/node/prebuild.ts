/** Builds what actors start from before the first test that starts one: without it they come up all the same, later. */
import { execFileSync } from "node:child_process"

/** Runs once, before all workers. */
export const setup = (): void => {
  execFileSync(process.execPath, ["packages/node/scripts/prebuild.ts"], { stdio: "inherit" })
}
