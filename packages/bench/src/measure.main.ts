/**
 * One measured process: one peer, one workload, once. `node measure.main.ts PEER WORKLOAD [quick]`
 *
 * Started by the runner, a process each time, so that nothing that one measurement leaves behind is part of the next. Says
 * its outcome in one line on stdout.
 */
import { Mark } from "./Outcome.ts"
import type { Outcome } from "./Outcome.ts"
import type { Adapter } from "./Peer.ts"
import { peers } from "./Peers.ts"
import type { Entry } from "./Peers.ts"
import { workloads } from "./Workloads.ts"

const [, , peerName, workloadName, quick] = process.argv

const say = (outcome: Outcome): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(`\n${Mark}${JSON.stringify(outcome)}\n`, () => resolve())
  })

/** Its adapter, or, where one of its packages is not there or cannot be loaded here, why. */
const load = async ({ name, needs }: Entry): Promise<Adapter | string> => {
  try {
    return await import(`./peers/${name}.ts`)
  } catch (error) {
    const [reason = ""] = String(error).split("\n", 1)
    if (needs.some((name) => reason.includes(name))) return reason.replace(/ imported from .*/, "")
    throw error
  }
}

const entry = peers.find(({ name }) => name === peerName)
const workload = workloads.find(({ name }) => name === workloadName)
if (entry === undefined || workload === undefined) {
  process.stderr.write("node measure.main.ts PEER WORKLOAD [quick]; use pnpm bench\n")
  process.exit(64)
}

const adapter = await load(entry)
if (typeof adapter === "string") await say({ _tag: "Skipped", reason: adapter })
else {
  const peer = await adapter.open()
  const figures = await workload.run(peer, quick === "quick")
  await peer.close?.()
  await say({ _tag: "Measured", figures })
}
process.exit(0)
