/**
 * Pools of workers, with real processes.
 */
import suite from "../../contract/Pools.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
