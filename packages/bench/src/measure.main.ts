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
import { workloads } from "./Workloads.ts"

const [, , peerName, workloadName, quick] = process.argv

const say = (outcome: Outcome): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(`\n${Mark}${JSON.stringify(outcome)}\n`, () => resolve())
  })

/** What keeps a package from being loaded, in a line. */
const missing = async (needs: ReadonlyArray<string>): Promise<string | undefined> => {
  for (const name of needs) {
    try {
      await import(name)
    } catch (error) {
      const [reason = ""] = String(error).split("\n", 1)
      return `"${name}" cannot be loaded: ${reason}`
    }
  }
  return undefined
}

const entry = peers.find(({ name }) => name === peerName)
const workload = workloads.find(({ name }) => name === workloadName)
if (entry === undefined || workload === undefined) {
  process.stderr.write("node measure.main.ts PEER WORKLOAD [quick]; use pnpm bench\n")
  process.exit(64)
}

const reason = await missing(entry.needs)
if (reason === undefined) {
  const adapter: Adapter = await import(`./peers/${entry.name}.ts`)
  const peer = await adapter.open()
  const figures = await workload.run(peer, quick === "quick")
  await peer.close?.()
  await say({ _tag: "Measured", figures })
} else await say({ _tag: "Skipped", reason })
process.exit(0)
