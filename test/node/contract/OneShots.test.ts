/**
 * One-shots with real processes.
 */
import suite from "../../contract/OneShots.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
