/** The contract: all that the room's process and those who call it share. */
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"

/** Somebody is not welcome. */
export class Banned extends Schema.TaggedError<Banned>()("Banned", { who: Schema.String }) {}

/** Posts a line; gives how many there are. */
const Post = Rpc.make("Post", {
  payload: { who: Schema.String, line: Schema.String },
  success: Schema.Int,
  error: Banned
})

/** All lines. */
const History = Rpc.make("History", { success: Schema.String, stream: true })

/** Waits for a line that never comes. */
const Listen = Rpc.make("Listen", { success: Schema.String })

/** Says back what is said, louder; its last word is how many lines that were. */
const Chat = Dialog.make("Chat", {
  payload: { who: Schema.String },
  started: Schema.String,
  fromCaller: Schema.String,
  fromCallee: Schema.String,
  success: Schema.Int
})

/** A room in a process of its own. */
export class Room extends Actor.make("Room", [Post, History, Listen, Chat], {
  arguments: { banned: Schema.Array(Schema.String) }
}) {}
