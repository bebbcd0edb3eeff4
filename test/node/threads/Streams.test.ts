/**
 * Streams with threads.
 */
import suite from "../../contract/Streams.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
