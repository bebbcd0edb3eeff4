/**
 * Supervisors, with threads.
 */
import suite from "../../contract/Supervisors.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
