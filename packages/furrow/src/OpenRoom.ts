/**
 * The peer's window for the payloads of Opens, as the sender keeps to it.
 *
 * Answers for the rule: values keep within the window, and one at a time may go beyond it, however long. So the peer
 * holds at most its window and one value that no handler has taken, and a large value does not keep small ones back.
 */

/** See the module. */
export class OpenRoom {
  private readonly window: number
  /** Bytes that were begun, and not given back. */
  private held = 0
  /** The length of the value that went beyond the window, while it is counted. */
  private beyond = 0

  /** `window`: in bytes. */
  constructor(window: number) {
    this.window = window
  }

  /** Whether a value of this length may begin now. */
  takes(length: number): boolean {
    return this.beyond === 0 || this.fits(length)
  }

  /** A value of this length begins. */
  begin(length: number): void {
    if (!this.fits(length)) this.beyond = length
    this.held += length
  }

  /**
   * So many bytes have been taken, or were given up. Which value's they were is not said: what is beyond the window
   * counts until all that is held would fit into it.
   */
  giveBack(bytes: number): void {
    this.held -= bytes
    if (this.held <= this.window) this.beyond = 0
  }

  private fits(length: number): boolean {
    return this.held - this.beyond + length <= this.window
  }
}
