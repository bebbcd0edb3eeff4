/**
 * How actors come to be, with real processes.
 */
import suite from "../../contract/Spawning.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
