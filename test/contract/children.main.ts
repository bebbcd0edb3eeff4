/**
 * The main module of every fixture's process.
 */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import { programs } from "./fixtures/programs.ts"

NodeActor.main(import.meta, programs, Effect.void)
