/**
 * The main module of every fixture's process, or thread.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import { parentPort } from "node:worker_threads"
import { programs } from "./fixtures/programs.ts"

// How a test makes a process, or a thread, leave that nobody asked to, with a code of its own.
process.on("SIGUSR2", () => process.exit(3))
parentPort?.on("message", () => process.exit(3)).unref()

NodeActor.main(import.meta, programs, Effect.void)
