/**
 * The least that every world can do, with threads.
 */
import suite from "../../contract/Counter.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
