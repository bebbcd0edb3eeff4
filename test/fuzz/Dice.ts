/** Chance that can be had again: the same seed gives the same throws. */

/** See the module. Splitmix32, which is short and good enough to choose by. */
export class Dice {
  private state: number

  constructor(seed: number) {
    this.state = seed | 0
  }

  /** A whole number from 0 up to, and without, `below`. */
  below(below: number): number {
    this.state = (this.state + 0x9e3779b9) | 0
    let mixed = this.state ^ (this.state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below
  }

  /** True once in so many throws. */
  once(inThrows: number): boolean {
    return this.below(inThrows) === 0
  }

  /** One of these. */
  pick<A>(among: ReadonlyArray<A>): A {
    return among[this.below(among.length)]!
  }
}
