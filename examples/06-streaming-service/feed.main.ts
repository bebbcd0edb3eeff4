/** A feed's process. It is ahead of its reader by one window at most, 64 items by default; then it waits. */
import * as NodeActor from "@furrow/node/NodeActor"
import * as Stream from "effect/Stream"
import { Feed } from "./service.ts"

const FeedLive = Feed.toLayer({ Numbers: ({ upTo }) => Stream.range(1, upTo) })

NodeActor.runMain(Feed.program(FeedLive))
