/**
 * Streams with real processes.
 */
import suite from "../../contract/Streams.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
