/**
 * Facts that change: whoever waits for one looks again whenever somebody tells that something has.
 *
 * Answers for nobody missing what holds when it begins to wait, or at any change after that. What the facts are, and
 * that each change is told, is for whoever keeps them.
 */
import * as Effect from "effect/Effect"

/** See the module. */
export class Changes {
  private readonly waiting = new Set<() => void>()

  /** Waits until it holds; as long as it does not, this looks at every change. */
  until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const look = () => {
        if (!holds()) return
        this.waiting.delete(look)
        resume(Effect.void)
      }
      this.waiting.add(look)
      look()
      return Effect.sync(() => this.waiting.delete(look))
    })
  }

  /** Something has changed. */
  tell(): void {
    for (const look of this.waiting) look()
  }
}
