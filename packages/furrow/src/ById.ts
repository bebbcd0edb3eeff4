/**
 * Things that come and go by the thousand, found by their numbers: dialogs by their ids.
 *
 * Answers for nothing of what has gone being kept. A Map keeps it: as it fills with what was taken out, V8 makes it
 * another table, to which the one before refers; once such a table has become old it stands until the next collection of
 * everything, and with it all tables since and whatever was in them. A busy connection pays for that with a third of
 * its time.
 */

/** What can be found. It knows what else stands in its place, so that no room is needed for that. */
export interface Numbered<A> {
  readonly id: number | undefined
  /** @internal */
  after: A | undefined
}

/** The least number of places; as many as there are things, beyond that. */
const Least = 16

/** See the module. */
export class ById<A extends Numbered<A>> {
  private heads: Array<A | undefined> = places(Least)
  private count = 0

  /** How many there are. */
  get size(): number {
    return this.count
  }

  /** The one with this number. */
  get(id: number): A | undefined {
    let found = this.heads[this.placeOf(id)]
    while (found !== undefined && found.id !== id) found = found.after
    return found
  }

  /** Adds one that has a number, which no other has. */
  add(one: A): void {
    if (this.count === this.heads.length) this.move(this.heads.length * 2)
    this.count++
    this.put(one)
  }

  /** Takes out the one with this number, if it is there. */
  delete(id: number): void {
    const place = this.placeOf(id)
    let before: A | undefined
    let found = this.heads[place]
    while (found !== undefined && found.id !== id) {
      before = found
      found = found.after
    }
    if (found === undefined) return
    if (before === undefined) this.heads[place] = found.after
    else before.after = found.after
    // It may be old, and would keep the others.
    found.after = undefined
    this.count--
    if (this.count === 0 && this.heads.length > Least) this.heads = places(Least)
  }

  /** All there are, in no order. */
  all(): Array<A> {
    const all: Array<A> = []
    for (let one of this.heads) for (; one !== undefined; one = one.after) all.push(one)
    return all
  }

  /** Takes out all, and gives them. */
  clear(): Array<A> {
    const all = this.all()
    for (const one of all) one.after = undefined
    this.heads = places(Least)
    this.count = 0
    return all
  }

  /** Ids are even or odd. */
  private placeOf(id: number): number {
    return (id / 2) & (this.heads.length - 1)
  }

  private put(one: A): void {
    const place = this.placeOf(one.id ?? 0)
    one.after = this.heads[place]
    this.heads[place] = one
  }

  private move(size: number): void {
    const all = this.all()
    this.heads = places(size)
    for (const one of all) this.put(one)
  }
}

const places = <A>(size: number): Array<A | undefined> =>
  Array.from<A | undefined>({ length: size })
