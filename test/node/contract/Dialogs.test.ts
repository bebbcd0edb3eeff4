/**
 * Dialogs, with real processes.
 */
import suite from "../../contract/Dialogs.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
