/**
 * What values become on their way, with threads.
 */
import suite from "../../contract/Messages.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
