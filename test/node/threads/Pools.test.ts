/**
 * Pools of workers, with threads.
 */
import suite from "../../contract/Pools.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
