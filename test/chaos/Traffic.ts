/**
 * What actors and their parents say to each other: the operations, how they are answered, and how they are asked.
 *
 * Answers for telling a wrong answer from a right one as it arrives (order, sums, echoes). What a missing answer means
 * is `Oracle`'s.
 */
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Actor from "furrow/Actor"
import * as Dialog from "furrow/Dialog"
import { Knot as KnotPlan } from "./Plan.ts"
import type { Operation } from "./Plan.ts"

/** The one error that callees declare. */
class Refused extends Schema.TaggedError<Refused>()("Refused", { n: Schema.Int }) {}

/** The one that was to answer is not there any more. */
export class Gone extends Schema.TaggedError<Gone>()("Gone", { knot: Schema.String }) {}

const operations = [
  Rpc.make("Double", { payload: Schema.Int, success: Schema.Int }),
  Rpc.make("Large", { payload: Schema.String, success: Schema.String }),
  Rpc.make("Count", {
    payload: { count: Schema.Int, pause: Schema.Int },
    success: Schema.Int,
    stream: true
  }),
  Dialog.make("Chat", {
    payload: { turns: Schema.Int },
    started: Schema.Int,
    fromCaller: Schema.Int,
    fromCallee: Schema.Int,
    success: Schema.Int
  }),
  Rpc.make("Refuse", { payload: Schema.Int, success: Schema.Int, error: Refused }),
  Rpc.make("Die", { payload: Schema.Int, success: Schema.Int }),
  Rpc.make("Hang", {
    payload: {
      manner: Schema.Literals(["at once", "slowly", "throwing", "firmly"]),
      millis: Schema.Int
    },
    success: Schema.Int
  })
] as const

/** An actor of the tree, which is told what it is by its arguments. */
export class Knot extends Actor.make(
  "Knot",
  [
    ...operations,
    /** A call that a child of this actor is to answer. */
    Rpc.make("Through", {
      payload: { knot: Schema.String, n: Schema.Int },
      success: Schema.Int,
      error: Gone
    })
  ],
  { arguments: { plan: KnotPlan, file: Schema.String } }
) {}

/** Whoever owns actors, as they may call it. */
export class Above extends Actor.make("Above", operations) {}

/** A door to either. */
export type Client = Actor.Client<(typeof operations)[number]>

// ---------------------------------------------------------------------------------------------------------------------
// Answering
// ---------------------------------------------------------------------------------------------------------------------

const handlers = Above.of({
  Double: (n) => Effect.succeed(2 * n),
  Large: (text) => Effect.succeed(text),
  Count: ({ count, pause }) =>
    Stream.range(0, count - 1).pipe(
      Stream.rechunk(16),
      Stream.tap((n) => (n % 500 === 0 && pause > 0 ? Effect.sleep(pause) : Effect.void))
    ),
  Chat: Effect.fnUntraced(function* ({ turns }, dialog) {
    const { messages, send } = yield* dialog.accept(turns)
    return yield* messages.pipe(
      Stream.tap((n) => send(2 * n)),
      Stream.runFold(
        () => 0,
        (sum, n) => sum + n
      )
    )
  }),
  Refuse: (n) => Effect.fail(new Refused({ n })),
  Die: (n) => Effect.die(new Error(`bug ${n}`)),
  Hang: ({ manner, millis }) => {
    switch (manner) {
      case "at once":
        return Effect.never
      case "slowly":
        return Effect.onInterrupt(Effect.never, () => Effect.sleep(millis))
      case "throwing":
        return Effect.onInterrupt(Effect.never, () => Effect.die(new Error("bug of a finalizer")))
      case "firmly":
        return Effect.andThen(Effect.uninterruptible(Effect.sleep(millis)), Effect.never)
    }
  }
})

/** The operations that both sides have. */
export const answers = handlers

/** Whoever owns actors, as a service for those who spawn. */
export const AboveLive = Above.toLayer(handlers)

// ---------------------------------------------------------------------------------------------------------------------
// Asking
// ---------------------------------------------------------------------------------------------------------------------

/** What came was not what had been asked for: a bug of Furrow. */
class WrongAnswer extends Error {
  override readonly name = "WrongAnswer"
}

const wrong = (text: string) => Effect.die(new WrongAnswer(text))

/** A text of some length whose parts are told apart. */
const textOf = (size: number): string => {
  let text = ""
  for (let n = 0; text.length < size; n++) text += `${n} `
  return text.slice(0, size)
}

const chat = (client: Client, turns: number) =>
  client.Chat({ turns }).pipe(
    Dialog.use(
      Effect.fnUntraced(function* (talk) {
        if (talk.started !== turns) return yield* wrong(`the first word was ${talk.started}`)
        const sending = Effect.gen(function* () {
          for (let n = 0; n < turns; n++) yield* talk.send(n)
          yield* talk.end
        })
        const replies = inOrder(talk.messages, (n) => 2 * n, turns)
        const [replied] = yield* Effect.all([replies, sending], { concurrency: 2 })
        return replied + (yield* talk.result)
      })
    )
  )

/** The sum of a stream, of which every item has to be the right one in its place. */
const inOrder = <E, R>(
  items: Stream.Stream<number, E, R>,
  itemAt: (index: number) => number,
  count: number
): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    let seen = 0
    let sum = 0
    yield* Stream.runForEach(items, (item) => {
      if (item !== itemAt(seen)) return wrong(`item ${seen} was ${item}`)
      seen++
      sum += item
      return Effect.void
    })
    return seen === count ? sum : yield* wrong(`${seen} items came instead of ${count}`)
  })

/** Asks, and gives the answer as a number, see `answerOf`. */
export const ask = (client: Client, operation: Operation) => {
  switch (operation.do) {
    case "double":
      return client.Double(operation.n)
    case "large": {
      const text = textOf(operation.size)
      return Effect.flatMap(client.Large(text), (answer) =>
        answer === text ? Effect.succeed(text.length) : wrong(`another text came back`)
      )
    }
    case "crowd":
      return Effect.map(
        Effect.forEach(
          Array.from({ length: operation.count }).keys(),
          (n) =>
            Effect.flatMap(client.Double(n), (answer) =>
              answer === 2 * n ? Effect.succeed(answer) : wrong(`${n} became ${answer}`)
            ),
          { concurrency: "unbounded" }
        ),
        (all) => all.reduce((sum, answer) => sum + answer, 0)
      )
    case "count": {
      const { count, pause } = operation
      return inOrder(client.Count({ count, pause }), (n) => n, count)
    }
    case "chat":
      return chat(client, operation.turns)
    case "refuse":
      return client.Refuse(operation.n)
    case "die":
      return client.Die(operation.n)
    case "hang":
      return client.Hang({ manner: operation.manner, millis: operation.millis })
  }
}
