/**
 * Many consumers of one stream, with threads.
 */
import suite from "../../contract/FanOut.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
