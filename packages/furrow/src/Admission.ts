/**
 * Who may be in at once, who waits for a place, and whose turn is next.
 *
 * Answers for three things that `effect/Pool` leaves open: the order of those who wait (the highest priority first, and
 * within one the first come), how many may, and that nobody is let in any more. A place that becomes free goes to the
 * next at once, so nobody who comes meanwhile can take it. What a place is good for is said by whoever keeps it.
 */
import * as Effect from "effect/Effect"

/** Why somebody is not let in: as many wait as may, or nobody is let in any more. */
export type Refusal = "full" | "closed"

/** Somebody who is in, or waits for it. */
export interface Place {
  readonly priority: number
  isIn: boolean
  /** Ends the waiting. */
  tell: ((end: Effect.Effect<void, "closed">) => void) | undefined
}

/** Those who wait with the same priority, in the order in which they came. */
interface Rank {
  readonly priority: number
  readonly places: Set<Place>
}

/** See the module. */
export class Admission {
  /** How many may be in at once. */
  readonly room: number
  /** How many may wait. */
  readonly most: number
  private inside = 0
  private queued = 0
  private isOpen = true
  /** The highest priority last; none is empty. */
  private readonly ranks: Array<Rank> = []
  private readonly watching = new Set<() => void>()

  constructor(room: number, most: number) {
    this.room = room
    this.most = most
  }

  /** How many are in. */
  get running(): number {
    return this.inside
  }

  /** How many wait. */
  get waiting(): number {
    return this.queued
  }

  /** Takes a place, or one among those who wait. Whoever has one has to {@link leave}, whatever becomes of the waiting. */
  enter(priority: number): Place | Refusal {
    if (!this.isOpen) return "closed"
    const place: Place = { priority, isIn: this.inside < this.room, tell: undefined }
    if (place.isIn) this.inside++
    else if (this.queued < this.most) this.queue(place)
    else return "full"
    return place
  }

  /** Waits until somebody is in; fails if nobody who waits is let in any more. */
  turn(place: Place): Effect.Effect<void, "closed"> {
    return Effect.callback((resume) => {
      // It may have come while the fiber rested before this.
      if (place.isIn) resume(Effect.void)
      else if (!this.isQueued(place)) resume(Effect.fail("closed"))
      else place.tell = resume
    })
  }

  /** Goes, or stops waiting, and leaves no trace: the next has the place. */
  leave(place: Place): Effect.Effect<void> {
    return Effect.withFiber(({ currentDispatcher }) => {
      if (!place.isIn) this.unqueue(place)
      // Not on the stack of whoever goes: those who come and go at once would pile up on it.
      else if (!this.letIn((task) => currentDispatcher.scheduleTask(task, 0))) this.inside--
      this.changed()
      return Effect.void
    })
  }

  /** From now on nobody is let in who does not wait yet. */
  shut(): void {
    this.isOpen = false
  }

  /** The same, and those who wait are refused, too. */
  dismiss(): void {
    this.shut()
    const waiting = this.ranks.splice(0).flatMap(({ places }) => [...places])
    this.queued = 0
    for (const { tell } of waiting) tell?.(Effect.fail("closed"))
    this.changed()
  }

  /** Waits until nobody is in, and nobody waits. */
  get empty(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const look = () => {
        // Nobody waits while there is room.
        if (this.inside > 0) return
        this.watching.delete(look)
        resume(Effect.void)
      }
      this.watching.add(look)
      look()
    })
  }

  private queue(place: Place): void {
    this.queued++
    const at = this.rankOf(place.priority)
    const rank = this.ranks[at]
    if (rank?.priority === place.priority) rank.places.add(place)
    else this.ranks.splice(at, 0, { priority: place.priority, places: new Set([place]) })
  }

  /** Where the rank of a priority is, or would be. */
  private rankOf(priority: number): number {
    let low = 0
    let high = this.ranks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.ranks[middle]!.priority < priority) low = middle + 1
      else high = middle
    }
    return low
  }

  private isQueued(place: Place): boolean {
    const rank = this.ranks[this.rankOf(place.priority)]
    return rank !== undefined && rank.places.has(place)
  }

  private unqueue(place: Place): void {
    const at = this.rankOf(place.priority)
    const rank = this.ranks[at]
    if (rank?.places.delete(place) !== true) return
    this.queued--
    if (rank.places.size === 0) this.ranks.splice(at, 1)
  }

  /** Gives a place that has become free to the next, if somebody waits. */
  private letIn(later: (task: () => void) => void): boolean {
    const next: Place | undefined = this.ranks.at(-1)?.places.values().next().value
    if (next === undefined) return false
    this.unqueue(next)
    next.isIn = true
    later(() => next.tell?.(Effect.void))
    return true
  }

  private changed(): void {
    for (const look of this.watching) look()
  }
}
