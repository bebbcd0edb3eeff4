/**
 * The caller's half of a peer that is nothing but a pipe of messages: which answer belongs to which question.
 *
 * It knows no transport: `post` sends, `received` is told what has come. What each peer does for backpressure is its own.
 */
import type { Child, Consumed, PingPong } from "./Peer.ts"
import { acknowledgeEvery } from "./Payloads.mjs"
import { check } from "./Workload.ts"

/** A question: an operation by name, and what is said along with it. */
export interface Question {
  readonly id: number
  readonly op: string
  readonly arg?: unknown
}

/** An answer: the result of a call, or one value of several, or the last of them. */
export interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly value?: unknown
  readonly end?: boolean
}

/** Questions that wait for their answers, on one connection. */
export class Calls {
  private readonly post: (question: Question) => void
  private readonly pending = new Map<number, (result: unknown) => void>()
  private readonly listening = new Map<number, (answer: Answer) => void>()
  private last = 0

  constructor(post: (question: Question) => void) {
    this.post = post
  }

  /** To be told each answer that comes. */
  readonly received = (answer: Answer): void => {
    const resolve = this.pending.get(answer.id)
    if (resolve === undefined) return this.listening.get(answer.id)?.(answer)
    this.pending.delete(answer.id)
    resolve(answer.result)
  }

  /** Asks in a way of one's own, and waits for the one answer. */
  ask<A>(post: (id: number) => void): Promise<A> {
    return new Promise<unknown>((resolve) => {
      const id = ++this.last
      this.pending.set(id, resolve)
      post(id)
    }) as Promise<A>
  }

  /** Asks once, and waits for the one answer. */
  call<A>(op: string, arg: unknown): Promise<A> {
    return this.ask((id) => this.post({ id, op, arg }))
  }

  /** Asks for values until the last one; `each` says how many of them to acknowledge now. */
  values(op: string, arg: unknown, each: (value: unknown) => number): Promise<void> {
    return new Promise((resolve) => {
      const id = ++this.last
      this.listening.set(id, ({ end, value }) => {
        if (end === true) {
          this.listening.delete(id)
          return resolve()
        }
        const taken = each(value)
        if (taken > 0) this.post({ id, op: "ack", arg: taken })
      })
      this.post({ id, op, arg })
    })
  }

  /** What every peer of this kind can do; `credit` says whether its child waits to be told what was taken. */
  operations(credit: boolean) {
    return {
      echo: (value) => this.call("echo", value),
      isPrime: (n) => this.call("isPrime", n),
      items: async (n): Promise<Consumed> => {
        let count = 0
        let sum = 0
        await this.values("items", n, (item) => {
          count++
          sum += (item as { readonly size: number }).size
          return credit && count % acknowledgeEvery === 0 ? acknowledgeEvery : 0
        })
        return { count, sum }
      },
      chunks: async (n, size): Promise<number> => {
        let bytes = 0
        await this.values("chunks", { n, size }, (chunk) => {
          bytes += (chunk as Uint8Array).byteLength
          return credit ? 1 : 0
        })
        return bytes
      },
      pingPong: async (): Promise<PingPong> => {
        const id = ++this.last
        let arrived: (value: unknown) => void
        this.listening.set(id, ({ value }) => arrived(value))
        return {
          rally: async (from, millis) => {
            const end = performance.now() + millis
            let next = from
            do {
              const pong = await new Promise<unknown>((resolve) => {
                arrived = resolve
                this.post({ id, op: "ping", arg: next })
              })
              check(pong, next, "pong")
              next++
            } while (performance.now() < end)
            return next
          },
          close: async () => {
            this.listening.delete(id)
          }
        }
      }
    } satisfies Partial<Child>
  }
}
