/**
 * The main module of every fixture's process.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import { programs } from "./fixtures/programs.ts"

// How a test makes a process leave that nobody asked to, with a code of its own.
process.on("SIGUSR2", () => process.exit(3))

NodeActor.main(import.meta, programs, Effect.void)
