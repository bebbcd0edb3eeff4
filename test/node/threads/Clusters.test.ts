/**
 * Some copies of one actor, with threads.
 */
import suite from "../../contract/Clusters.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
