import errors from "../contract/Errors.suite.ts"
import messages from "../contract/Messages.suite.ts"
import { testWorld } from "../contract/World.ts"
for (const suite of [errors, messages]) suite(testWorld)
