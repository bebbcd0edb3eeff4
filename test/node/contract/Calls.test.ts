/**
 * Calls with real processes.
 */
import suite from "../../contract/Calls.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
