/**
 * What an actor shares with its world, with threads.
 */
import suite from "../../contract/Worlds.suite.ts"
import { threads } from "../../contract/World.ts"

suite(threads)
