/**
 * What goes to stdout. Whoever reads it may have seen enough (`| head`): then the rest is dropped and nothing is wrong. Any
 * other failure, such as a full disk, is one, and the program ends with it.
 */
import { Effect, Stdio, Stream } from "effect"
import type { PlatformError } from "effect"

/** Writes a text and the end of its last line. */
export const print = Effect.fn("print")(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* Stream.make(`${text}\n`).pipe(
    Stream.run(stdio.stdout()),
    Effect.catchIf(readerHasLeft, () => Effect.void)
  )
})

const readerHasLeft = ({ reason }: PlatformError.PlatformError): boolean =>
  reason.cause instanceof Error && "code" in reason.cause && reason.cause.code === "EPIPE"
