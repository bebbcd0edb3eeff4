/**
 * The least that every world can do, with real processes.
 */
import suite from "../../contract/Counter.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
