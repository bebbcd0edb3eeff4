/** All peers, in the order in which they take their turns: who they are, and what each has the means for. */
import type { WorkloadName } from "./Workloads.ts"

/** A peer as the runner knows it; its adapter is `peers/NAME.ts`. */
export interface Entry {
  readonly name: string
  readonly what: string
  /** The packages that it is made of; without one of them it is skipped. */
  readonly needs: ReadonlyArray<string>
  readonly workloads: ReadonlyArray<WorkloadName>
  /** Those that a quick run has of it. */
  readonly quick: ReadonlyArray<WorkloadName>
}

const everywhere = ["W1", "W2", "W3", "W6", "W7"] as const

/** All peers. */
export const peers: ReadonlyArray<Entry> = [
  {
    name: "furrow",
    what: "an actor in its own process, all defaults",
    needs: [],
    workloads: [...everywhere, "W4", "W5", "W8", "W9", "growth", "pool"],
    quick: [...everywhere, "W4", "W5", "W8", "W9", "growth", "pool"]
  },
  {
    name: "furrow-spare",
    what: "the same, from a process that waited",
    needs: [],
    workloads: ["W1"],
    quick: ["W1"]
  },
  {
    name: "raw",
    what: "a Unix socket with msgpackr",
    needs: ["msgpackr"],
    workloads: [...everywhere, "W4", "W5", "W8", "growth"],
    quick: [...everywhere, "W4", "W5", "W8", "growth"]
  },
  {
    name: "fork",
    what: "child_process.fork, JSON",
    needs: [],
    workloads: [...everywhere, "W4", "W5"],
    quick: [...everywhere, "W4", "W5"]
  },
  {
    name: "stock",
    what: "effect/rpc over a Unix socket, binary",
    needs: [],
    workloads: everywhere,
    quick: everywhere
  },
  {
    name: "stock-ndjson",
    what: "effect/rpc over a Unix socket, ndjson",
    needs: [],
    workloads: everywhere,
    quick: ["W1", "W2"]
  },
  {
    name: "threads",
    what: "worker_threads, a port each",
    needs: [],
    workloads: [...everywhere, "W4", "W5"],
    quick: ["W1", "W2"]
  },
  {
    name: "piscina",
    what: "a pool of one thread, or of two",
    needs: ["piscina"],
    workloads: ["W1", "W2", "W6", "W7", "pool"],
    quick: ["W1", "W2", "pool"]
  },
  {
    name: "comlink",
    what: "comlink over a thread",
    needs: ["comlink"],
    workloads: everywhere,
    quick: ["W1", "W2"]
  },
  {
    name: "moleculer",
    what: "a broker in each process, over TCP",
    needs: ["moleculer"],
    workloads: everywhere,
    quick: ["W1", "W2"]
  },
  {
    name: "comedy",
    what: "actors in forked processes",
    needs: ["comedy"],
    workloads: [...everywhere, "W5"],
    quick: ["W1", "W2"]
  },
  {
    name: "grpc",
    what: "gRPC over a Unix socket",
    needs: ["@grpc/grpc-js", "@grpc/proto-loader"],
    workloads: [...everywhere, "W4"],
    quick: ["W1", "W2"]
  },
  {
    name: "zeromq",
    what: "zeromq over ipc://, msgpackr",
    needs: ["zeromq", "msgpackr"],
    workloads: [...everywhere, "W4"],
    quick: ["W1", "W2"]
  }
]

/** Their names. */
export const peerNames = peers.map(({ name }) => name)
