/** The contract: one operation in which both sides speak. */
import * as Schema from "effect/Schema"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"

/** A rally: the caller sends pings, the player pongs, and in the end the player says how many there were. */
const Rally = Dialog.make("Rally", {
  payload: { opponent: Schema.String },
  started: Schema.String,
  fromCaller: Schema.Struct({ ping: Schema.Int }),
  fromCallee: Schema.Struct({ pong: Schema.Int }),
  success: Schema.Int
})

/** Somebody to play with. */
export class Player extends Actor.make("Player", [Rally]) {}
