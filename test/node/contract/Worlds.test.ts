/**
 * What an actor shares with its world, with real processes.
 */
import suite from "../../contract/Worlds.suite.ts"
import { processes } from "../../contract/World.ts"

suite(processes)
