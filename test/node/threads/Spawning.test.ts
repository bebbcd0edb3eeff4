/**
 * How actors come to be, with threads.
 */
import suite from "../../contract/Spawning.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
