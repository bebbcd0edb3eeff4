/**
 * A program without Effect. It opens a tree with `await using`, calls operations as promises, reads streams as async
 * iterables, holds a dialog, and leaves a call with an AbortSignal. When the block has ended, so has the room's process,
 * after its finalizers; errors are instances of their classes.
 */
import { Furrow } from "@furrow/node"
import { Banned, Room } from "./room.ts"

const main = async (): Promise<void> => {
  await using tree = await Furrow.open()
  const { client: room } = await tree.spawn(Room, {
    main: new URL("./room.main.ts", import.meta.url),
    arguments: { banned: ["Bligh"] }
  })

  await room.Post({ who: "Ada", line: "ahoy" })
  console.log(`${await room.Post({ who: "Grace", line: "land in sight" })} lines`)
  for await (const line of room.History()) console.log(line)

  await room.Post({ who: "Bligh", line: "you will pay for this" }).catch((error: unknown) => {
    if (!(error instanceof Banned)) throw error
    console.log(`${error.who} is banned`)
  })

  await using chat = await room.Chat({ who: "Grace" })
  console.log(chat.started)
  await chat.send("a toast")
  await chat.end()
  for await (const line of chat.messages) console.log(line)
  console.log(`${await chat.result()} line`)

  const patience = AbortSignal.timeout(100)
  await room.Listen(undefined, { signal: patience }).catch((error: unknown) => {
    if (error !== patience.reason) throw error
    console.log("nobody says anything")
  })
}

await main()
console.log("the room's process is gone")

// Output:
// 2 lines
// Ada: ahoy
// Grace: land in sight
// Bligh is banned
// welcome, Grace
// A TOAST
// 1 line
// nobody says anything
// [root/Room] the lights go out
// the room's process is gone
