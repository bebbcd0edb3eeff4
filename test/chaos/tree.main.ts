/** One process of a round: the root, whose argument is the file of the plan, or one of the tree's actors. */
import { onStart } from "./Early.ts"
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { ExitCode } from "./Harm.ts"
import type { Plan } from "./Plan.ts"
import { AboveLive, Knot } from "./Traffic.ts"
import { KnotLive, root } from "./Tree.ts"

const [, , file = "", journal = ""] = process.argv

const plan = (): Plan => JSON.parse(readFileSync(file, "utf8"))

NodeActor.main(
  import.meta,
  [Knot.program(Layer.provide(KnotLive, AboveLive))],
  Effect.suspend(() => root(plan(), journal))
)

onStart("exits before hello", () => process.exit(ExitCode))
