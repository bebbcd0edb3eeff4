/**
 * The block that owns actors, with threads.
 */
import suite from "../../contract/Nurseries.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
