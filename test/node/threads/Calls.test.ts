/**
 * Calls with threads.
 */
import suite from "../../contract/Calls.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
