import suite from "../contract/Dialogs.suite.ts"
import { testWorld } from "../contract/World.ts"
suite(testWorld)
