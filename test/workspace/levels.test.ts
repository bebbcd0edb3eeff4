/**
 * The check of the layers, on small trees: what it must refuse, with a sentence that says where and what to do, and
 * what it must let pass.
 */
import { describe, expect, it } from "vitest"
import { problems } from "../../.ci/levels.ts"

const tree = (sources: Record<string, string>) => problems(new Map(Object.entries(sources)))

describe("the layers of the packages", () => {
  it("lets imports pass that point down or stay on their level", () => {
    expect(
      tree({
        "furrow/src/protocol/Identity.ts": `import * as Schema from "effect/Schema"`,
        "furrow/src/Dialog.ts": `import type { ActorRef } from "./protocol/Identity.ts"`,
        "furrow/src/Actor.ts": `import { Dialog } from "./Dialog.ts"`,
        "furrow/src/testing/index.ts": `export * from "../Actor.ts"`,
        "node/src/NodeSpawner.ts": `import * as net from "node:net"\nimport * as Actor from "furrow/Actor"`
      })
    ).toEqual([])
  })

  it.each([
    [`import { Session } from "./Session.ts"`],
    [`import type { Session } from "./Session.ts"`],
    [`import {\n  one,\n  two\n} from "./Session.ts"`],
    [`import "./Session.ts"`],
    [`export * from "./Session.ts"`],
    [`export type { Session } from "./Session.ts"`],
    [`const later = () => import("./Session.ts")`],
    [`export type S = import("./Session.ts").Session`]
  ])("refuses an upward import: %s", (text) => {
    expect(tree({ "furrow/src/Dialog.ts": text, "furrow/src/Session.ts": "" })).toEqual([
      "furrow/src/Dialog.ts (level 3, contracts) imports upward furrow/src/Session.ts (level 4, session): " +
        "move what both need down, or let the upper one hand it over"
    ])
  })

  it("refuses a cycle, also one of types on the same level", () => {
    expect(
      tree({
        "furrow/src/Actor.ts": `import type * as Dialog from "./Dialog.ts"`,
        "furrow/src/Dialog.ts": `import type * as Travel from "./Travel.ts"`,
        "furrow/src/Travel.ts": `import type * as Actor from "./Actor.ts"`
      })
    ).toEqual([
      "import cycle: furrow/src/Actor.ts -> furrow/src/Dialog.ts -> furrow/src/Travel.ts -> furrow/src/Actor.ts"
    ])
    expect(
      tree({
        "node/src/NodeActor.ts": `import "./internal/Signals.ts"`,
        "node/src/internal/Signals.ts": `import "../NodeActor.ts"`
      })
    ).toHaveLength(1)
  })

  it("refuses an import against the direction of the packages, by name or by path", () => {
    expect(tree({ "furrow/src/Actor.ts": `import "@furrow/node/NodeSpawner"` })).toEqual([
      "furrow/src/Actor.ts imports @furrow/node/NodeSpawner, but its package may only import effect"
    ])
    expect(tree({ "furrow/src/Actor.ts": `import "node:net"` })).toHaveLength(1)
    expect(
      tree({
        "furrow/src/Actor.ts": `import "../../node/src/NodeSpawner.ts"`,
        "node/src/NodeSpawner.ts": ""
      })
    ).toEqual([
      "furrow/src/Actor.ts imports node/src/NodeSpawner.ts, which is in another package: import it by name"
    ])
  })

  it("refuses a file and a package that nobody has put anywhere, and says where to", () => {
    expect(tree({ "furrow/src/Helpers.ts": "" })).toEqual([
      "furrow/src/Helpers.ts is in no level: add it to the one it belongs to in .ci/levels.ts"
    ])
    expect(tree({ "cloud/src/Cloud.ts": `import "effect/Effect"` })).toEqual([
      "packages/cloud is not listed: say in .ci/levels.ts what it may import"
    ])
  })

  it("takes no import from a comment", () => {
    expect(
      tree({
        "furrow/src/Dialog.ts": `/**\n * import { Session } from "./Session.ts"\nimport "./Session.ts"\n */\n// import("./Session.ts")`
      })
    ).toEqual([])
  })
})
