/**
 * Guests, with real processes.
 */
import suite from "../../contract/Guests.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
