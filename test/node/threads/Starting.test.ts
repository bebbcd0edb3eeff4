/**
 * The tasks of a block, with threads.
 */
import suite from "../../contract/Starting.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
