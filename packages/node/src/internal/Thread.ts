/**
 * What a thread that runs an actor is handed by whoever started it: its wire, and a port for orders.
 *
 * Answers for telling such a thread from the main thread, and from threads that others have started. The wire's bytes
 * are `WirePort`'s.
 */
import { MessageChannel } from "node:worker_threads"
import type { MessagePort, Transferable } from "node:worker_threads"
import { isMainThread } from "./MainThread.ts"

const Key = "furrow:thread"

/** The ports of one thread, at one of their two ends. */
export interface Ports {
  readonly wire: MessagePort
  readonly orders: MessagePort
}

/** What becomes of a thread's ports when it is started: these stay, and the thread is started with those. */
export const makePorts = (): {
  readonly own: Ports
  readonly workerData: { readonly [Key]: Ports }
  readonly transferList: Array<Transferable>
} => {
  const wire = new MessageChannel()
  const orders = new MessageChannel()
  return {
    own: { wire: wire.port1, orders: orders.port1 },
    workerData: { [Key]: { wire: wire.port2, orders: orders.port2 } },
    transferList: [wire.port2, orders.port2]
  }
}

/** The ports that this thread was started with; none if it is no thread of an actor. */
export const ports = (): Ports | undefined => {
  if (isMainThread()) return undefined
  const { workerData } = process.getBuiltinModule("node:worker_threads")
  return (workerData as { readonly [Key]?: Ports } | null | undefined)?.[Key]
}

/** The order to end, which is to a thread what SIGTERM is to a process. */
export const Terminate = "terminate"
