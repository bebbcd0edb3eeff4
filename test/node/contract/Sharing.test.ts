/**
 * What is shared, and opened at once, with real processes.
 */
import suite from "../../contract/Sharing.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
