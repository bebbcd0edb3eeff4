/**
 * How actors are brought to their end, with threads.
 */
import suite from "../../contract/Ladder.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
