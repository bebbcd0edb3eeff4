/**
 * Publish and subscribe across actors: one dialog, over which what a subscriber listens to changes while it is open.
 *
 * Answers for the operation (`make`) and for the publisher's side of it: a source for each topic that runs only while
 * somebody is subscribed (`handler`), or values from wherever they come (`publisher`). The subscriber's side is
 * `TopicsFeed`'s, handed on from here. Counting who holds a topic is `RcMap`'s, and keeping those who listen to one
 * apart is `FanOut`'s.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Dialog from "./Dialog.ts"
import { reasonsOf } from "./Exits.ts"
import * as FanOut from "./FanOut.ts"
import type { Change, Said } from "./TopicsFeed.ts"

export { open } from "./TopicsFeed.ts"
export type { Change, Feed, OpenOptions, Publication, Said, Subscription } from "./TopicsFeed.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The operation
// ---------------------------------------------------------------------------------------------------------------------

/** An operation over which topics are published, defined with {@link make}. */
export type Topics<
  Tag extends string,
  Topic extends Schema.Top,
  Item extends Schema.Top,
  Error extends Schema.Top
> = Dialog.Dialog<
  Tag,
  Schema.Void,
  Schema.Void,
  Schema.Struct<{
    readonly subscribe: Schema.$Array<Topic>
    readonly unsubscribe: Schema.$Array<Topic>
  }>,
  Schema.Union<
    readonly [
      Schema.TaggedStruct<
        "Published",
        { readonly topic: Topic; readonly item: Item; readonly missed: Schema.Int }
      >,
      Schema.TaggedStruct<"Changed", {}>,
      Schema.TaggedStruct<"Ended", { readonly topic: Topic }>
    ]
  >,
  Schema.Void,
  Error
>

/**
 * Defines the operation of a publisher: what a topic is, what is published under one, and what its sources may fail
 * with. `error` defaults to `Schema.Never`. Topics are the same if they are equal by `Equal.equals`.
 *
 * **Example** (Quotes by name)
 *
 * ```ts
 * const Quotes = Topics.make("Quotes", { topic: Schema.String, item: Schema.Finite })
 * class Market extends Actor.make("Market", [Quotes]) {}
 * ```
 */
export const make = <
  const Tag extends string,
  Topic extends Schema.Top,
  Item extends Schema.Top,
  Error extends Schema.Top = Schema.Never
>(
  tag: Tag,
  options: {
    readonly topic: Topic
    readonly item: Item
    readonly error?: Error
  }
): Topics<Tag, Topic, Item, Error> => {
  const { error, item, topic } = options
  const topics = Schema.Array(topic)
  return Dialog.make(tag, {
    fromCaller: Schema.Struct({ subscribe: topics, unsubscribe: topics }),
    fromCallee: Schema.Union([
      Schema.TaggedStruct("Published", { topic, item, missed: Schema.Int }),
      Schema.TaggedStruct("Changed", {}),
      Schema.TaggedStruct("Ended", { topic })
    ]),
    ...(error === undefined ? {} : { error })
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// The publisher's side
// ---------------------------------------------------------------------------------------------------------------------

/** How a publisher deals with subscribers that are slow. */
export interface PublisherOptions {
  /**
   * `"wait"`: a topic's source goes at the pace of its slowest subscriber, and nothing is lost. `"skip"`: it waits for
   * nobody, and who is further behind than `capacity` loses the oldest items and is told how many, in the `missed` of
   * the next. Defaults to `"wait"`.
   */
  readonly slow?: "wait" | "skip" | undefined
  /**
   * How many items of a topic a subscriber may be behind, beside the 64 of its dialog's window. Defaults to `64`.
   */
  readonly capacity?: number | undefined
}

/** The handler of a publisher's operation. */
export type Handler<Topic, Item, E> = (
  payload: void,
  dialog: Dialog.Callee<void, Change<Topic>, Said<Topic, Item>>
) => Effect.Effect<void, E>

/** An error of a source, told apart from those of its fan-out: the source may be fed by another one. */
class SourceFailed<E> {
  readonly error: E

  constructor(error: E) {
    this.error = error
  }
}

/** A topic that somebody listens to. */
interface Held<Item, E> {
  readonly fan: FanOut.FanOut<Item, SourceFailed<E>>
  /** The first has subscribed. */
  readonly begun: Deferred.Deferred<void>
}

/** A topic that one subscriber listens to. */
interface Listening {
  readonly scope: Scope.Closeable
  /** Its source has ended, and the subscriber knows, or is being told. */
  hasEnded: boolean
}

/**
 * The handler over sources that are opened in the publisher's own context: a subscriber's deadline, or its trace, must
 * not be that of whoever else listens to the topic.
 */
const handlerOver = Effect.fnUntraced(function* <Topic, Item, E, R>(
  name: string,
  openSource: (topic: Topic) => Effect.Effect<Stream.Stream<Item, E, R>, never, R | Scope.Scope>,
  options: PublisherOptions | undefined
) {
  const { capacity = 64, slow = "wait" } = options ?? {}
  yield* FanOut.checkCapacity(`The publisher of ${name}`, capacity)
  const own = yield* Effect.context<R>()

  /** Done when a topic's source has ended, and everything that was held for it. */
  const ends = MutableHashMap.empty<Topic, Deferred.Deferred<void>>()

  const hold = Effect.fnUntraced(function* (topic: Topic) {
    // Somebody may want the topic again while it is still being let go.
    const before = MutableHashMap.get(ends, topic)
    if (Option.isSome(before)) yield* Deferred.await(before.value)
    const end = Deferred.makeUnsafe<void>()
    yield* Effect.acquireRelease(
      Effect.sync(() => MutableHashMap.set(ends, topic, end)),
      () =>
        Effect.sync(() => {
          MutableHashMap.remove(ends, topic)
          Deferred.doneUnsafe(end, Exit.void)
        })
    )
    const source = Stream.mapError(yield* openSource(topic), (error) => new SourceFailed(error))
    const fan = yield* FanOut.make(source, { capacity })
    const begun = Deferred.makeUnsafe<void>()
    if (slow === "skip") {
      const { stream } = yield* Effect.orDie(fan.subscribe({ lag: "skip" }))
      // Takes everything at once, so that the source goes at its own pace. What it fails with, the subscribers tell.
      yield* Deferred.await(begun).pipe(
        Effect.andThen(Stream.runDrain(stream)),
        Effect.exit,
        Effect.forkScoped
      )
    }
    const held: Held<Item, E> = { fan, begun }
    return held
  })
  const held = yield* RcMap.make({
    lookup: (topic: Topic) =>
      Effect.updateContext(hold(topic), (caller: Context.Context<Scope.Scope>) =>
        Context.add(own, Scope.Scope, Context.get(caller, Scope.Scope))
      )
  })

  // Told before anything is let go of.
  const closed = Deferred.makeUnsafe<void>()
  yield* Effect.addFinalizer(() => Deferred.succeed(closed, undefined))

  const handle: Handler<Topic, Item, E> = Effect.fnUntraced(function* (_payload, dialog) {
    const scope = yield* Effect.scope
    const listening = MutableHashMap.empty<Topic, Listening>()
    /** Topics that are being let go of, or whose end has failed. */
    const leaving = MutableHashMap.empty<Topic, Fiber.Fiber<void>>()
    const failed = Deferred.makeUnsafe<never, E>()
    const { messages, send } = yield* dialog.accept()

    // Runs last: by then nobody lets go of anything any more.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        const ends = yield* Fiber.awaitAll(Array.from(MutableHashMap.values(leaving)))
        const reasons = ends.flatMap(reasonsOf)
        if (reasons.length > 0) return yield* Effect.failCause(Cause.fromReasons(reasons))
      })
    )
    /** Lets go of a topic, beside whatever else is asked for: its source may take its time to end. */
    const leave = (topic: Topic) =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const own = MutableHashMap.get(listening, topic)
          if (Option.isNone(own)) return
          MutableHashMap.remove(listening, topic)
          const closing = yield* Scope.close(own.value.scope, Exit.void).pipe(
            Effect.onError((cause) => Deferred.failCause(failed, cause)),
            Effect.forkDetach
          )
          MutableHashMap.set(leaving, topic, closing)
          closing.addObserver((exit) => {
            if (Exit.isSuccess(exit)) MutableHashMap.remove(leaving, topic)
          })
        })
      )
    /** Subscribes to a topic; what that gives begins to publish it. */
    const listen = Effect.fnUntraced(function* (topic: Topic) {
      const before = MutableHashMap.get(listening, topic)
      if (Option.isSome(before)) {
        if (!before.value.hasEnded) return Effect.void
        // The other end knows it already, and wants the topic again.
        yield* leave(topic)
      }
      const left = MutableHashMap.get(leaving, topic)
      if (Option.isSome(left)) yield* Fiber.join(left.value)
      const own: Listening = { scope: yield* Scope.fork(scope), hasEnded: false }
      MutableHashMap.set(listening, topic, own)
      const { begun, fan } = yield* Scope.provide(RcMap.get(held, topic), own.scope)
      const { take } = yield* fan.subscribe({ lag: slow === "wait" ? "wait" : "fail" }).pipe(
        Effect.catchTag("Closed", () => Effect.interrupt),
        Scope.provide(own.scope)
      )
      Deferred.doneUnsafe(begun, Exit.void)
      return publishing(topic, take, send).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            own.hasEnded = true
            return send({ _tag: "Ended", topic })
          })
        ),
        Effect.andThen(Effect.suspend(() => leave(topic))),
        Effect.catchCause((cause) => Deferred.failCause(failed, cause)),
        Effect.forkIn(own.scope),
        Effect.asVoid
      )
    })

    yield* Effect.raceFirst(
      Stream.runForEach(messages, ({ subscribe, unsubscribe }) =>
        Effect.gen(function* () {
          const begins = yield* Effect.forEach(subscribe, listen)
          // What comes before this word is from a subscription of before, which the other end has given up.
          if (subscribe.length > 0) yield* send({ _tag: "Changed" })
          for (const begin of begins) yield* begin
          yield* Effect.forEach(unsubscribe, leave, { discard: true })
        })
      ),
      Effect.raceFirst(Deferred.await(failed), Deferred.await(closed))
    ).pipe(
      // What a publisher that is closed interrupts, has ended.
      Effect.catchCause((cause) =>
        Deferred.isDoneUnsafe(closed) && Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.failCause(cause)
      )
    )
  }, Effect.scoped)
  return handle
})

/** Sends what is taken of a topic, with the number of items that were missed before it, until its source has ended. */
const publishing = <Topic, Item, E>(
  topic: Topic,
  take: Pull.Pull<Item, SourceFailed<E> | FanOut.Closed | FanOut.Lagged>,
  send: (said: Said<Topic, Item>) => Effect.Effect<void>
): Effect.Effect<void, E> => {
  const next = (missed: number): Effect.Effect<void, E> =>
    Effect.matchEffect(take, {
      onSuccess: (item) =>
        Effect.andThen(send({ _tag: "Published", topic, item, missed }), next(0)),
      onFailure: (error) =>
        error instanceof SourceFailed
          ? Effect.fail(error.error)
          : error._tag === "Lagged"
            ? next(missed + error.missed)
            : error._tag === "Done"
              ? Effect.void
              : // The publisher is closed.
                Effect.interrupt
    })
  return next(0)
}

/**
 * The handler of a publisher whose topics have a source each: it is started when the first subscriber, of all callers,
 * subscribes to the topic, and interrupted when the last one has left, who waits for that; a topic never has two. Items go
 * to everybody who is subscribed. A source that ends is told to them as the end of the topic, and begins again for
 * whoever subscribes when all have been told; one that fails fails the operation of everybody subscribed. It runs in the
 * context of the publisher, not in that of a subscriber. When the scope that the handler was made in closes, every
 * subscriber's operation ends; what was not sent by then is dropped.
 *
 * **Example** (Prices while somebody wants them)
 *
 * ```ts
 * const Quotes = Topics.make("Quotes", { topic: Schema.String, item: Schema.Finite })
 * class Market extends Actor.make("Market", [Quotes]) {}
 *
 * const MarketLive = Market.toLayer(Effect.gen(function*() {
 *   const quotes = yield* Topics.handler(Quotes, (name) => Stream.tick("1 second").pipe(Stream.as(name.length)))
 *   return Market.of({ Quotes: quotes })
 * }))
 * ```
 */
export const handler = <
  Tag extends string,
  Topic extends Schema.Top,
  Item extends Schema.Top,
  Error extends Schema.Top,
  R
>(
  operation: Topics<Tag, Topic, Item, Error>,
  source: (topic: Topic["Type"]) => Stream.Stream<Item["Type"], Error["Type"], R>,
  options?: PublisherOptions
): Effect.Effect<Handler<Topic["Type"], Item["Type"], Error["Type"]>, never, R | Scope.Scope> =>
  handlerOver(operation._tag, (topic: Topic["Type"]) => Effect.sync(() => source(topic)), options)

/** A publisher whose items come from wherever they come, made with {@link publisher}. */
export interface Publisher<Topic, Item> {
  /** The operation's handler. */
  readonly handler: Handler<Topic, Item, never>
  /**
   * Hands an item to everybody who is subscribed to the topic, and says whether anybody is. Waits for slow subscribers
   * if the publisher does.
   */
  readonly publish: (topic: Topic, item: Item) => Effect.Effect<boolean>
  /** The topics that somebody is subscribed to. */
  readonly topics: Effect.Effect<ReadonlyArray<Topic>>
}

/**
 * A publisher that is handed its items: by other handlers, by a fiber of its actor, by events from outside. What is
 * published to nobody is dropped; `publish` says so, and so does `topics`, so that whoever publishes can stop. The end of
 * the scope that it was made in is the end of all its topics, and of every subscriber's operation; what was not sent by
 * then is dropped.
 *
 * **Example** (News, as they are reported)
 *
 * ```ts
 * const News = Topics.make("News", { topic: Schema.String, item: Schema.String })
 * const Report = Rpc.make("Report", { payload: { about: Schema.String, line: Schema.String }, success: Schema.Boolean })
 * class Agency extends Actor.make("Agency", [News, Report]) {}
 *
 * const AgencyLive = Agency.toLayer(Effect.gen(function*() {
 *   const news = yield* Topics.publisher(News)
 *   return Agency.of({ News: news.handler, Report: ({ about, line }) => news.publish(about, line) })
 * }))
 * ```
 */
export const publisher = <
  Tag extends string,
  Topic extends Schema.Top,
  Item extends Schema.Top,
  Error extends Schema.Top
>(
  operation: Topics<Tag, Topic, Item, Error>,
  options?: PublisherOptions
): Effect.Effect<Publisher<Topic["Type"], Item["Type"]>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const queues = MutableHashMap.empty<Topic["Type"], Queue.Queue<Item["Type"]>>()
    const handler = yield* handlerOver(
      operation._tag,
      Effect.fnUntraced(function* (topic: Topic["Type"]) {
        const queue = yield* Effect.acquireRelease(Queue.bounded<Item["Type"]>(1), (queue) => {
          MutableHashMap.remove(queues, topic)
          return Queue.shutdown(queue)
        })
        MutableHashMap.set(queues, topic, queue)
        return Stream.fromQueue(queue)
      }),
      options
    )
    return {
      handler,
      publish: (topic, item) =>
        Effect.suspend(() =>
          Option.match(MutableHashMap.get(queues, topic), {
            onNone: () => Effect.succeed(false),
            onSome: (queue) => Queue.offer(queue, item)
          })
        ),
      topics: Effect.sync(() => Array.from(MutableHashMap.keys(queues)))
    }
  })
