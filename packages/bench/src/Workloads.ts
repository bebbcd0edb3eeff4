/** All workloads, in the order in which they are run and told of. */
import { calls } from "./workloads/calls.ts"
import { footprint } from "./workloads/footprint.ts"
import { growth } from "./workloads/growth.ts"
import { largeValue } from "./workloads/largeValue.ts"
import { manyDialogs } from "./workloads/manyDialogs.ts"
import { pingPong } from "./workloads/pingPong.ts"
import { pool } from "./workloads/pool.ts"
import { primes } from "./workloads/primes.ts"
import { spawning } from "./workloads/spawning.ts"
import { streams } from "./workloads/streams.ts"
import { trees } from "./workloads/trees.ts"

/** All workloads. */
export const workloads = [
  spawning,
  calls,
  streams,
  pingPong,
  trees,
  footprint,
  primes,
  largeValue,
  manyDialogs,
  growth,
  pool
] as const

/** The name of a workload. */
export type WorkloadName = (typeof workloads)[number]["name"]

/** Their names. */
export const workloadNames = workloads.map(({ name }) => name)
