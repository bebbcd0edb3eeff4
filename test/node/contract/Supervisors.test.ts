/**
 * Supervisors, with real processes.
 */
import suite from "../../contract/Supervisors.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
