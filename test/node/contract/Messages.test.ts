/**
 * What values become on their way, with real processes.
 */
import suite from "../../contract/Messages.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
