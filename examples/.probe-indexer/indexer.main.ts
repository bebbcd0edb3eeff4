/** A worker's process. It reads a few files at once, and holds a chunk of each of them and the sum of one batch: no more. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Indexer } from "./indexer.ts"
import { readFile } from "./readFile.ts"

/** Enough to keep the processor busy while the disk is not ready. */
const FilesAtOnce = 4

const IndexerLive = Indexer.toLayer({
  Index: Effect.fnUntraced(function* ({ root }, dialog) {
    const { messages, send } = yield* dialog.accept()
    yield* Stream.runForEach(
      messages,
      Effect.fnUntraced(function* (batch) {
        const identifiers = new Map<string, number>()
        yield* Effect.forEach(
          batch,
          (path) => Effect.flatMap(readFile(root, path, identifiers), send),
          { concurrency: FilesAtOnce, discard: true }
        )
        yield* send({ _tag: "BatchDone", identifiers })
      })
    )
  })
})

NodeActor.runMain(Indexer.program(IndexerLive))
