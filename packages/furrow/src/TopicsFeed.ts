/**
 * The subscriber's side of `Topics`: many local subscriptions over one dialog with a publisher.
 *
 * Answers for telling the publisher of a topic once, however many subscriptions here want it, and for giving each
 * subscription its own copy of what arrives. What is published, and when, is the publisher's.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as MutableHashMap from "effect/MutableHashMap"
import * as MutableHashSet from "effect/MutableHashSet"
import * as MutableList from "effect/MutableList"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Opening } from "./Dialog.ts"
import { checkCapacity, Closed } from "./FanOut.ts"

/**
 * What a subscriber tells a publisher. Those that add topics are answered, in order, when these are subscribed and before
 * anything of them is published.
 */
export interface Change<Topic> {
  readonly subscribe: ReadonlyArray<Topic>
  readonly unsubscribe: ReadonlyArray<Topic>
}

/** An item as a subscriber gets it. */
export interface Publication<Topic, Item> {
  readonly topic: Topic
  readonly item: Item
  /** How many items of the topic were lost before this one because this end was slow; only if the publisher skips. */
  readonly missed: number
}

/** What a publisher tells a subscriber: an item, that a change has been made, or that there will be no more of a topic. */
export type Said<Topic, Item> =
  | (Publication<Topic, Item> & { readonly _tag: "Published" })
  | { readonly _tag: "Changed" }
  | { readonly _tag: "Ended"; readonly topic: Topic }

/** One of the subscriptions of a {@link Feed}, with topics of its own. */
export interface Subscription<Topic, Item, E> {
  /**
   * Each item of its topics that was published since they were subscribed, in the order in which the publisher said
   * them. May be run again and goes on where it stopped.
   *
   * Ends when every topic that it listened to, and has not given up, has ended, or the publisher as a whole; if topics
   * are subscribed afterwards, it goes on with them. Fails as the dialog does: with the error of a source, with
   * `PortalError` `Cancelled` when the publisher's actor is stopped, with `Disconnected` when that is lost; and with
   * `Closed` when its scope, or the feed's, has ended. All of it comes when what arrived before is taken, and each time
   * that it is run.
   */
  readonly stream: Stream.Stream<Publication<Topic, Item>, E | Closed>
  /**
   * Listens to these topics, too, and returns when the publisher knows: what is published from then on arrives. It may
   * be asked for in the middle of the subscription's own stream. A topic that has ended begins again. Does nothing when
   * the subscription is closed.
   */
  readonly subscribe: (topics: Iterable<Topic>) => Effect.Effect<void>
  /**
   * Takes no more of these topics, of what has arrived already neither. The publisher is told; a source that takes its
   * time to end holds up nothing but its own topic's beginning anew.
   */
  readonly unsubscribe: (topics: Iterable<Topic>) => Effect.Effect<void>
  /** The topics that it listens to and that have not ended. */
  readonly topics: Effect.Effect<ReadonlyArray<Topic>>
}

/** One dialog with a publisher, for any number of subscriptions; made with {@link open}. */
export interface Feed<Topic, Item, E> {
  /**
   * Subscribes to topics for the length of a scope, and returns when the publisher knows. A topic that another
   * subscription of this feed has already is not asked for again: each gets its own copy.
   */
  readonly subscribe: (
    topics: Iterable<Topic>
  ) => Effect.Effect<Subscription<Topic, Item, E>, never, Scope.Scope>
}

/** What a feed is opened with. */
export interface OpenOptions {
  /**
   * How many items a subscription may leave untaken before the dialog's others, and in the end the publisher, wait for
   * it; it may get more while the publisher has been asked for a topic and has not answered. Defaults to `64`.
   */
  readonly capacity?: number | undefined
}

/** Why nothing more arrives. */
type Outcome<E> = Cause.Cause<E | Closed | Cause.Done>

class Connection<Topic, Item, E> implements Feed<Topic, Item, E> {
  readonly capacity: number
  readonly changes: Queue.Queue<Change<Topic>>
  private readonly subscriptions = new Set<Local<Topic, Item, E>>()
  /** How many subscriptions want each topic: those that the publisher was told of, or will be, in order. */
  private readonly wanted = MutableHashMap.empty<Topic, number>()
  /** The changes that are to be answered, first to last. */
  private readonly unanswered: Array<Deferred.Deferred<void>> = []
  /** Topics that the publisher has been asked for, by the answer that is to come: until then it may say what is old. */
  private readonly asked = MutableHashMap.empty<Topic, Deferred.Deferred<void>>()
  private readonly roomier = Latch.makeUnsafe()
  private outcome: Outcome<E> | undefined

  constructor(capacity: number, changes: Queue.Queue<Change<Topic>>) {
    this.capacity = capacity
    this.changes = changes
  }

  readonly subscribe = (
    topics: Iterable<Topic>
  ): Effect.Effect<Subscription<Topic, Item, E>, never, Scope.Scope> =>
    Effect.tap(
      Effect.acquireRelease(
        Effect.sync(() => {
          const subscription = new Local(this)
          this.subscriptions.add(subscription)
          if (this.outcome !== undefined) subscription.end(this.outcome)
          return subscription
        }),
        (subscription) =>
          Effect.sync(() => {
            this.subscriptions.delete(subscription)
            subscription.close()
          })
      ),
      (subscription) => subscription.subscribe(topics)
    )

  /** Hands an item to every subscription that wants it. */
  deliver(publication: Publication<Topic, Item>): void {
    if (MutableHashMap.has(this.asked, publication.topic)) return
    this.each((subscription) => subscription.deliver(publication))
  }

  /** Nothing more is published of a topic. */
  topicEnded(topic: Topic): void {
    if (MutableHashMap.has(this.asked, topic)) return
    MutableHashMap.remove(this.wanted, topic)
    this.each((subscription) => subscription.topicEnded(topic))
  }

  /** Does something to each subscription. Whoever is woken runs at once, and may change them: so that comes afterwards. */
  private each(change: (subscription: Local<Topic, Item, E>) => void): void {
    const subscriptions = [...this.subscriptions]
    for (const subscription of subscriptions) change(subscription)
    for (const subscription of subscriptions) subscription.wake()
  }

  /** The publisher has subscribed to the topics that it was told of first. */
  answered(): void {
    const first = this.unanswered.shift()
    if (first === undefined) return
    for (const [topic, answer] of Array.from(this.asked)) {
      if (answer === first) MutableHashMap.remove(this.asked, topic)
    }
    Deferred.doneUnsafe(first, Exit.void)
  }

  /** Nothing more will arrive. */
  end(outcome: Outcome<E>): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.each((subscription) => subscription.end(outcome))
    for (const answer of this.unanswered.splice(0)) Deferred.doneUnsafe(answer, Exit.void)
  }

  /** One subscription more, or less, wants the topic. Gives whether that is news for the publisher. */
  count(topic: Topic, by: 1 | -1): boolean {
    const before = Option.getOrElse(MutableHashMap.get(this.wanted, topic), () => 0)
    if (before + by === 0) MutableHashMap.remove(this.wanted, topic)
    else MutableHashMap.set(this.wanted, topic, before + by)
    return before === 0 || before + by === 0
  }

  /** Tells the publisher of a change; gives the last answer that is to come, if there is one. */
  tell(change: Change<Topic>): Deferred.Deferred<void> | undefined {
    if (this.outcome !== undefined) return undefined
    if (change.subscribe.length > 0) {
      const answer = Deferred.makeUnsafe<void>()
      this.unanswered.push(answer)
      for (const topic of change.subscribe) MutableHashMap.set(this.asked, topic, answer)
    }
    if (change.subscribe.length + change.unsubscribe.length > 0) {
      Queue.offerUnsafe(this.changes, change)
    }
    this.poke()
    return this.unanswered.at(-1)
  }

  /**
   * An answer may be behind items that there is no room for, and the publisher hears of no other change before it has
   * given this one: until then all are taken, whether somebody still waits for it or not.
   */
  private get hasRoom(): boolean {
    if (this.unanswered.length > 0) return true
    for (const subscription of this.subscriptions) {
      if (subscription.behind >= this.capacity) return false
    }
    return true
  }

  /** Waits until one more item can be taken in. */
  readonly room: Effect.Effect<void> = Effect.suspend(() => {
    if (this.hasRoom) return Effect.void
    this.roomier.closeUnsafe()
    return Effect.andThen(this.roomier.await, this.room)
  })

  /** There may be room now. */
  poke(): void {
    this.roomier.openUnsafe()
  }
}

class Local<Topic, Item, E> implements Subscription<Topic, Item, E> {
  private readonly feed: Connection<Topic, Item, E>
  private readonly own = MutableHashSet.empty<Topic>()
  private readonly arrived = MutableList.make<Publication<Topic, Item>>()
  private readonly changed = Latch.makeUnsafe()
  /** A topic has ended since one was subscribed last. */
  private hasEnded = false
  private outcome: Outcome<E> | undefined

  constructor(feed: Connection<Topic, Item, E>) {
    this.feed = feed
  }

  /** How many items it has not taken. */
  get behind(): number {
    return this.arrived.length
  }

  deliver(publication: Publication<Topic, Item>): void {
    if (!MutableHashSet.has(this.own, publication.topic)) return
    MutableList.append(this.arrived, publication)
  }

  topicEnded(topic: Topic): void {
    if (!MutableHashSet.has(this.own, topic)) return
    MutableHashSet.remove(this.own, topic)
    this.hasEnded = true
  }

  end(outcome: Outcome<E>): void {
    this.outcome = outcome
  }

  /** Whoever waits for an item looks again. */
  wake(): void {
    this.changed.openUnsafe()
  }

  close(): void {
    this.giveUp(Array.from(this.own))
    MutableList.clear(this.arrived)
    this.end(Cause.fail(new Closed()))
    this.wake()
  }

  get topics(): Effect.Effect<ReadonlyArray<Topic>> {
    return Effect.sync(() => Array.from(this.own))
  }

  /** What there is for it: an item, a failure, the end; nothing if it has to wait. */
  private takeNow(): Pull.Pull<Publication<Topic, Item>, E | Closed> | undefined {
    const next = MutableList.take(this.arrived)
    if (next !== MutableList.Empty) {
      this.feed.poke()
      return Effect.succeed(next)
    }
    if (this.outcome !== undefined) return Effect.failCause(this.outcome)
    return this.hasEnded && MutableHashSet.size(this.own) === 0 ? Cause.done() : undefined
  }

  private readonly take: Pull.Pull<Publication<Topic, Item>, E | Closed> = Effect.suspend(() => {
    const now = this.takeNow()
    if (now !== undefined) return now
    this.changed.closeUnsafe()
    return Effect.flatMap(this.changed.await, () => this.take)
  })

  get stream(): Stream.Stream<Publication<Topic, Item>, E | Closed> {
    return Stream.fromPull(
      Effect.succeed(Effect.map(this.take, (publication) => [publication] as const))
    )
  }

  readonly subscribe = (topics: Iterable<Topic>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.outcome !== undefined) return Effect.void
      const news: Array<Topic> = []
      for (const topic of topics) {
        if (MutableHashSet.has(this.own, topic)) continue
        MutableHashSet.add(this.own, topic)
        this.hasEnded = false
        if (this.feed.count(topic, 1)) news.push(topic)
      }
      const answer = this.feed.tell({ subscribe: news, unsubscribe: [] })
      return answer === undefined ? Effect.void : Deferred.await(answer)
    })

  readonly unsubscribe = (topics: Iterable<Topic>): Effect.Effect<void> =>
    Effect.sync(() => this.giveUp(Array.from(topics)))

  private giveUp(topics: ReadonlyArray<Topic>): void {
    const given = MutableHashSet.fromIterable(topics)
    MutableList.filter(this.arrived, ({ topic }) => !MutableHashSet.has(given, topic))
    const news: Array<Topic> = []
    for (const topic of given) {
      if (!MutableHashSet.has(this.own, topic)) continue
      MutableHashSet.remove(this.own, topic)
      if (this.feed.count(topic, -1)) news.push(topic)
    }
    this.feed.tell({ subscribe: [], unsubscribe: news })
    // It may have been the last that had not ended.
    this.wake()
  }
}

/**
 * Opens one dialog with a publisher, for the length of a scope, for any number of subscriptions of this actor; they may
 * be made, changed and left at any time. The end of the scope fails them with `Closed`, leaves the dialog, and waits
 * until the publisher has let go of every topic that nobody else listens to.
 *
 * One dialog has one pace: a subscription that is not read holds up the others once it is `capacity` items behind. What
 * must not be held up opens a feed of its own.
 *
 * **Example** (Two tasks, one dialog)
 *
 * ```ts
 * const Quotes = Topics.make("Quotes", { topic: Schema.String, item: Schema.Finite })
 * class Market extends Actor.make("Market", [Quotes]) {}
 *
 * const program = (market: Portal.Portal<Actor.OperationsOf<typeof Market>>) => Effect.gen(function*() {
 *   const feed = yield* Topics.open(market.client.Quotes())
 *   const hot = yield* feed.subscribe(["tea", "coffee"])
 *   const tea = yield* feed.subscribe(["tea"])
 *   yield* Effect.forkScoped(Stream.runForEach(hot.stream, ({ topic, item }) => Console.log(topic, item)))
 *   yield* Stream.runForEach(tea.stream, ({ item }) => item > 9 ? hot.unsubscribe(["tea"]) : Effect.void)
 * })
 * ```
 */
export const open = <Topic, Item, E>(
  opening: Opening<void, Change<Topic>, Said<Topic, Item>, void, E>,
  options?: OpenOptions
): Effect.Effect<Feed<Topic, Item, E>, E, Scope.Scope> =>
  Effect.gen(function* () {
    const { capacity = 64 } = options ?? {}
    yield* checkCapacity("A feed", capacity)
    const changes = yield* Queue.unbounded<Change<Topic>>()
    const feed = new Connection<Topic, Item, E>(capacity, changes)
    const dialog = yield* opening
    const reading = Stream.runForEach(dialog.messages, (said) => {
      switch (said._tag) {
        case "Changed":
          return Effect.sync(() => feed.answered())
        case "Ended":
          return Effect.sync(() => feed.topicEnded(said.topic))
        case "Published":
          return Effect.andThen(
            feed.room,
            Effect.sync(() => feed.deliver(said))
          )
      }
    }).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => feed.end(Exit.isSuccess(exit) ? Cause.fail(Cause.Done()) : exit.cause))
      )
    )
    const telling = Stream.runForEach(Stream.fromQueue(changes), dialog.send).pipe(
      // What it fails with is what the messages fail with; but a topic that does not fit its schema is told of here only.
      Effect.onError((cause) =>
        Effect.sync(() => {
          if (Cause.hasDies(cause)) feed.end(cause)
        })
      )
    )
    for (const task of [reading, telling]) {
      yield* Effect.acquireRelease(Effect.forkDetach(task), (fiber) =>
        Effect.suspend(() => {
          feed.end(Cause.fail(new Closed()))
          return Fiber.interrupt(fiber)
        })
      )
    }
    return feed
  })
