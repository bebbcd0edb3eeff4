/**
 * Backpressure, with real processes.
 */
import suite from "../../contract/Backpressure.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
