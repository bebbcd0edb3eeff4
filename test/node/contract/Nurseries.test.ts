/**
 * The block that owns actors, with real processes.
 */
import suite from "../../contract/Nurseries.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
