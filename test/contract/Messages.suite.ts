/**
 * What values become on their way: the rows MSG-1 to -5, -7 and -11, and rule D13.
 *
 * Values are validated by their schemas at both ends, always. What does not fit is a defect that names the operation,
 * the lane and the place in the value; it never throws, and the connection stays usable.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type * as Actor from "furrow/Actor"
import { DecodeError, EncodeError } from "furrow/CodecError"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { Codec } from "furrow/protocol"
import { inspect } from "node:util"
import { everything, Money, NewerPost, Point, Post, Refused } from "./fixtures/Messages.ts"
import type { Everything } from "./fixtures/Messages.ts"
import type { World } from "./World.ts"

/** The one defect that an exit failed with. */
const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert(Exit.isFailure(exit), "it should have failed")
  const [reason, ...others] = exit.cause.reasons
  assert(reason !== undefined && others.length === 0, "it should have one reason")
  assert(Cause.isDieReason(reason), "it should be a defect")
  return reason.defect
}

/** Everything has arrived as it was: equal, and of the classes that it was of. */
const expectEverything = (value: Everything): void => {
  const sent = everything()
  const { byName, maybe, point, wait, ...rest } = value
  const { byName: _1, maybe: _2, point: _3, wait: _4, ...sentRest } = sent
  expect(rest).toStrictEqual(sentRest)
  for (const [mine, theirs] of [
    [byName, sent.byName],
    [maybe, sent.maybe],
    [wait, sent.wait]
  ]) {
    expect(Equal.equals(mine, theirs)).toBe(true)
  }
  assert(point instanceof Point)
  expect([point.x, point.y, point.length]).toStrictEqual([3, 4, 5])
  assert(value.money instanceof Money)
  expect(value.money.plus(value.money).amount).toBe(2n)
}

const codecs = {
  binary: Codec.Codecs.defaultValue(),
  json: [Codec.json]
}

type PostClient = Actor.Client<Actor.OperationsOf<typeof Post>>

/** What a test is given. */
type Given = Effect.Services<ReturnType<Parameters<World["it"]>[1]>>

export default ({ it, main, name }: World): void => {
  const post = Nursery.spawn(Post, { ...main, arguments: { first: everything() } })

  describe(`messages (${name})`, () => {
    for (const [codec, offered] of Object.entries(codecs)) {
      /** A test over one codec. */
      const test = (fact: string, effect: () => Effect.Effect<unknown, unknown, Given>) =>
        it(`${fact} (${codec})`, () => Effect.provideService(effect(), Codec.Codecs, offered))
      test("MSG-7 values of every kind survive every lane, equal and usable: classes, brands, filters, transformations", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            expectEverything(yield* client.Echo(everything()))
            const refused = yield* Effect.flip(client.EchoError(everything()))
            assert(refused instanceof Refused)
            expectEverything(refused.what)
            const items = yield* Stream.runCollect(client.EchoStream(everything()))
            expect(items.length).toBe(2)
            for (const item of items) expectEverything(item)
            yield* client.EchoDialog(everything()).pipe(
              Dialog.use(
                Effect.fnUntraced(function* (echo) {
                  expectEverything(echo.started)
                  yield* echo.send(everything())
                  yield* echo.end
                  for (const item of yield* Stream.runCollect(echo.messages)) {
                    expectEverything(item)
                  }
                  expectEverything(yield* echo.result)
                })
              )
            )
            const one = new Money({ amount: 1n, currency: "EUR" })
            const { isMoney, sum } = yield* client.Methods({ a: one, b: one })
            expect(isMoney).toBe(true)
            assert(sum instanceof Money)
            expect(sum.amount).toBe(2n)
          })
        ))

      test("MSG-7 items that nobody has taken yet stay as they came, whatever comes after them", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            const valueOf = (length: number) => ({
              ...everything(),
              bytes: new Uint8Array(length).fill(length)
            })
            const lengths = [1001, 8002, 9003, 20_004, 25_005, 28_006, 30_007, 40_008, 9]
            yield* client.EchoDialog(valueOf(1)).pipe(
              Dialog.use(
                Effect.fnUntraced(function* (echo) {
                  for (const length of lengths) yield* echo.send(valueOf(length))
                  yield* echo.end
                  // Dialogs take turns: the last of these come after the last item.
                  yield* Effect.forEach(
                    Array.from({ length: 100 }, (_, n) => 31_000 + n),
                    (length) => client.Echo(valueOf(length)),
                    { concurrency: 4, discard: true }
                  )
                  const items = yield* Stream.runCollect(echo.messages)
                  expect(items.map(({ bytes }) => bytes.length)).toEqual(lengths)
                  for (const { bytes } of items) {
                    expect(Buffer.compare(bytes, valueOf(bytes.length).bytes)).toBe(0)
                  }
                })
              )
            )
          })
        ))

      const fitting = ["fits", null]
      const unfit = ["too long to fit", 7]

      /** Has these said as a first and a last word, and gives the end of it. */
      const say = (client: PostClient, started: unknown, success: unknown) =>
        Effect.gen(function* () {
          const heard: Array<unknown> = []
          const exit = yield* client.Say({ started, success }).pipe(
            Dialog.use(
              Effect.fnUntraced(function* (said) {
                heard.push(said.started)
                const exit = yield* said.exit
                // The same end, whoever asks for it.
                expect(yield* Effect.exit(said.result)).toStrictEqual(exit)
                return yield* exit
              })
            ),
            Effect.exit
          )
          return { heard, exit }
        })

      /** It failed with this lane's value, and tells the value and what was expected. */
      const expectUnfit = (exit: Exit.Exit<unknown, unknown>, lane: string, value: unknown) => {
        const defect = defectOf(exit)
        expect(defect).toMatchObject({ name: "EncodeError", operation: "Post.Say", lane })
        expect(String(defect)).toMatch(/expected .*, got /i)
        expect(String(defect)).toContain(String(value))
      }

      test("MSG-1 MSG-5 first and last words that fit arrive, null among them", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            for (const started of fitting) {
              for (const success of fitting) {
                const { exit, heard } = yield* say(client, started, success)
                expect(heard).toStrictEqual([started])
                expect(exit).toStrictEqual(Exit.succeed(success))
              }
            }
          })
        ))

      test("MSG-3 MSG-5 a first word that does not fit fails the dialog by name of its lane, whatever the last one", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            for (const started of unfit) {
              for (const success of [...fitting, ...unfit]) {
                const { exit, heard } = yield* say(client, started, success)
                expect(heard).toStrictEqual([])
                expectUnfit(exit, "started", started)
              }
            }
            expect(yield* client.Answer({ success: "ok" })).toBe("ok")
          })
        ))

      test("MSG-4 MSG-5 a last word that does not fit fails the dialog by name of its lane, behind a first that did", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            for (const started of fitting) {
              for (const success of unfit) {
                const { exit, heard } = yield* say(client, started, success)
                expect(heard).toStrictEqual([started])
                expectUnfit(exit, "success", success)
              }
            }
            expect(yield* client.Answer({ success: "ok" })).toBe("ok")
          })
        ))

      test("MSG-2 a first word that does not fit is a defect where it was said, and the dialog can go on", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            const { first, result } = yield* client
              .SayAgain({ started: "too long to fit" })
              .pipe(
                Dialog.use((say) =>
                  Effect.map(say.result, (result) => ({ first: say.started, result }))
                )
              )
            expect(first).toBe("again")
            expect(result).toMatchObject({ metHere: true, lane: "started" })
            expect(result.text).toContain("Post.SayAgain")
          })
        ))

      test("MSG-4 a result that does not fit its schema is a defect at the caller, naming the lane", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            for (const success of ["too long to fit", 7, { a: 1 }]) {
              const defect = defectOf(yield* Effect.exit(client.Answer({ success })))
              expect(defect).toMatchObject({
                name: "EncodeError",
                operation: "Post.Answer",
                lane: "success"
              })
            }
            expect(yield* client.Answer({ success: null })).toBeNull()
          })
        ))

      test("an item that does not fit ends its stream with a defect, and nothing else", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            const seen: Array<unknown> = []
            const exit = yield* Effect.exit(
              Stream.runForEach(
                client.Items({ items: ["a", "b", "too long to fit", "c"] }),
                (item) => Effect.sync(() => seen.push(item))
              )
            )
            expect(defectOf(exit)).toMatchObject({
              name: "EncodeError",
              operation: "Post.Items",
              lane: "fromCallee"
            })
            expect(["a", "b"].slice(0, seen.length)).toStrictEqual(seen)
            expect(yield* Stream.runCollect(client.Items({ items: ["c"] }))).toStrictEqual(["c"])
          })
        ))

      test("MSG-11 what is no message of the lane is a defect here, whose text says what is; the dialog goes on (D13)", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            const odd: ReadonlyArray<unknown> = [undefined, 7, {}, [], () => "a", Symbol("a"), 1n]
            const taken = yield* client.Take().pipe(
              Dialog.use(
                Effect.fnUntraced(function* (take) {
                  for (const item of odd) {
                    const defect = defectOf(yield* Effect.exit(take.send(item as string)))
                    assert(defect instanceof EncodeError)
                    expect([defect.operation, defect.lane]).toStrictEqual([
                      "Post.Take",
                      "fromCaller"
                    ])
                    expect(defect.message).toMatch(/expected string \| null/i)
                    expect(inspect(defect)).toContain("fromCaller")
                    yield* take.send("ok")
                  }
                  yield* take.end
                  return yield* take.result
                })
              )
            )
            expect(taken).toStrictEqual(odd.map(() => "ok"))
          })
        ))

      test("a payload that does not fit is a defect here, by path, and nothing is sent (D13)", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* post
            const wrong: ReadonlyArray<readonly [path: string, change: object]> = [
              [`["age"]`, { age: 151 }],
              [`["age"]`, { age: "42" }],
              [`["money"]["currency"]`, { money: { amount: 1n, currency: "euro" } }],
              [`["point"]`, { point: { x: 1, y: 2 } }],
              [
                `["tree"]["children"][0]["value"]`,
                { tree: { value: 1, children: [{ value: NaN, children: [] }] } }
              ],
              [`["bytes"]`, { bytes: [1, 2] }],
              [`["pair"][1]`, { pair: [1, 2] }],
              [`["text"]`, { text: undefined }]
            ]
            for (const [path, change] of wrong) {
              const payload = { ...everything(), ...change } as Everything
              const effects: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
                client.Echo(payload),
                client.EchoError(payload),
                Stream.runDrain(client.EchoStream(payload)),
                client.EchoDialog(payload).pipe(Dialog.use(() => Effect.void))
              ]
              for (const effect of effects) {
                const defect = defectOf(yield* Effect.exit(effect))
                assert(defect instanceof EncodeError)
                expect(defect.lane).toBe("payload")
                expect(defect.message).toContain(path)
              }
            }
            expect(yield* client.Answer({ success: "ok" })).toBe("ok")
          })
        ))

      test("arguments that do not fit, or are too long for a frame, are a defect here, and nothing is started (D13)", () =>
        Nursery.run(
          Effect.gen(function* () {
            for (const change of [{ age: 151 }, { text: "x".repeat(2_000_000) }]) {
              const exit = yield* Effect.exit(
                Nursery.spawn(Post, {
                  ...main,
                  arguments: { first: { ...everything(), ...change } as Everything }
                })
              )
              const defect = defectOf(exit)
              assert(defect instanceof EncodeError)
              expect([defect.operation, defect.lane]).toStrictEqual(["Post", "arguments"])
            }
            const { client } = yield* Nursery.spawn(Post, {
              ...main,
              arguments: { first: { ...everything(), text: "x".repeat(900_000) } }
            })
            expect(yield* client.Answer({ success: "ok" })).toBe("ok")
          })
        ))

      test("two versions of an operation tell when a value does not fit, in every lane, and the rest goes on (D13)", () =>
        Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* Nursery.spawn(NewerPost, {
              ...main,
              arguments: { first: everything() }
            })
            // At the callee: its payload is another.
            expect(defectOf(yield* Effect.exit(client.Echo({ text: 7 })))).toMatchObject({
              name: "DecodeError",
              operation: "Post.Echo",
              lane: "payload"
            })
            // Here: a string of one character, which as bytes might pass for a number.
            for (const success of ["a", "\n", "ab", "", null]) {
              const defect = defectOf(yield* Effect.exit(client.Answer({ success })))
              assert(defect instanceof DecodeError)
              expect([defect.operation, defect.lane]).toStrictEqual(["Post.Answer", "success"])
            }
            const seen: Array<unknown> = []
            const defect = defectOf(
              yield* Effect.exit(
                Stream.runForEach(client.Items({ items: ["a", "b"] }), (item) =>
                  Effect.sync(() => seen.push(item))
                )
              )
            )
            assert(defect instanceof DecodeError)
            expect([defect.operation, defect.lane]).toStrictEqual(["Post.Items", "fromCallee"])
            expect(seen).toStrictEqual([])
          })
        ))
    }
  })
}
