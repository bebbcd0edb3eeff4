/**
 * The tasks of a block, with real processes.
 */
import suite from "../../contract/Starting.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
