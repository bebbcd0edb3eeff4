/**
 * Faults with real processes.
 */
import suite from "../../contract/Cutting.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
