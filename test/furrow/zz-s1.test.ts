import suite from "../contract/Nurseries.suite.ts"
import { testWorld } from "../contract/World.ts"

suite(testWorld)
