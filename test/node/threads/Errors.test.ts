/**
 * Errors across hops, with threads.
 */
import suite from "../../contract/Errors.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
