/**
 * The contract suite in the test world.
 */
import backpressure from "../contract/Backpressure.suite.ts"
import clusters from "../contract/Clusters.suite.ts"
import calls from "../contract/Calls.suite.ts"
import counter from "../contract/Counter.suite.ts"
import streams from "../contract/Streams.suite.ts"
import oneShots from "../contract/OneShots.suite.ts"
import context from "../contract/Context.suite.ts"
import dialogs from "../contract/Dialogs.suite.ts"
import guests from "../contract/Guests.suite.ts"
import { TestWorld } from "furrow/testing"
import fanOut from "../contract/FanOut.suite.ts"
import faults from "../contract/Faults.suite.ts"
import errors from "../contract/Errors.suite.ts"
import ladder from "../contract/Ladder.suite.ts"
import leaving from "../contract/Leaving.suite.ts"
import messages from "../contract/Messages.suite.ts"
import nurseries from "../contract/Nurseries.suite.ts"
import pools from "../contract/Pools.suite.ts"
import starting from "../contract/Starting.suite.ts"
import sharing from "../contract/Sharing.suite.ts"
import spawning from "../contract/Spawning.suite.ts"
import tasks from "../contract/Tasks.suite.ts"
import topics from "../contract/Topics.suite.ts"
import supervisors from "../contract/Supervisors.suite.ts"
import worlds from "../contract/Worlds.suite.ts"
import { testWorld } from "../contract/World.ts"

for (const suite of [
  spawning,
  nurseries,
  starting,
  pools,
  ladder,
  worlds,
  calls,
  oneShots,
  streams,
  counter,
  context,
  errors,
  guests,
  messages,
  dialogs,
  leaving,
  backpressure,
  clusters,
  tasks,
  fanOut,
  topics,
  sharing,
  supervisors
])
  suite(testWorld)

faults(testWorld, [{ name: "both ends at once", run: (door) => TestWorld.sever(door) }])
