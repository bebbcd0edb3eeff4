/**
 * Leaving early, with real processes.
 */
import suite from "../../contract/Leaving.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
