/**
 * What a spare is told over the wire when an actor takes it: whose program it is from then on.
 *
 * Answers for the words of both ends, and for not one byte being read that comes after them: what is said afterwards is
 * the actor's. It is read with blocking reads, so that a spare that waits does nothing else, and costs no time.
 */
import { readSync } from "node:fs"

/** What the process of an actor is given, and can be given after its start. */
export interface Order {
  /** The file of its main module. */
  readonly main: string
  /** What stands behind the main module in its arguments. */
  readonly args: ReadonlyArray<string>
  readonly execArgv: ReadonlyArray<string>
  readonly title: string
  /** Nothing if this process has none any more. */
  readonly cwd: string | undefined
  /** The variables that differ from those the spare was started with; `null` is one that is not there. */
  readonly env: Readonly<Record<string, string | null>>
}

/** What a spare says when it is ready to be told. */
export const Ready = 0x72

/** What it says when it has become what it was told, just before it runs the main module. */
export const Taken = 0x74

/** How long an order may be, in bytes: a pipe takes as much whether somebody reads it or not. */
const Limit = 32_768

/** An order as it is said: its length, and JSON. Nothing if it cannot be said. */
export const encode = (order: Order): Uint8Array | undefined => {
  const text = Buffer.from(JSON.stringify(order))
  // No process can be given a NUL; how that is refused is said by a fresh start.
  if (text.length > Limit || text.includes("\\u0000")) return undefined
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text])
}

/** So many bytes and not one more; nothing at the end of the file. */
const readBytes = (fd: number, size: number): Buffer | undefined => {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size;) {
    const read = readSync(fd, bytes, at, size - at, null)
    if (read === 0) return undefined
    at += read
  }
  return bytes
}

/** Waits for an order, and blocks the thread meanwhile; nothing if there will be none. */
export const read = (fd: number): Order | undefined => {
  const length = readBytes(fd, 4)
  const text = length === undefined ? undefined : readBytes(fd, length.readUInt32BE())
  return text === undefined ? undefined : (JSON.parse(text.toString()) as Order)
}
