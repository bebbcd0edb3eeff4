/**
 * The contract of an adapter: what the workloads ask of a peer.
 *
 * An adapter answers in promises, and leaves out what its peer has no means for. A peer that lives in fibers brings loops
 * of its own (`latencies`, `keepCalling`), so that the measurer's promises are no part of what is measured.
 */

/** What W1 and W2 send, and expect back. */
export interface Payload {
  readonly n: number
  readonly s: string
}

/** What the consumer of a stream of items has counted. */
export interface Consumed {
  readonly count: number
  /** Of the items' sizes. */
  readonly sum: number
}

/** How many answers there have been, and whether it is enough. */
export interface Tally {
  answers: number
  enough: boolean
}

/** One dialog that stays open. */
export interface PingPong {
  /** Sends numbers, counted up from `from`, each when the last has come back; the next one after `millis` ms. */
  readonly rally: (from: number, millis: number) => Promise<number>
  readonly close: () => Promise<void>
}

/** What an end of a connection holds, in bytes, after a full garbage collection. */
interface Held {
  readonly caller: number
  readonly callee: number
}

/** A started child, whose `echo` may be called. */
export interface Child {
  /** Its process; nothing for a thread. */
  readonly pid: number | undefined
  readonly echo: (value: Payload) => Promise<Payload>
  /** Asks it to end, and waits until it has been reaped. */
  readonly stop: () => Promise<void>
  readonly isPrime?: (n: number) => Promise<boolean>
  /** Calls one after the other for `millis` ms, at most `most` times: how long each took, in µs. */
  readonly latencies?: (millis: number, most: number) => Promise<ReadonlyArray<number>>
  /** Keeps that many calls in flight until it is enough. */
  readonly keepCalling?: (inFlight: number, tally: Tally) => Promise<void>
  /** Consumes a stream of `n` items that the child produces. */
  readonly items?: (n: number) => Promise<Consumed>
  /** Consumes a stream of `n` chunks of `size` bytes: how many bytes it had. */
  readonly chunks?: (n: number, size: number) => Promise<number>
  readonly pingPong?: () => Promise<PingPong>
  /** Asks for one value of `size` bytes: how many came. */
  readonly download?: (size: number) => Promise<number>
  /** Sends one value of so many bytes: how many arrived. */
  readonly upload?: (value: Uint8Array) => Promise<number>
  /** Opens `n` dialogs, which stay open until they are closed all together. */
  readonly openDialogs?: (n: number) => Promise<{ readonly close: () => Promise<void> }>
  readonly memory?: () => Promise<Held>
}

/** A tree of processes in two levels. */
export interface Tree {
  /** Of all of them; nothing if they are threads. */
  readonly pids: ReadonlyArray<number> | undefined
  /** Cancels its root. Fails if one of them has left out what it had to do at its end. */
  readonly cancel: () => Promise<void>
}

/** A way to run something in another process or thread, and to talk to it. */
export interface Peer {
  readonly kind: "process" | "thread"
  /** Waits until all is there that it keeps for the next child. */
  readonly ready?: () => Promise<void>
  readonly spawn: () => Promise<Child>
  /** So many children that look like one, and share out what they are asked: whoever is free has the next, and only that. */
  readonly pool?: (size: number) => Promise<Child>
  /** Starts `middles` children with `leaves` children each. */
  readonly tree?: (middles: number, leaves: number) => Promise<Tree>
  /** Gives back what the peer itself holds. */
  readonly close?: () => Promise<void>
}

/** What an adapter's module exports. */
export interface Adapter {
  readonly open: () => Promise<Peer>
}
