/**
 * What follows a call, with threads.
 */
import suite from "../../contract/Context.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
