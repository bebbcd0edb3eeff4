/**
 * Blocks of tasks, with threads.
 */
import suite from "../../contract/Tasks.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
