/** A short soak; `pnpm soak` makes the long one. In a file of its own, so that nothing else is in the process. */
import { expect, it } from "@effect/vitest"
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import { patience } from "../contract/World.ts"
import { actors, dialogs, items } from "./Soak.ts"
import type { Soaked } from "./Soak.ts"

/** What a process may hold more after it, in bytes: its own machinery learns and forgets as it runs. */
const Slack = 2_000_000

const expectNothingLeft = ({ child, parent }: Soaked) => {
  for (const end of child === undefined ? [parent] : [parent, child]) {
    expect(end.after.bytes - end.before.bytes).toBeLessThan(Slack)
    expect(end.after.handles).toBeLessThanOrEqual(end.before.handles)
    expect(end.after.descriptors).toBeLessThanOrEqual(end.before.descriptors)
  }
}

const soak = (effect: Effect.Effect<Soaked, unknown, NodeActor.Services>) =>
  Effect.map(effect, expectNothingLeft).pipe(Effect.provide(NodeActor.layer))

it.live(
  "D15 F19 6000 dialogs opened and closed on one connection leave nothing at either end",
  () => soak(dialogs(6000)),
  patience(10_000)
)

it.live(
  "F19 D15 actors spawned and ended one after the other leave nothing",
  () => soak(actors(10)),
  patience(10_000)
)

it.live(
  "F13 a stream of 100 000 items leaves nothing at either end",
  () => soak(items(100_000)),
  patience(10_000)
)
