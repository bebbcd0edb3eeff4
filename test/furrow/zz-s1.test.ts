import suite from "../contract/Spawning.suite.ts"
import { testWorld } from "../contract/World.ts"

suite(testWorld)
