/**
 * Backpressure, with threads.
 */
import suite from "../../contract/Backpressure.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
