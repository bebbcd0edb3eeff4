/**
 * What becomes of one output stream of a child: passed on line by line, given to the user as a Stream, or neither.
 *
 * Answers for the last words, for a reader of our own output that has gone, and for a slow one, which slows the child
 * down and fills no memory.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Output } from "furrow/Spawner"
import type { Writable } from "node:stream"
import { Lines } from "./Lines.ts"
import * as Outputs from "./Outputs.ts"
import { settle, settleTurns } from "./Settle.ts"

/** How many bytes of last words are kept. */
const TailSize = 16_384

/** How many chunks wait for the user of a `pipe`. */
const PipeCapacity = 16

/** How long the rest of a dead child's output may take to arrive, in milliseconds. */
export const RestTime = 200

/** How many turns of a busy event loop it may take, however long they are. */
const RestTurns = 20

/** One output of a child. */
export interface ChildOutput {
  /** What the child writes, in mode `pipe`; else empty. */
  readonly stream: Stream.Stream<Uint8Array>
  /** The last it wrote, where it is read. */
  readonly tail: () => string
  /** Reads the output; ends when everybody who could write to it is gone. */
  readonly reading: ReadonlyArray<Fiber.Fiber<void>>
  /** Reads what is left without waiting for those who take it; for when nobody writes any more. */
  readonly hurry: () => void
  /** Reads what is left as it is taken, and no more; for when the child is dead. Others may hold the output open. */
  readonly finish: Effect.Effect<void>
}

/** The last bytes of what went by. */
class Tail {
  private bytes = new Uint8Array()
  private cut = false

  push(chunk: Uint8Array): void {
    const all = Buffer.concat([this.bytes, chunk.subarray(-TailSize)])
    this.cut ||= this.bytes.length + chunk.length > TailSize
    this.bytes = Uint8Array.from(all.subarray(-TailSize))
  }

  text(): string {
    let from = 0
    // What was cut may begin in the middle of a character.
    while (this.cut && from < 3 && (this.bytes[from]! & 0xc0) === 0x80) from++
    return new TextDecoder().decode(this.bytes.subarray(from))
  }
}

/** Makes whatever waits go on, once and from then on. */
class Gate {
  private isOpen = false
  private goOn: (() => void) | undefined

  /** Waits until `goOn` is called, or the gate is opened. */
  wait(start: (goOn: () => void) => void): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const goOn = () => resume(Effect.void)
      this.goOn = goOn
      start(goOn)
      if (this.isOpen) goOn()
    })
  }

  open(): void {
    this.isOpen = true
    this.goOn?.()
  }
}

const nothing: ChildOutput = {
  stream: Stream.empty,
  tail: () => "",
  reading: [],
  hurry: () => {},
  finish: Effect.void
}

/**
 * Reads one output of a child from now on, until the scope closes. `label` stands in front of each line. In mode `keep`
 * nobody sees it, and its last words are kept.
 */
export const make = Effect.fnUntraced(function* <E>(options: {
  readonly mode: Output | "keep"
  readonly source: Stream.Stream<Uint8Array, E>
  readonly target: Writable
  readonly label: string
}): Effect.fn.Return<ChildOutput, never, Scope.Scope> {
  const { source, mode, target } = options
  if (mode === "inherit" || mode === "ignore") return nothing
  const tail = new Tail()

  if (mode === "keep") {
    const reading = yield* source.pipe(
      Stream.runForEach((chunk) => Effect.sync(() => tail.push(chunk))),
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    return { ...nothing, tail: () => tail.text(), reading: [reading] }
  }

  const gate = new Gate()

  if (mode === "pipe") {
    const queue = yield* Queue.unbounded<Uint8Array, Cause.Done>()
    let taken = () => {}
    const isFull = () => Queue.sizeUnsafe(queue) >= PipeCapacity
    let wasFull = false
    const reading = yield* source.pipe(
      Stream.runForEach((chunk) => {
        tail.push(chunk)
        Queue.offerUnsafe(queue, chunk)
        if (!isFull()) return Effect.void
        wasFull = true
        return gate.wait((goOn) => {
          taken = goOn
          // All may have been taken since: a fiber can be made to wait between any two steps.
          if (!isFull()) goOn()
        })
      }),
      Effect.ignore,
      Effect.ensuring(Queue.end(queue)),
      Effect.forkScoped({ startImmediately: true })
    )
    const stream = Stream.mapArray(Stream.fromQueue(queue), (chunks) => {
      taken()
      return chunks
    })
    const isOver = () => reading.pollUnsafe() !== undefined
    // When nobody has held it up for so long, it has read all that the child had written; what comes now is others'.
    const finish: Effect.Effect<void> = Effect.suspend(() => {
      if (isOver()) return Effect.void
      wasFull = isFull()
      return settle([reading], RestTime).pipe(
        Effect.andThen(settleTurns(isOver, RestTurns)),
        Effect.andThen(Effect.suspend(() => (wasFull ? finish : Fiber.interrupt(reading))))
      )
    })
    return { stream, tail: () => tail.text(), reading: [reading], hurry: () => gate.open(), finish }
  }

  const guarded = yield* Effect.acquireRelease(
    Effect.sync(() => Outputs.guard(target)),
    ({ release }) => Effect.sync(release)
  )
  const lines = new Lines(`[${options.label}] `, `[${options.label}/`)
  /** Writes whole lines; done when the output has taken them. */
  const write = (whole: Uint8Array): Effect.Effect<void> =>
    whole.length === 0 || guarded.isGone() || !target.writable
      ? Effect.void
      : gate.wait((goOn) => void target.write(whole, goOn))
  const reading = yield* source.pipe(
    Stream.runForEachArray((chunks) => {
      for (const chunk of chunks) tail.push(chunk)
      return write(Buffer.concat(chunks.map((chunk) => lines.push(chunk))))
    }),
    Effect.ignore,
    Effect.andThen(Effect.suspend(() => write(lines.flush()))),
    // Somebody outside of the child's group still has its output.
    Effect.onInterrupt(() => Effect.sync(() => void Effect.runFork(write(lines.flush())))),
    Effect.forkScoped({ startImmediately: true })
  )
  return {
    stream: Stream.empty,
    tail: () => tail.text(),
    reading: [reading],
    hurry: () => gate.open(),
    finish: Effect.void
  }
})

/** Reads what is left of the outputs of a child that is dead; others may hold them open, and are not waited for. */
export const rest = (outputs: ReadonlyArray<ChildOutput>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const reading = outputs.flatMap((output) => output.reading)
    for (const { hurry } of outputs) hurry()
    return Effect.andThen(
      settle(reading, RestTime),
      // A loop that was busy finds the time over before it reads.
      settleTurns(() => reading.every((fiber) => fiber.pollUnsafe() !== undefined), RestTurns)
    )
  })
