/**
 * Errors across hops: rules E1 to E3, and the rows ERR-1, -2, -3, -7 and -8.
 *
 * "Declared" is what an operation's error schema names, and arrives as itself. Everything else that a handler ends with
 * is a bug, and arrives as a defect that a person can still work with. Both tell by which way they came.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import { Codec, Reasons } from "furrow/protocol"
import type { Identity } from "furrow/protocol"
import { inspect } from "node:util"
import {
  Boom,
  boom,
  bugs,
  Denied,
  Failing,
  Place,
  Relaying,
  Undeclared
} from "./fixtures/Errors.ts"
import type { World } from "./World.ts"

/** The reasons of a failure. */
const reasonsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<Cause.Reason<unknown>> => {
  assert(Exit.isFailure(exit), "it should have failed")
  return exit.cause.reasons
}

/** The one reason of a failure. */
const reasonOf = (exit: Exit.Exit<unknown, unknown>): Cause.Reason<unknown> => {
  const [reason, ...others] = reasonsOf(exit)
  assert(reason !== undefined && others.length === 0, "it should have one reason")
  return reason
}

/** What failed, whether it was declared or not. */
const whatOf = (reason: Cause.Reason<unknown>): unknown =>
  Cause.isFailReason(reason)
    ? reason.error
    : Cause.isDieReason(reason)
      ? reason.defect
      : "an interruption"

/** The way that a reason has come, as `actor operation`, the first station first. */
const wayOf = (reason: Cause.Reason<unknown>): ReadonlyArray<string> =>
  (Context.getOrUndefined(Cause.reasonAnnotations(reason), Reasons.Hops) ?? []).map(
    ({ actor, operation }: Identity.Hop) => `${actor.path} ${operation}`
  )

const codecs = {
  binary: Codec.Codecs.defaultValue(),
  json: [Codec.json]
}

export default ({ it, main, name }: World): void => {
  describe(`errors (${name})`, () => {
    it("ERR-1 a declared error arrives as an instance of its class, fields intact (E1)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { actor, client } = yield* Nursery.spawn(Failing, main)
          const reason = reasonOf(yield* Effect.exit(client.Fail({ n: 7 })))
          assert(Cause.isFailReason(reason))
          const { error } = reason
          assert(error instanceof Boom)
          expect(error).toStrictEqual(boom(7))
          expect(error.at).toBeInstanceOf(Date)
          expect(error.place).toBeInstanceOf(Place)
          expect([error.message, error.place.sum]).toStrictEqual(["boom 7", 14])
          // The place where it was made, in the other actor's program.
          expect(error.stack).toContain("fixtures/Errors.ts")
          expect(error.stack).not.toContain("Reasons.ts")
          // The way it came stands beside the error, which is untouched.
          expect(wayOf(reason)).toStrictEqual([`${actor.path} Fail`])
          expect(Object.keys(error).sort()).toStrictEqual(Object.keys(boom(7)).sort())
        })
      ))

    it("ERR-2 several declared errors arrive each as its own class", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Failing, main)
          const handled = (which: "Boom" | "Denied") =>
            client.FailEither({ which }).pipe(
              Effect.catchTags({
                Boom: ({ n }) => Effect.succeed(n),
                Denied: ({ who }) => Effect.succeed(who)
              })
            )
          expect(yield* handled("Boom")).toBe(1)
          expect(yield* handled("Denied")).toBe("eve")
          expect(yield* Effect.flip(client.FailEither({ which: "Denied" }))).toBeInstanceOf(Denied)
        })
      ))

    for (const [codec, offered] of Object.entries(codecs)) {
      it(`ERR-3 what is not declared arrives as a defect with name, message, own fields, stack and chain (E2, ${codec})`, () =>
        Nursery.run(
          Effect.gen(function* () {
            const { actor, client } = yield* Nursery.spawn(Failing, main)
            const meet = (bug: keyof typeof bugs, how: "Die" | "Throw" = "Die") =>
              Effect.map(Effect.exit(client[how]({ bug })), (exit) => {
                const reason = reasonOf(exit)
                assert(Cause.isDieReason(reason), `${bug} should be a defect`)
                expect(wayOf(reason)).toStrictEqual([`${actor.path} ${how}`])
                return reason.defect
              })
            const error = yield* meet("an error")
            assert(error instanceof Error)
            expect([error.name, error.message]).toStrictEqual(["TypeError", "not a function"])
            // The place where it was made, in the other actor's program.
            expect(error.stack).toContain("fixtures/Errors.ts")

            expect(yield* meet("an error", "Throw")).toMatchObject({
              name: "TypeError",
              message: "not a function"
            })
            expect(yield* meet("own fields")).toMatchObject({
              message: "no such file",
              code: "ENOENT",
              errno: -2,
              path: "/nowhere"
            })
            const undeclared = yield* meet("an undeclared error")
            expect(undeclared).toMatchObject({ name: "Undeclared", _tag: "Undeclared", code: "X1" })
            expect(undeclared).not.toBeInstanceOf(Undeclared)
            // Dying with a declared error is a bug all the same.
            expect(yield* meet("a declared error")).toMatchObject({
              name: "Boom",
              message: "boom 1",
              n: 1,
              place: { x: 1, y: 1 }
            })
            expect(yield* meet("a chain")).toMatchObject({
              message: "top",
              cause: {
                name: "RangeError",
                message: "middle",
                cause: { name: "Error", message: "bottom" }
              }
            })
            expect(yield* meet("a string")).toBe("just text")
            expect(yield* meet("an object")).toStrictEqual({ status: 503, retry: true })
            expect(yield* meet("nothing")).toBeUndefined()
            expect(yield* meet("null")).toBeNull()
          })
        ).pipe(Effect.provideService(Codec.Codecs, offered)))
    }

    it("ERR-7 a group arrives as a group whose members can be told apart", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Failing, main)
          const group = whatOf(reasonOf(yield* Effect.exit(client.Die({ bug: "a group" }))))
          assert(group instanceof AggregateError)
          expect(group.message).toBe("many")
          const [one, two, ...others] = group.errors
          expect(others).toStrictEqual([])
          expect(one).toMatchObject({ name: "TypeError", message: "one" })
          assert(two instanceof AggregateError)
          expect(two.message).toBe("two")
          expect(two.errors).toMatchObject([{ name: "Boom", n: 2 }, "three"])
        })
      ))

    it("ERR-7 several reasons of one Cause arrive all, in order, equal ones too (E3)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { actor, client } = yield* Nursery.spawn(Failing, main)
          const reasons = reasonsOf(yield* Effect.exit(client.FailTwice()))
          expect(reasons.map(({ _tag }) => _tag)).toStrictEqual([
            "Fail",
            "Die",
            "Interrupt",
            "Fail",
            "Fail"
          ])
          expect(reasons.map(whatOf)).toMatchObject([
            { n: 1 },
            { message: "beside it" },
            "an interruption",
            { n: 1 },
            { n: 2 }
          ])
          for (const reason of reasons) {
            expect(wayOf(reason)).toStrictEqual([`${actor.path} FailTwice`])
            if (Cause.isFailReason(reason)) expect(reason.error).toBeInstanceOf(Boom)
            // An interruption says whose it is.
            const by = Context.getOrUndefined(
              Cause.reasonAnnotations(reason),
              Reasons.InterruptedBy
            )
            expect(by).toStrictEqual(Cause.isInterruptReason(reason) ? actor : undefined)
          }
        })
      ))

    it("an error that its own schema cannot write becomes a defect that says so and holds it (E3)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Failing, main)
          const defect = whatOf(reasonOf(yield* Effect.exit(client.FailUnfit())))
          expect(defect).toMatchObject({
            name: "UnfitError",
            side: "encode",
            cause: { name: "Boom", n: "one" }
          })
          expect(String(defect)).toContain(`["n"]`)
          expect(yield* client.Ok()).toBe("ok")
        })
      ))

    it("a stream's error arrives behind its last item, a dialog's in its block; both as themselves", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { actor, client } = yield* Nursery.spawn(Failing, main)
          const seen: Array<number> = []
          const streamed = reasonOf(
            yield* Effect.exit(
              Stream.runForEach(client.FailAfter({ items: 3 }), (n) =>
                Effect.sync(() => seen.push(n))
              )
            )
          )
          expect(whatOf(streamed)).toStrictEqual(boom(3))
          expect(wayOf(streamed)).toStrictEqual([`${actor.path} FailAfter`])
          // A failure overtakes what was not read yet, so any beginning of the items may have been seen.
          expect(seen).toStrictEqual([1, 2, 3].slice(0, seen.length))

          const talked = reasonOf(
            yield* Effect.exit(client.FailIn({ n: 4 }).pipe(Dialog.use(() => Effect.never)))
          )
          expect(whatOf(talked)).toStrictEqual(boom(4))
          expect(wayOf(talked)).toStrictEqual([`${actor.path} FailIn`])
          expect(yield* client.Ok()).toBe("ok")
        })
      ))

    for (const [codec, offered] of Object.entries(codecs)) {
      it(`through two levels a failure arrives as it was, with every station it passed (E1, E2, E3, ${codec})`, () =>
        Nursery.run(
          Effect.gen(function* () {
            const { actor, client } = yield* Nursery.spawn(Relaying, main)
            const wayThrough = (operation: string) => [
              `${actor.path}/Failing ${operation}`,
              `${actor.path} ${operation}`
            ]
            const declared = reasonOf(yield* Effect.exit(client.Fail({ n: 5 })))
            assert(Cause.isFailReason(declared))
            assert(declared.error instanceof Boom)
            expect(declared.error).toStrictEqual(boom(5))
            expect(declared.error.stack).toContain("fixtures/Errors.ts")
            expect(wayOf(declared)).toStrictEqual(wayThrough("Fail"))

            const undeclared = reasonOf(yield* Effect.exit(client.Die({ bug: "a chain" })))
            assert(Cause.isDieReason(undeclared))
            assert(undeclared.defect instanceof Error)
            expect(undeclared.defect).toMatchObject({
              message: "top",
              cause: { message: "middle", cause: { message: "bottom" } }
            })
            expect(undeclared.defect.stack).toContain("fixtures/Errors.ts")
            expect(wayOf(undeclared)).toStrictEqual(wayThrough("Die"))

            const several = reasonsOf(yield* Effect.exit(client.FailTwice()))
            expect(several.map(whatOf)).toMatchObject([
              { n: 1 },
              { message: "beside it" },
              "an interruption",
              { n: 1 },
              { n: 2 }
            ])
            for (const reason of several)
              expect(wayOf(reason)).toStrictEqual(wayThrough("FailTwice"))

            const streamed = reasonOf(
              yield* Effect.exit(Stream.runDrain(client.FailAfter({ items: 2 })))
            )
            expect(whatOf(streamed)).toStrictEqual(boom(2))
            expect(wayOf(streamed)).toStrictEqual(wayThrough("FailAfter"))

            const talked = reasonOf(
              yield* Effect.exit(client.FailIn({ n: 6 }).pipe(Dialog.use((talk) => talk.result)))
            )
            expect(whatOf(talked)).toStrictEqual(boom(6))
            expect(wayOf(talked)).toStrictEqual(wayThrough("FailIn"))
            expect(yield* client.Ok()).toBe("ok")
          })
        ).pipe(Effect.provideService(Codec.Codecs, offered)))
    }

    it("ERR-8 whatever was thrown can be shown here, and the connection goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { actor, client } = yield* Nursery.spawn(Failing, main)
          for (const bug of Object.keys(bugs) as Array<keyof typeof bugs>) {
            for (const how of ["Die", "Throw"] as const) {
              const exit = yield* Effect.exit(client[how]({ bug }))
              const reason = reasonOf(exit)
              assert(Cause.isDieReason(reason), `${bug} should be a defect`)
              expect(wayOf(reason)).toStrictEqual([`${actor.path} ${how}`])
              assert(Exit.isFailure(exit))
              const shown = [
                Cause.pretty(exit.cause),
                inspect(exit.cause),
                inspect(reason.defect),
                String(reason.defect),
                JSON.stringify(reason.defect) ?? "",
                String(exit)
              ]
              for (const text of shown) expect(text.length).toBeLessThan(1_000_000)
            }
          }
          expect(yield* client.Ok()).toBe("ok")
        })
      ))

    it("ERR-8 shows the trace of the other actor's program", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Failing, main)
          const exit = yield* Effect.exit(client.Die({ bug: "a chain" }))
          assert(Exit.isFailure(exit))
          const shown = Cause.pretty(exit.cause)
          for (const message of ["top", "middle", "bottom"]) expect(shown).toContain(message)
          expect(shown).toContain("fixtures/Errors.ts")
        })
      ))
  })
}
