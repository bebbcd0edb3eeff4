/**
 * Leaving early, with threads.
 */
import suite from "../../contract/Leaving.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
