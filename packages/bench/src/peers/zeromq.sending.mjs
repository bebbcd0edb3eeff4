/** A queue before a socket of zeromq, which takes one message at a time. */

/**
 * @param {{ send: (message: any) => Promise<void> }} socket
 * @returns {(message: unknown, sent?: () => void) => void}
 */
export const sending = (socket) => {
  /** @type {Array<[message: unknown, sent: (() => void) | undefined]>} */
  let queue = []
  let busy = false
  const run = async () => {
    busy = true
    while (queue.length > 0) {
      const now = queue
      queue = []
      for (const [message, sent] of now) {
        await socket.send(message)
        sent?.()
      }
    }
    busy = false
  }
  return (message, sent) => {
    queue.push([message, sent])
    if (!busy) void run()
  }
}
