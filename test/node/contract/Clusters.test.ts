/**
 * Some copies of one actor, with real processes.
 */
import suite from "../../contract/Clusters.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
