/**
 * The contract suite in the test world.
 */
import counter from "../contract/Counter.suite.ts"
import { testWorld } from "../contract/World.ts"

for (const suite of [counter]) suite(testWorld)
