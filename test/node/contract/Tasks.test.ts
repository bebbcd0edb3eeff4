/**
 * Blocks of tasks, with real processes.
 */
import suite from "../../contract/Tasks.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
