/**
 * What becomes of one output stream of a child: passed on line by line, given to the user as a Stream, or neither.
 *
 * Answers for the last words, for a reader of our own output that has gone, and for a slow one, which slows the child
 * down and fills no memory.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Output } from "furrow/Spawner"
import type { Writable } from "node:stream"
import { Lines } from "./Lines.ts"

/** How many bytes of last words are kept. */
const TailSize = 16_384

/** How many chunks wait for the user of a `pipe`. */
const PipeCapacity = 16

/** One output of a child. */
export interface ChildOutput {
  /** What the child writes, in mode `pipe`; else empty. */
  readonly stream: Stream.Stream<Uint8Array>
  /** The last it wrote, in the modes `lines` and `pipe`. */
  readonly tail: () => string
  /** Reads the output; ends when everybody who could write to it is gone. */
  readonly reading: ReadonlyArray<Fiber.Fiber<void>>
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

interface Guard {
  readonly onError: () => void
  users: number
  broken: boolean
}

const guards = new Map<Writable, Guard>()

/**
 * Makes an own output fit to be written to by many: when its reader goes away, what is written is dropped and nobody
 * dies of it. One listener, as long as somebody writes.
 */
const guarded = (target: Writable): Effect.Effect<Guard, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const known = guards.get(target)
      if (known !== undefined) {
        known.users++
        return known
      }
      const guard: Guard = { users: 1, broken: false, onError: () => void (guard.broken = true) }
      target.on("error", guard.onError)
      guards.set(target, guard)
      return guard
    }),
    (guard) =>
      Effect.sync(() => {
        if (--guard.users > 0) return
        guards.delete(target)
        // Node reports a failed write to its callback first and to the listeners afterwards.
        setImmediate(() => target.off("error", guard.onError))
      })
  )

/** Writes whole lines; done when the output has taken them. */
const write = (target: Writable, guard: Guard, lines: Uint8Array): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (lines.length === 0 || guard.broken || !target.writable) return resume(Effect.void)
    target.write(lines, () => resume(Effect.void))
  })

const nothing: ChildOutput = { stream: Stream.empty, tail: () => "", reading: [] }

/** Reads one output of a child from now on, until the scope closes. `label` stands in front of each line. */
export const make = Effect.fnUntraced(function* <E>(options: {
  readonly mode: Output
  readonly source: Stream.Stream<Uint8Array, E>
  readonly target: Writable
  readonly label: string
}): Effect.fn.Return<ChildOutput, never, Scope.Scope> {
  const { source, mode, target } = options
  if (mode === "inherit" || mode === "ignore") return nothing
  const tail = new Tail()

  if (mode === "pipe") {
    const queue = yield* Queue.bounded<Uint8Array, Cause.Done>(PipeCapacity)
    const reading = yield* source.pipe(
      Stream.runForEach((chunk) => {
        tail.push(chunk)
        return Queue.offer(queue, chunk)
      }),
      Effect.ignore,
      Effect.ensuring(Queue.end(queue)),
      Effect.forkScoped({ startImmediately: true })
    )
    return { stream: Stream.fromQueue(queue), tail: () => tail.text(), reading: [reading] }
  }

  const guard = yield* guarded(target)
  const lines = new Lines(`[${options.label}] `)
  const reading = yield* source.pipe(
    Stream.runForEachArray((chunks) => {
      for (const chunk of chunks) tail.push(chunk)
      return write(target, guard, Buffer.concat(chunks.map((chunk) => lines.push(chunk))))
    }),
    Effect.ignore,
    Effect.andThen(Effect.suspend(() => write(target, guard, lines.flush()))),
    // A reader of ours that has stopped reading holds nobody up.
    Effect.onInterrupt(() =>
      Effect.sync(() => void Effect.runFork(write(target, guard, lines.flush())))
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  return { stream: Stream.empty, tail: () => tail.text(), reading: [reading] }
})
