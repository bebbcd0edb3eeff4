/**
 * Dialogs, with threads.
 */
import suite from "../../contract/Dialogs.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
