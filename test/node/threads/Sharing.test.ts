/**
 * What is shared, and opened at once, with threads.
 */
import suite from "../../contract/Sharing.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
