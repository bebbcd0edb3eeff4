/**
 * Topics, with threads.
 */
import suite from "../../contract/Topics.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
