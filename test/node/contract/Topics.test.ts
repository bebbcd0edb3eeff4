/**
 * Topics, with real processes.
 */
import suite from "../../contract/Topics.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
