/**
 * Faults with threads.
 */
import suite from "../../contract/Cutting.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
