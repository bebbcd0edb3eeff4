/**
 * Guests, with threads.
 */
import suite from "../../contract/Guests.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
