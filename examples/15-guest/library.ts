/** Somebody else's code: it knows promises, async iterables and `AbortSignal`s, and nothing of Effect. */
import { setTimeout as sleep } from "node:timers/promises"

/** What {@link shout} throws at a line that it does not like. */
export class Rude extends Error {
  override name = "Rude"
}

/** Answers each line, and gives the number of lines. */
export const shout = async (
  lines: AsyncIterable<string>,
  answer: (line: string) => Promise<void>
): Promise<number> => {
  let count = 0
  for await (const line of lines) {
    if (line.includes("!")) throw new Rude(`"${line}" is loud already`)
    await answer(line.toUpperCase())
    count += 1
  }
  return count
}

/** Works until it is told to end, and then tidies up. */
export const poll = async (signal: AbortSignal): Promise<void> => {
  try {
    for (;;) await sleep(1000, undefined, { signal })
  } finally {
    await sleep(10)
    console.log("the poller has tidied up")
  }
}
