/**
 * How actors are brought to their end, with real processes.
 */
import suite from "../../contract/Ladder.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
