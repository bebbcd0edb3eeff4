/**
 * Errors across hops, with real processes.
 */
import suite from "../../contract/Errors.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
