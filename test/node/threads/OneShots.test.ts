/**
 * One-shots with threads.
 */
import suite from "../../contract/OneShots.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
