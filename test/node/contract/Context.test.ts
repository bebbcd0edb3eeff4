/**
 * What follows a call, with real processes.
 */
import suite from "../../contract/Context.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
