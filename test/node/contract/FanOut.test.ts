/**
 * Many consumers of one stream, with real processes.
 */
import suite from "../../contract/FanOut.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
