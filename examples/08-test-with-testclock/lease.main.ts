/** The lease's process, for a program that needs one: `Nursery.spawn(Lease, { main, arguments: { minutes: 30 } })`. */
import * as NodeActor from "@furrow/node/NodeActor"
import { LeaseLive } from "./lease.layer.ts"
import { Lease } from "./lease.ts"

NodeActor.runMain(Lease.program(LeaseLive))
